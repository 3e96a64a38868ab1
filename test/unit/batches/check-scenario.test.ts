import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { drawScenario } from "#test/batches/check/draw.ts";
import { readScenario } from "#test/batches/check/scenario.ts";
import { createRandom } from "#test/faults/random.ts";

/** The files of `npm run check:batch -- --scenario FILE`. */

const folder = mkdtempSync(path.join(tmpdir(), "tollgate-scenario-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string): ReturnType<typeof readScenario> {
	const file = path.join(folder, "scenario.yaml");
	writeFileSync(file, text);
	return readScenario(file);
}

test("YAML and JSON are read; what is left out has its default", () => {
	const yaml =
		"batches:\n  - { protocol: openai, items: 5, plan: { turnaroundMs: 60000 } }\nfaults:\n  - { atMs: 5, kind: kill, component: worker, forMs: 10 }\n";
	const expected = {
		batches: [
			{
				...{ protocol: "openai", items: 5, plan: { turnaroundMs: 60_000 }, failedShare: 0, doubledShare: 0, limitNanoUsd: "1000000000000" },
				...{ resubmit: false, relane: false },
			},
		],
		deferred: [],
		faults: [{ atMs: 5, kind: "kill", component: "worker", forMs: 10 }],
	};
	expect(read(yaml)).toEqual(expected);
	expect(read(JSON.stringify(expected))).toEqual(expected);
});

test("items handed in alone need no batches beside them", () => {
	const [order] = read("deferred: [{ protocol: anthropic, items: 7, deadlineShare: 1, deadlineMostMs: 3600000 }]").deferred;
	expect(order).toMatchObject({
		protocol: "anthropic",
		items: 7,
		keys: 1,
		deadlineShare: 1,
		deadlineMostMs: 3_600_000,
		plan: {},
		limitNanoUsd: "1000000000000",
	});
});

test.each([
	["webhook: true", 1],
	["webhook: false", 0],
	["webhook: 0.25", 0.25],
])("%s of items handed in alone is a share of them", (field, share) => {
	expect(read(`deferred: [{ protocol: openai, items: 5, ${field}, refusedWebhookShare: 0.1 }]`).deferred[0]).toMatchObject({
		webhook: share,
		refusedWebhookShare: 0.1,
	});
});

test("each rule of a key is drawn for some batches, alone and with the other, and neither for most", () => {
	const drawn = drawScenario(createRandom(1), 100).batches.map(({ resubmit, relane }) => `${resubmit} ${relane}`);
	const shares = Map.groupBy(drawn, (rules) => rules);
	expect([...shares.keys()].sort()).toEqual(["false false", "false true", "true false", "true true"]);
	for (const [, each] of shares) expect(each.length).toBeGreaterThan(5);
	expect(read("batches: [{ protocol: openai, items: 5, relane: true }]").batches[0]).toMatchObject({ resubmit: false, relane: true });
});

test("what is drawn at random could stand in a file, and is the same for the same seed", () => {
	for (let seed = 1; seed <= 50; seed += 1) {
		const drawn = drawScenario(createRandom(seed), 20);
		expect(read(JSON.stringify(drawn))).toEqual(drawn);
		expect(drawScenario(createRandom(seed), 20)).toEqual(drawn);
	}
});

test.each([
	["{ batches: [ }", /scenario\.yaml: /],
	["batches: []", /batches: /],
	["{}", /batches: expected batches, or deferred items/],
	["deferred: [{ protocol: openai, items: 5, keys: 0 }]", /deferred\.0\.keys: /],
	["deferred: [{ protocol: openai, items: 5, plan: { turnaround: 5 } }]", /deferred\.0\.plan: .*unknown field turnaround/],
	["deferred: [{ protocol: openai, items: 5, webhook: 2 }]", /deferred\.0\.webhook: /],
	["deferred: [{ protocol: openai, items: 5, webhook: hook }]", /deferred\.0\.webhook: /],
	["deferred: [{ protocol: openai, items: 5, deadlineMostMs: 5 }]", /deferred\.0\.deadlineMostMs: /],
	["batches: [{ protocol: openai, items: 0 }]", /batches\.0\.items: /],
	["batches: [{ protocol: openai, items: 1, plan: { turnaround: 5 } }]", /batches\.0\.plan: .*unknown field turnaround/],
	["batches: [{ protocol: openai, items: 1, relane: maybe }]", /batches\.0\.relane: /],
	["batches: [{ protocol: openai, items: 1, colour: red }]", /batches\.0: .*colour/],
	["batches: [{ protocol: openai, items: 1, limitNanoUsd: '1.5' }]", /batches\.0\.limitNanoUsd: expected nano-USD/],
	["{ batches: [{ protocol: gopher, items: 1 }], faults: [{ atMs: 0, kind: kill, component: moon, forMs: 1 }] }", /protocol: .*; faults\.0\.component: /],
	[
		"{ batches: [{ protocol: openai, items: 1 }], faults: [{ atMs: 0, kind: provider, faults: { rates: { create: { '500': 2 } } } }] }",
		/faults\.0\.faults: .*between 0 and 1/,
	],
])("%s is refused naming what is wrong", (text, complaint) => {
	expect(() => read(text)).toThrow(complaint);
});
