import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { playTree, TREE_MAX_TOKENS } from "#test/agents/tree.ts";
import { createRandom } from "#test/faults/random.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import type { CallLogLine } from "#test/support/simulated-provider.ts";

/** Of gpt-4o, counted here a second time from what the provider logged. */
const INPUT_NANO_USD = 2_500n;
const OUTPUT_NANO_USD = 10_000n;
/** What a call is reserved at, at most: its output at the cap, its input at no more than its bytes. */
const LARGEST_BOUND = 400n * INPUT_NANO_USD + BigInt(TREE_MAX_TOKENS) * OUTPUT_NANO_USD;

let stand: GatewayStand;
let gateways: GatewayProcess[];

beforeAll(async () => {
	stand = await openGatewayStand({ windowKind: "lifetime" });
	gateways = await Promise.all(["g1", "g2", "g3", "g4"].map((id) => stand.start(id)));
});
afterAll(() => stand.close());

test("10 x 10 x 10 agents on four gateways never spend more than their root may, and all of it", async () => {
	const limit = 700_000_000n;
	const tree = await play({ seed: 1, width: 10, depth: 3, callsPerAgent: 3, limits: { costNanoUsd: limit.toString(), depth: 3, width: 10 } });
	expect(tree.agents).toBeGreaterThan(200);
	expect(tree.refusals.length).toBeGreaterThan(50);
	expect(tree.refusals.filter(({ guard }) => guard !== "ceiling.costNanoUsd" && guard !== "parent")).toEqual([]);
	expect(tree.cost).toBeLessThanOrEqual(limit);
	expect(limit - tree.cost).toBeLessThan(LARGEST_BOUND);
	await expectBooksInOrder();
}, 180_000);

test.each([2, 3])(
	"steps of a tree are counted exactly, whoever takes them (seed %i)",
	async (seed) => {
		const tree = await play({ seed, width: 5, depth: 2, callsPerAgent: 6, limits: { steps: 97, costNanoUsd: "900000000000" } });
		expect(tree.calls).toHaveLength(97);
		expect(tree.answered).toBe(97);
		expect(tree.refusals.filter(({ guard, ofRun }) => guard !== "parent" && `${guard} ${ofRun}` !== `ceiling.steps ${tree.rootRunId}`)).toEqual([]);
		await expectBooksInOrder();
	},
	120_000,
);

type Played = Awaited<ReturnType<typeof playTree>> & { readonly calls: readonly CallLogLine[]; readonly cost: bigint; readonly rootRunId: string };

async function play(options: { seed: number; width: number; depth: number; callsPerAgent: number; limits: Record<string, unknown> }): Promise<Played> {
	const { seed, limits, ...shape } = options;
	const { key } = await stand.team(900_000_000_000n);
	const rootRunId = `tree-${randomBytes(4).toString("hex")}`;
	const registered = await fetch(`${gateways[0]?.url}/v1/runs`, {
		method: "POST",
		headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
		body: JSON.stringify({ runId: rootRunId, limits }),
	});
	expect(registered.status, await registered.text()).toBe(201);
	const before = stand.provider.calls().length;
	const tree = await playTree({ gateways, key, rootRunId, random: createRandom(seed), ...shape });
	const calls = stand.provider.calls().slice(before);
	expect(calls).toHaveLength(tree.answered);
	return { ...tree, calls, cost: calls.reduce((sum, call) => sum + costOf(call), 0n), rootRunId };
}

function costOf({ usage }: CallLogLine): bigint {
	const [input, output] = [BigInt(Number(usage["prompt_tokens"])), BigInt(Number(usage["completion_tokens"]))];
	return input * INPUT_NANO_USD + output * OUTPUT_NANO_USD;
}

async function expectBooksInOrder(): Promise<void> {
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, unresolved: 0 });
}
