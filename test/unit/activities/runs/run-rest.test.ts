import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, describe, expect, test } from "vitest";
import type { RunStore } from "#activities/runs/port.ts";
import { openRunGuard } from "#activities/runs/run-guard.ts";
import { LIVE_MAX } from "#activities/runs/run-rest.ts";
import { DEFAULT_RUN_POLICY } from "#domain/agents/run-policy.ts";
import { Conversation } from "#test/agents/conversation.ts";
import { GuardStand, RUN_KEY, type StandGateway, settled } from "#test/support/guard-stand.ts";

const MINUTE_MS = 60_000;

let stand: GuardStand;
let gateway: StandGateway;

beforeEach(() => {
	stand = new GuardStand();
	gateway = stand.first;
});

const header = (runId: string, parentRunId: string | null = null) => ({ claim: { runId, parentRunId } });

function rest(): void {
	gateway.guard.rest(stand.nowMs);
}

describe("a run that was idle for a minute", () => {
	test("rests once its rows are flushed, and its next call is one round trip", async () => {
		gateway.answer(await gateway.step({}));
		stand.pass(10 * MINUTE_MS);
		rest();
		expect(gateway.guard.sizes).toMatchObject({ live: 1, resting: 0 });
		gateway.flush();
		stand.pass(5_000);
		rest();
		expect(gateway.guard.sizes).toMatchObject({ live: 0, resting: 1 });
		const before = stand.runs.roundTrips;
		await gateway.step({});
		expect(stand.runs.roundTrips - before).toBe(1);
		expect(gateway.guard.sizes).toMatchObject({ live: 1, resting: 0 });
	});

	test("does not rest while a step of it is under way", async () => {
		const step = await gateway.step({});
		stand.pass(10 * MINUTE_MS);
		rest();
		expect(gateway.guard.sizes.live).toBe(1);
		step.left();
		stand.pass(MINUTE_MS);
		rest();
		expect(gateway.guard.sizes.live).toBe(0);
	});

	test("has its leases forgotten with the last run that draws on them", async () => {
		(await gateway.step(header("r-7"))).left();
		const child = await gateway.step(header("r-7.1", "r-7"));
		const [budget] = child.run.budgets;
		stand.pass(MINUTE_MS);
		rest();
		expect([gateway.guard.sizes.live, gateway.forgotten]).toEqual([1, []]);
		child.left();
		stand.pass(MINUTE_MS);
		rest();
		expect([gateway.guard.sizes.live, gateway.forgotten]).toEqual([0, [budget?.budgetId]]);
	});

	test("counts what it took before as it goes on", async () => {
		stand.policy = { ...stand.policy, limits: [{ kind: "outputBytes", hard: { at: 100n, action: "pause" } }] };
		gateway.answer(await gateway.step({}), { outputBytes: 60 });
		gateway.flush();
		stand.pass(MINUTE_MS);
		rest();
		gateway.answer(await gateway.step({}), { outputBytes: 40 });
		expect(await gateway.refused({})).toMatchObject({ run: { hold: { guard: "ceiling.outputBytes", measured: "100" } } });
	});

	test("is known to loop as far as it did, and patience counts from its last exchange", async () => {
		const conversation = new Conversation("chat.completions", "go");
		let polls = 0;
		for (; polls < 12; polls += 1) {
			const step = await gateway.step({ conversation: conversation.body });
			gateway.answer(step, { calls: [{ callId: `call_${polls + 1}`, tool: "get_job_status", argsText: '{"id":1}' }] });
			gateway.flush();
			conversation.add({ tool: "get_job_status", args: { id: 1 }, observation: "running", isError: false, costNanoUsd: "0", tokens: 0 });
			stand.pass(2 * MINUTE_MS);
			rest();
			expect(gateway.guard.sizes.live).toBe(0);
		}
		const step = await gateway.step({ conversation: conversation.body });
		expect(step.warnings).toEqual(["loop.repetition"]);
	});

	test("that is held is refused without asking, until something in its tree has changed", async () => {
		(await gateway.step({})).left();
		await stand.runs.decide({ runId: "r-7", by: "ann", reason: "enough", decision: { kind: "stop" } });
		await gateway.refused({});
		stand.pass(MINUTE_MS);
		rest();
		expect(gateway.guard.sizes).toMatchObject({ live: 0, resting: 1, held: 1 });
		stand.runs.error = new Error("connection refused");
		expect(gateway.enter({})).toMatchObject({ kind: "refused", refusal: { code: "run.stopped" } });
		stand.runs.error = undefined;
		await stand.runs.decide({ runId: "r-7", by: "ann", reason: "go on", decision: { kind: "resume" } });
		expect(await gateway.enter({})).toMatchObject({ kind: "step" });
	});

	test("does not rest while it is held and PostgreSQL does not know", async () => {
		stand.policy = { ...stand.policy, limits: [{ kind: "outputBytes", hard: { at: 1n, action: "pause" } }] };
		gateway.answer(await gateway.step({}), { outputBytes: 1 });
		gateway.flush();
		stand.runs.error = new Error("connection refused");
		await gateway.refused({});
		await settled();
		stand.pass(10 * MINUTE_MS);
		rest();
		expect(gateway.guard.sizes).toMatchObject({ live: 1, held: 1 });
		await settled();
		stand.runs.error = undefined;
		rest();
		await settled();
		stand.pass(10 * MINUTE_MS);
		rest();
		expect(gateway.guard.sizes).toMatchObject({ live: 0, resting: 1, held: 1 });
		expect(stand.runs.runs[0]?.state).toBe("paused");
	});
});

/** Opens every run that is asked for; nothing else is asked. */
function openingStore(nowMs: () => number): RunStore {
	let opened = 0;
	const never = (): never => {
		throw new Error("nothing else is asked");
	};
	return {
		async enter({ named, teamId, keyId, defaults }) {
			opened += 1;
			const number = String(opened);
			const runId = named.kind === "header" ? named.runId : number;
			const answered = JSON.stringify({
				run: {
					...{ number, runId, teamId, keyId, origin: "header", path: [number], limits: defaults, state: "running", hold: null, version: "1" },
					...{ forgiven: 0, openedMsAgo: nowMs() - nowMs(), pausedMs: 0, children: 0, onLoop: "pause" },
				},
				budgets: [{ budgetId: `9${number}`, teamId, dimension: "run", dimensionValue: number, unit: "nano_usd", windowKind: "lifetime", degrade: null }],
				totals: { costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} },
			});
			// As it comes from PostgreSQL: no string is shared.
			return { kind: "entered", chain: [JSON.parse(answered)], leases: [], memory: undefined, revision: 1n };
		},
		register: never,
		hold: never,
		read: never,
		find: never,
		finish: never,
	};
}

function openMany(count: number) {
	let nowMs = 1_000_000;
	const clock = () => nowMs;
	const { guard } = openRunGuard({
		store: openingStore(clock),
		gatewayId: "g1",
		policyOf: () => DEFAULT_RUN_POLICY,
		adoptLeases: () => undefined,
		forgetResting: (budgetIds) => [...budgetIds],
		writer: { enqueuedRows: 0, pendingRows: 0 },
		onError: (error) => {
			throw error;
		},
		nowMs: clock,
		wallClockMs: clock,
		randomBytes: (bytes) => new Uint8Array(bytes),
	});
	const conversation = { messages: [{ role: "user", content: "go" }] };
	const open = async (from: number): Promise<void> => {
		for (let run = from; run < from + count; run += 1) {
			const claim = { runId: `0190b5f2-7c3e-7a1b-9c4d-${run.toString().padStart(12, "0")}`, parentRunId: null };
			const call = { key: RUN_KEY, feature: null, claim, agent: "", endpoint: "chat.completions", conversation, model: "big", otherWindows: 1 } as const;
			const entry = await guard.enter(call);
			if (entry?.kind !== "step") throw new Error("it was refused");
			entry.step.left();
		}
	};
	return { guard, open, pass: (ms: number) => (nowMs += ms), rest: () => guard.rest(nowMs) };
}

test("of more live runs than there is room for those idle longest go first", async () => {
	const { guard, open, pass, rest: restAll } = openMany(LIVE_MAX + 100);
	await open(0);
	pass(10_000);
	restAll();
	expect(guard.sizes).toMatchObject({ live: LIVE_MAX, resting: 100 });
});

test("a run at rest takes less than a kilobyte", async () => {
	setFlagsFromString("--expose-gc");
	const collect = runInNewContext("gc") as () => void;
	const count = 20_000;
	const { guard, open, pass, rest: restAll } = openMany(count);
	const used = (): number => {
		collect();
		return process.memoryUsage().heapUsed;
	};
	const before = used();
	await open(0);
	pass(MINUTE_MS);
	for (let beat = 0; beat < 60; beat += 1) restAll();
	expect(guard.sizes).toMatchObject({ live: 0, resting: count });
	expect((used() - before) / count).toBeLessThan(1_024);
	expect(guard.sizes.resting).toBe(count);
});
