import { beforeEach, describe, expect, test } from "vitest";
import { Conversation } from "#test/agents/conversation.ts";
import type { CorpusEvent } from "#test/agents/corpus-run.ts";
import { GuardStand, RUN_KEY, type StandGateway, settled } from "#test/support/guard-stand.ts";

let stand: GuardStand;
let gateway: StandGateway;

beforeEach(() => {
	stand = new GuardStand(2);
	gateway = stand.first;
});

const header = (runId: string, parentRunId: string | null = null) => ({ claim: { runId, parentRunId } });
const same: CorpusEvent = { tool: "search", args: { q: "x" }, observation: "nothing", isError: false, costNanoUsd: "5", tokens: 100 };

/** Sends the same call again and again until it is refused, 30 times at most; answers how many results were sent. */
async function loopOn(on: StandGateway, conversation: Conversation): Promise<number> {
	let results = 0;
	for (; results < 30; results += 1) {
		const entry = await on.enter({ conversation: conversation.body });
		if (entry?.kind !== "step") break;
		on.answer(entry.step, { calls: [{ callId: `call_${results + 1}`, tool: "search", argsText: '{"q":"x"}' }], inputTokens: 100, costNanoUsd: 5n });
		on.flush();
		stand.pass(500);
		conversation.add(same);
	}
	return results;
}

describe("entering a run", () => {
	test("a call without one costs nothing", () => {
		expect(gateway.enter({ claim: null })).toBeUndefined();
		expect(stand.runs.roundTrips).toBe(0);
	});

	test("takes one round trip at first sight and none afterwards", async () => {
		const first = gateway.enter({});
		expect(first).toBeInstanceOf(Promise);
		await first;
		expect(stand.runs.roundTrips).toBe(1);
		expect(gateway.enter({})).toMatchObject({ kind: "step", step: { runId: "r-7", warnings: [], serving: undefined } });
		expect(stand.runs.roundTrips).toBe(1);
	});

	test("opens it with its budgets, and the first leases in them", async () => {
		const step = await gateway.step({});
		expect(step.run).toMatchObject({ runIds: ["1"], budgets: [{ dimension: "run", dimensionValue: "1", unit: "nano_usd" }] });
		expect(gateway.adopted).toMatchObject([{ budgetId: step.run.budgets[0]?.budgetId, granted: 1_250_000_000n }]);
	});

	test("many calls at once are one read", async () => {
		const entries = await Promise.all(Array.from({ length: 20 }, () => gateway.step({})));
		expect(entries).toHaveLength(20);
		expect(stand.runs.roundTrips).toBe(1);
	});

	test("a child meets the budgets of its whole chain", async () => {
		await gateway.step(header("r-7"));
		const step = await gateway.step(header("r-7.1", "r-7"));
		expect(step.run.runIds).toEqual(["1", "2"]);
		expect(step.run.budgets.map(({ dimensionValue }) => dimensionValue)).toEqual(["1"]);
	});

	test.each([
		["an unknown parent", header("r-9", "nobody"), "run.unknown_parent", "x-tollgate-parent-run"],
		["a parent that is the run itself", header("r-9", "r-9"), "run.cycle", "x-tollgate-parent-run"],
		["another parent than before", header("r-7.1", "r-8"), "run.parent_differs", "x-tollgate-parent-run"],
		["a parent for a run that has none", header("r-7", "r-8"), "run.parent_differs", "x-tollgate-parent-run"],
		["a run below it as parent", header("r-7", "r-7.1"), "run.cycle", "x-tollgate-parent-run"],
		["a run of another team", { ...header("r-7"), key: { ...RUN_KEY, teamId: "support" } }, "run.other_team", "x-tollgate-run"],
		["an id of another form", header("-7"), "run.invalid", "x-tollgate-run"],
	])("%s is refused with its field, also where the run is known here", async (_, call, code, field) => {
		await gateway.step(header("r-7"));
		await gateway.step(header("r-8"));
		await gateway.step(header("r-7.1", "r-7"));
		expect(await gateway.refused(call)).toMatchObject({ code, field, message: expect.stringMatching(/\.$/) });
	});

	test("too many new runs are refused with the time to wait", async () => {
		stand.policy = { ...stand.policy, newRunsPerHour: 1 };
		await gateway.step(header("r-7"));
		expect(await gateway.refused(header("r-8"))).toMatchObject({ code: "run.too_many", retryAfterSeconds: 3_600 });
	});

	test("of a finished run is refused, on every gateway", async () => {
		await gateway.step({});
		await stand.runs.finish({ teamId: "search", runId: "r-7", by: "key key_1" });
		for (const one of stand.gateways) expect(await one.refused({})).toMatchObject({ code: "run.finished", field: "x-tollgate-run" });
	});

	test("by a gateway that was replaced is refused", async () => {
		stand.runs.isFenced = true;
		expect(await gateway.refused({})).toMatchObject({ code: "gateway.fenced", retryAfterSeconds: 2 });
	});
});

describe("while PostgreSQL is away", () => {
	test("a run that is known goes on, and a new one is refused", async () => {
		await gateway.step({});
		stand.runs.error = new Error("connection refused");
		expect(gateway.enter({})).toMatchObject({ kind: "step" });
		expect(await gateway.refused(header("r-8"))).toMatchObject({ code: "authority.unreachable", retryAfterSeconds: 2 });
		expect(gateway.errors).toHaveLength(1);
		stand.runs.error = undefined;
		expect(await gateway.enter(header("r-8"))).toMatchObject({ kind: "step" });
	});

	test("a run of which something has changed does not go on unread", async () => {
		await gateway.step({});
		gateway.guard.follow(["r-7"]);
		stand.runs.error = new Error("connection refused");
		expect(await gateway.refused({})).toMatchObject({ code: "authority.unreachable" });
		stand.runs.error = undefined;
		expect(await gateway.enter({})).toMatchObject({ kind: "step" });
	});

	test("a hold is in force at once and told when it can be", async () => {
		await gateway.step({});
		stand.runs.error = new Error("connection refused");
		expect(await loopOn(gateway, new Conversation("chat.completions", "go"))).toBe(9);
		await settled();
		expect(gateway.guard.sizes.held).toBe(1);
		expect(stand.runs.runs[0]?.state).toBe("running");
		gateway.guard.rest(stand.nowMs);
		await settled();
		stand.runs.error = undefined;
		expect(await gateway.refused({})).toMatchObject({ code: "run.paused" });
		gateway.guard.rest(stand.nowMs);
		await settled();
		expect(stand.runs.runs[0]).toMatchObject({ state: "paused", hold: { guard: "loop.repetition", by: "gateway g1" } });
		expect(await stand.gateways[1]?.refused({})).toMatchObject({ code: "run.paused" });
	});
});

describe("a loop", () => {
	test("is held with the step that the detector says, and told in one sentence with its evidence", async () => {
		const conversation = new Conversation("chat.completions", "go");
		expect(await loopOn(gateway, conversation)).toBe(9);
		const refusal = await gateway.refused({ conversation: conversation.body });
		expect(refusal).toMatchObject({
			code: "run.paused",
			howToAsk: "npx tollgate run resume r-7 --reason WHY",
			run: {
				runId: "r-7",
				version: "2",
				hold: {
					state: "paused",
					guard: "loop.repetition",
					measured: "9",
					threshold: "9",
					ofRunId: "r-7",
					pauseId: "pau_0101010101010101",
					askAgainMs: 900_000,
				},
			},
		});
		expect(refusal.message).toBe(
			'The run r-7 is paused by loop.repetition: the call `search({"q":"x"})` and its result repeated 9 times in 9 steps. A person lets it go on with: npx tollgate run resume r-7 --reason WHY. Ask again in about 15 minutes.',
		);
	});

	test("ends the run where policy says so, and nobody is told to ask again", async () => {
		stand.policy = { ...stand.policy, onLoop: "stop" };
		const conversation = new Conversation("chat.completions", "go");
		await loopOn(gateway, conversation);
		const refusal = await gateway.refused({ conversation: conversation.body });
		expect(refusal).toMatchObject({ code: "run.stopped", run: { hold: { state: "stopped", askAgainMs: null } } });
		expect(refusal.message).not.toContain("Ask again");
	});

	test("warns before, in every answer as long as it lasts, and in the books once", async () => {
		const conversation = new Conversation("chat.completions", "go");
		const seen: string[][] = [];
		const told: unknown[] = [];
		for (let results = 0; results < 8; results += 1) {
			const step = await gateway.step({ conversation: conversation.body });
			seen.push([...step.warnings]);
			gateway.answer(step, { calls: [{ callId: `call_${results + 1}`, tool: "search", argsText: '{"q":"x"}' }] });
			const notes = gateway.flushes.takeUntold(100);
			told.push(...notes.flatMap(({ verdicts }) => verdicts));
			gateway.flushes.told(notes);
			conversation.add(same);
		}
		expect(seen).toEqual([[], [], [], [], ["loop.repetition"], ["loop.repetition"], ["loop.repetition"], ["loop.repetition"]]);
		expect(told).toMatchObject([{ guard: "loop.repetition", severity: "warn", atEvent: 4 }]);
	});

	test("is told with the next heartbeat though no row goes out, and the next heartbeats ask for nothing", async () => {
		const conversation = new Conversation("chat.completions", "go");
		for (let results = 0; results < 4; results += 1) {
			const step = await gateway.step({ conversation: conversation.body });
			gateway.answer(step, { calls: [{ callId: `call_${results + 1}`, tool: "search", argsText: '{"q":"x"}' }] });
			gateway.flush();
			conversation.add(same);
		}
		// The warning comes with this step, which is under way and has no row yet.
		const step = await gateway.step({ conversation: conversation.body });
		await settled();
		const asked = gateway.flushesAsked;
		gateway.guard.rest(stand.nowMs);
		expect(gateway.flushesAsked).toBe(asked + 1);
		gateway.flush();
		gateway.guard.rest(stand.nowMs);
		expect(gateway.flushesAsked).toBe(asked + 1);
		step.left();
	});

	test("is not made by a body that is sent twenty times after an error", async () => {
		const conversation = new Conversation("chat.completions", "go");
		conversation.add(same);
		for (let time = 0; time < 20; time += 1) (await gateway.step({ conversation: conversation.body })).left();
		conversation.add(same);
		conversation.add(same);
		expect((await gateway.step({ conversation: conversation.body })).warnings).toEqual([]);
	});

	test("is forgiven when a person lets the run go on, and found again when it goes on looping", async () => {
		const conversation = new Conversation("chat.completions", "go");
		await loopOn(gateway, conversation);
		await settled();
		expect(await stand.runs.decide({ runId: "r-7", by: "ann", reason: "it is fine", decision: { kind: "resume" } })).toMatchObject({ kind: "decided" });
		for (const one of [gateway, stand.gateways[1]!]) {
			const entry = await one.enter({ conversation: conversation.body });
			if (entry?.kind !== "step") expect.fail("a step was refused");
			expect(entry.step.warnings).toEqual([]);
			entry.step.left();
		}
		let more = 0;
		for (; more < 20; more += 1) {
			const entry = await gateway.enter({ conversation: conversation.body });
			if (entry?.kind !== "step") break;
			gateway.answer(entry.step, { calls: [{ callId: `more_${more}`, tool: "search", argsText: '{"q":"x"}' }] });
			gateway.flush();
			conversation.add(same);
		}
		expect(more).toBe(9);
	});

	test("in the conversation that a run begins with is found at once", async () => {
		const conversation = new Conversation("chat.completions", "go");
		for (let time = 0; time < 12; time += 1) conversation.add(same);
		expect(await gateway.refused({ ...header("another-id"), conversation: conversation.body })).toMatchObject({ code: "run.paused" });
	});

	test("holds all below the run, and the others go on", async () => {
		await gateway.step(header("r-7"));
		await gateway.step(header("r-7.1", "r-7"));
		await gateway.step(header("r-8"));
		await loopOn(gateway, new Conversation("chat.completions", "go"));
		await settled();
		for (const one of stand.gateways) {
			const refusal = await one.refused(header("r-7.1"));
			expect(refusal).toMatchObject({ code: "run.paused", run: { runId: "r-7" } });
			expect(refusal.message).toContain("The run r-7.1 stands below r-7, which is paused by loop.repetition");
		}
		expect(await gateway.enter(header("r-8"))).toMatchObject({ kind: "step" });
	});

	test("is known to a gateway that takes the run over from one that died", async () => {
		const conversation = new Conversation("chat.completions", "go");
		for (let results = 0; results < 6; results += 1) {
			const step = await gateway.step({ conversation: conversation.body });
			gateway.answer(step, { calls: [{ callId: `call_${results + 1}`, tool: "search", argsText: '{"q":"x"}' }] });
			gateway.flush();
			stand.pass(1_000);
			conversation.add(same);
		}
		expect(await loopOn(stand.gateways[1]!, conversation)).toBe(3);
	});
});

test("calls that are under way are held with their run", async () => {
	const step = await gateway.step({});
	expect(step.heldMeanwhile()).toBeUndefined();
	await stand.runs.decide({ runId: "r-7", by: "ann", reason: "enough", decision: { kind: "stop" } });
	await settled();
	expect(step.heldMeanwhile()).toMatchObject({ code: "run.stopped", message: expect.stringContaining("is stopped by ann: enough.") });
});

test("what changed while a run was read is read again", async () => {
	await gateway.step({});
	const other = stand.gateways[1]!;
	const entering = other.enter({});
	await stand.runs.decide({ runId: "r-7", by: "ann", reason: "enough", decision: { kind: "stop" } });
	expect(await entering).toMatchObject({ kind: "refused", refusal: { code: "run.stopped" } });
});

describe("a call that names no run, of a key that requires one", () => {
	const key = { ...RUN_KEY, requiresRun: true };
	const said = (task: string, more: readonly unknown[] = []) => ({ key, claim: null, conversation: { messages: [{ role: "user", content: task }, ...more] } });
	const spoken = [
		{ role: "assistant", content: "hm" },
		{ role: "user", content: "go on" },
	];

	test("joins the run that its conversation began", async () => {
		const first = await gateway.step(said("find it"));
		gateway.answer(first);
		gateway.flush();
		expect(gateway.enter(said("find it", spoken))).toMatchObject({ kind: "step", step: { runId: first.runId } });
		expect((await stand.gateways[1]!.step(said("find it", spoken))).runId).toBe(first.runId);
		expect((await gateway.step(said("another task"))).runId).not.toBe(first.runId);
	});

	test("joins the run whose answer it goes on from", async () => {
		const responses = { ...said(""), endpoint: "responses" as const };
		const first = await gateway.step({ ...responses, conversation: { input: "find it" } });
		gateway.answer(first, { answerId: "resp_1" });
		const entry = gateway.enter({ ...responses, conversation: { previous_response_id: "resp_1", input: "go on" } });
		expect(entry).toMatchObject({ kind: "step", step: { runId: first.runId } });
	});

	test("is let pass where it is no conversation", () => {
		expect(gateway.enter({ key, claim: null, endpoint: "embeddings", conversation: { input: "text" } })).toBeUndefined();
	});
});
