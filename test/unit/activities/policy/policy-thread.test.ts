import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPolicyThread, type PolicyThread, type PolicyThreadOptions } from "#activities/policy/policy-thread.ts";
import type { PlanQuestion } from "#activities/policy/policy-work.ts";
import { EMPTY_POLICY } from "#domain/policy/policy.ts";
import { largestPause } from "#test/support/event-loop.ts";
import { POLICY_WORKER } from "#test/support/kept-places.ts";
import { manyTeams } from "#test/support/policies.ts";

let thread: PolicyThread | undefined;
let workers: Worker[];

const onWorker = (worker: Worker) => workers.push(worker);

beforeEach(() => {
	workers = [];
	process.on("worker", onWorker);
});

afterEach(async () => {
	process.off("worker", onWorker);
	await thread?.close();
});

function open(options: Partial<PolicyThreadOptions> = {}): PolicyThread {
	thread = createPolicyThread({ worker: POLICY_WORKER, ...options });
	return thread;
}

const FACTS = { adminNames: new Set<string>(), endedTeams: new Set<string>(), teamOfKey: new Map(), protocolOfProvider: new Map(), protocolOfModel: new Map() };

function plan(text: string, currentJson = JSON.stringify(EMPTY_POLICY)): PlanQuestion {
	return { kind: "plan", currentJson, facts: FACTS, request: { text, fileName: "policy.yaml", isPruning: false } };
}

const SMALL = plan("version: 1\nteams:\n  search:\n    unlimited: true\n");

test("whoever asks goes on meanwhile: no pause is as long as half of what reading a large policy takes", async () => {
	const policyJson = JSON.stringify(manyTeams(2_000));
	const opened = open();
	const { text } = await opened.ask({ kind: "write", policyJson });
	const { result, pauseMs, wholeMs } = await largestPause(() => opened.ask(plan(text, policyJson)));
	expect(result).toMatchObject({ kind: "planned", changeCount: 0, changesJson: "[]" });
	expect(pauseMs / wholeMs).toBeLessThan(0.5);
});

test("what is wrong with a file comes back as it is, every mistake", async () => {
	const answer = await open().ask(plan("version: 2\nteams: { search: { budget: [] } }"));
	expect(answer).toMatchObject({
		kind: "refused",
		mistakes: [
			{ line: 1, path: "version" },
			{ line: 2, path: "teams.search.budget" },
		],
	});
});

describe("the thread", () => {
	test("is not there before somebody asks, serves what comes, and ends when nobody asks any more", async () => {
		const opened = open({ idleMs: 0 });
		expect(workers).toHaveLength(0);
		const answers = await Promise.all([opened.ask(SMALL), opened.ask(SMALL)]);
		expect(answers).toEqual([expect.objectContaining({ changeCount: 2 }), expect.objectContaining({ changeCount: 2 })]);
		expect(workers).toHaveLength(1);
		if (workers[0]?.threadId !== -1) await once(workers[0] as Worker, "exit");
		expect(await opened.ask(SMALL)).toMatchObject({ changeCount: 2 });
		expect(workers).toHaveLength(2);
	});

	test("is ended over a policy its memory does not hold, which is told, and another serves the next", async () => {
		const opened = open({ heapMib: 48 });
		const policyJson = JSON.stringify(manyTeams(20_000));
		const [large, small] = await Promise.allSettled([opened.ask({ kind: "write", policyJson }), opened.ask(SMALL)]);
		expect(large).toMatchObject({ status: "rejected", reason: { code: "request.too_large", publicMessage: expect.stringContaining("48 MiB") } });
		expect(small).toMatchObject({ status: "fulfilled", value: { changeCount: 2 } });
		expect(workers).toHaveLength(2);
	});

	test("is ended when it takes too long, and those who waited are told too", async () => {
		const opened = open({ answerMs: 0 });
		const late = { status: "rejected", reason: { code: "gateway.overloaded" } };
		expect(await Promise.allSettled([opened.ask(SMALL), opened.ask(SMALL)])).toMatchObject([late, late]);
	});

	test("fails on what it was not made for, and serves on", async () => {
		const opened = open();
		const failed = await opened.ask({ kind: "write", policyJson: "{" }).catch((error: unknown) => error);
		expect(failed).toBeInstanceOf(Error);
		expect(failed).not.toHaveProperty("code");
		expect(await opened.ask(SMALL)).toMatchObject({ changeCount: 2 });
		expect(workers).toHaveLength(1);
	});

	test("lets only so many wait, and nobody when it is closed", async () => {
		const opened = open();
		const asked = Array.from({ length: 10 }, () => opened.ask(SMALL));
		await expect(asked[9]).rejects.toMatchObject({ code: "gateway.overloaded" });
		const settled = Promise.allSettled(asked);
		await opened.close();
		for (const one of await settled) expect(one).toMatchObject({ status: "rejected", reason: { code: "gateway.overloaded" } });
	});
});
