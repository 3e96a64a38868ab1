import { beforeEach, describe, expect, test } from "vitest";
import type { Refusal } from "#activities/request/port.ts";
import { checkRunLimits } from "#domain/agents/run-limits.ts";
import { GuardStand, type StandGateway, settled } from "#test/support/guard-stand.ts";

let stand: GuardStand;
let gateway: StandGateway;

beforeEach(() => {
	stand = new GuardStand(2);
	gateway = stand.first;
});

function limit(limits: Readonly<Record<string, unknown>>): void {
	const checked = checkRunLimits(limits);
	if (checked.kind === "invalid") throw new Error(JSON.stringify(checked.problems));
	stand.policy = { ...stand.policy, limits: checked.value };
}

const header = (runId: string, parentRunId: string | null = null) => ({ claim: { runId, parentRunId } });
const call = (tool: string, callId = "c1") => ({ callId, tool, argsText: "{}" });

describe("a ceiling that is known after a step", () => {
	test("on calls of a tool allows so many and holds before the next step", async () => {
		limit({ toolCalls: { delete_file: 2 } });
		gateway.answer(await gateway.step({}), { calls: [call("delete_file", "c1"), call("delete_file", "c2")] });
		gateway.answer(await gateway.step({}), { calls: [call("delete_file", "c3")] });
		const refusal = await gateway.refused({});
		expect(refusal).toMatchObject({
			code: "run.paused",
			run: { hold: { guard: "ceiling.toolCalls", tool: "delete_file", measured: "3", threshold: "2", ofRunId: "r-7" } },
		});
		expect(refusal.message).toContain("is paused by ceiling.toolCalls of delete_file: the tool delete_file was called 3 times; the ceiling is 2 times.");
	});

	test("on calls of a tool is not escaped by calling a hundred others first", async () => {
		limit({ toolCalls: { send_mail: 1 } });
		const others = Array.from({ length: 100 }, (_, index) => call(`tool_${index}`, `c${index}`));
		const step = await gateway.step({});
		expect([step.counterOf("tool_99"), step.counterOf("send_mail")]).toEqual(["tool_99", "send_mail"]);
		gateway.answer(step, { calls: others });
		gateway.answer(await gateway.step({}), { calls: [call("send_mail", "m1")] });
		const next = await gateway.step({});
		expect([next.counterOf("tool_0"), next.counterOf("tool_99"), next.counterOf("send_mail")]).toEqual(["tool_0", "(other tools)", "send_mail"]);
		gateway.answer(next, { calls: [call("send_mail", "m2")] });
		expect(await gateway.refused({})).toMatchObject({ run: { hold: { guard: "ceiling.toolCalls", tool: "send_mail", measured: "2" } } });
	});

	test("on the clock counts from opening, without pauses", async () => {
		limit({ elapsedMs: 60_000 });
		await gateway.step({});
		stand.pass(59_999);
		await gateway.step({});
		await stand.runs.decide({ runId: "r-7", by: "ann", reason: "wait", decision: { kind: "stop" } });
		stand.pass(600_000);
		await stand.runs.decide({ runId: "r-7", by: "ann", reason: "go on", decision: { kind: "resume" } });
		await gateway.step({});
		stand.pass(1);
		expect(await gateway.refused({})).toMatchObject({ run: { hold: { guard: "ceiling.elapsedMs", measured: "60000" } } });
	});

	test("on the clock judges a step by the moment in which it goes on, however long the run was read again before", async () => {
		limit({ elapsedMs: 60_000 });
		gateway.answer(await gateway.step({}));
		stand.pass(59_000);
		gateway.guard.follow(["r-7"]);
		const entering = gateway.refused({});
		stand.pass(1_000);
		expect(await entering).toMatchObject({ run: { hold: { guard: "ceiling.elapsedMs", measured: "60000" } } });
	});

	test("on bytes and on growth", async () => {
		limit({ outputBytes: { hard: { at: 1_000, action: "stop" } } });
		gateway.answer(await gateway.step({}), { outputBytes: 1_000 });
		expect(await gateway.refused({})).toMatchObject({ code: "run.stopped", run: { hold: { guard: "ceiling.outputBytes" } } });
		limit({ contextGrowthTokens: 500 });
		for (const inputTokens of [1_000, 1_500]) gateway.answer(await gateway.step(header("r-8")), { inputTokens });
		gateway.answer(await gateway.step(header("r-8")), { inputTokens: 2_001 });
		expect(await gateway.refused(header("r-8"))).toMatchObject({ run: { hold: { guard: "ceiling.contextGrowthTokens", measured: "501" } } });
	});

	test("of a run above counts what all below it do, and holds the run that met it alone", async () => {
		limit({ toolCalls: { "*": 3 } });
		await gateway.step(header("r-7"));
		for (const child of ["r-7.1", "r-7.2"]) gateway.answer(await gateway.step(header(child, "r-7")), { calls: [call("search", "c1"), call("search", "c2")] });
		expect(await gateway.refused(header("r-7.1"))).toMatchObject({ run: { runId: "r-7.1", hold: { measured: "4", ofRunId: "r-7" } } });
		await settled();
		expect(stand.runs.runs.map(({ runId, state }) => [runId, state])).toEqual([
			["r-7", "running"],
			["r-7.1", "paused"],
			["r-7.2", "running"],
		]);
		expect(await gateway.refused(header("r-7.2"))).toMatchObject({ run: { runId: "r-7.2" } });
	});

	test("counts what other gateways took, as flushes tell it", async () => {
		limit({ toolCalls: { search: 3 } });
		const other = stand.gateways[1]!;
		gateway.answer(await gateway.step({}), { calls: [call("search", "c1"), call("search", "c2")] });
		other.answer(await other.step({}), { calls: [call("search", "c3")] });
		gateway.flush();
		other.flush();
		other.answer(await other.step({}), { calls: [call("search", "c4")] });
		expect(await other.refused({})).toMatchObject({ run: { hold: { guard: "ceiling.toolCalls", measured: "4" } } });
	});

	test("lets the run go on once it is raised", async () => {
		limit({ toolCalls: { search: 1 } });
		gateway.answer(await gateway.step({}), { calls: [call("search", "c1"), call("search", "c2")] });
		await gateway.refused({});
		await settled();
		await stand.runs.decide({ runId: "r-7", by: "ann", reason: "more", decision: { kind: "raise", limits: { toolCalls: { search: 5 } } } });
		expect(await gateway.enter({})).toMatchObject({ kind: "step" });
	});
});

describe("a soft ceiling", () => {
	test("hands the call on to the alias that it names, and says so", async () => {
		limit({ outputBytes: { soft: { at: 10, action: "degrade", degradeTo: { big: "small" } } } });
		gateway.answer(await gateway.step({}), { outputBytes: 10 });
		expect(await gateway.step({})).toMatchObject({ serving: { asked: "big", served: "small" }, warnings: ["ceiling.outputBytes"] });
		expect((await gateway.step({ model: "other" })).serving).toBeUndefined();
	});

	test("warns in every answer and in the books once, of what budgets keep as well", async () => {
		limit({ steps: { soft: { at: 2 }, hard: { at: 100 } } });
		const warnings: string[][] = [];
		for (let step = 0; step < 4; step += 1) {
			const entered = await gateway.step({});
			warnings.push([...entered.warnings]);
			gateway.answer(entered);
		}
		expect(warnings).toEqual([[], [], ["ceiling.steps"], ["ceiling.steps"]]);
		expect(gateway.flushes.takeUntold(10).flatMap(({ verdicts }) => verdicts)).toMatchObject([{ guard: "ceiling.steps", severity: "warn", threshold: 2n }]);
	});
});

describe("a budget that refuses a call", () => {
	const spent = (more: Partial<Refusal>): Refusal => ({
		code: "budget.exceeded",
		message: "short",
		budget: "run r-7",
		unit: "nano_usd",
		limitAmount: 20_000_000_000n,
		leftAmount: 290_000_000n,
		resetsAt: null,
		heldAmount: 0n,
		heldUntil: null,
		howToAsk: "",
		retryAfterSeconds: null,
		...more,
	});

	test("of the run holds it by the ceiling that it keeps, and says what is left and what was needed", async () => {
		const step = await gateway.step({});
		const [budget] = step.run.budgets;
		const refusal = await step.refusedBy(spent({ budgetId: budget!.budgetId, needAmount: 300_000_000n }));
		expect(refusal).toMatchObject({
			code: "run.paused",
			howToAsk: "npx tollgate run raise r-7 --usd USD --reason WHY",
			run: { hold: { guard: "ceiling.costNanoUsd", measured: "19710000000", threshold: "20000000000", ofRunId: "r-7" } },
		});
		expect(refusal?.message).toContain("the run r-7 has 0.29 USD left of 20.00 USD and this call can cost up to 0.30 USD. A person lets it go on with");
		expect(await gateway.refused({})).toEqual(refusal);
		await settled();
		expect(stand.runs.runs[0]?.state).toBe("paused");
	});

	test("of a run above holds the one that called", async () => {
		await gateway.step(header("r-7"));
		const step = await gateway.step(header("r-7.1", "r-7"));
		expect(await step.refusedBy(spent({ budgetId: step.run.budgets[0]!.budgetId }))).toMatchObject({ run: { runId: "r-7.1", hold: { ofRunId: "r-7" } } });
	});

	test("of the team, or that is only frozen, holds no run", async () => {
		const step = await gateway.step({});
		expect(step.refusedBy(spent({ budgetId: "5" }))).toBeUndefined();
		expect(step.refusedBy(spent({}))).toBeUndefined();
		expect(step.refusedBy(spent({ code: "budget.frozen", budgetId: step.run.budgets[0]!.budgetId }))).toBeUndefined();
		expect(gateway.enter({})).toMatchObject({ kind: "step" });
	});

	test("twice, for two calls under way, is one hold", async () => {
		const [one, two] = [await gateway.step({}), await gateway.step({})];
		const short = spent({ budgetId: one.run.budgets[0]!.budgetId });
		expect(await two.refusedBy(short)).toEqual(await one.refusedBy(short));
		await settled();
		expect(stand.runs.runs[0]?.version).toBe(2n);
	});
});
