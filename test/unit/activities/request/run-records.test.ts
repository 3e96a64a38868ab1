import { afterEach, expect, it } from "vitest";
import type { BudgetRule } from "#activities/authority/port.ts";
import type { JournalRecord } from "#activities/ledger/record.ts";
import type { Attempt } from "#activities/request/port.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import { admitted, closePlayedAuthorities, openPlayedAuthority } from "#test/support/played-authority.ts";
import { testBound } from "#test/support/request-authority.ts";

/** What the books keep of calls with an agent run, and what they are refused by; on an authority the test plays. */
afterEach(closePlayedAuthorities);

const RUN = { runIds: ["4", "7"], budgets: [] };
const ceiling = (unit: BudgetRule["unit"]): BudgetRule => ({
	budgetId: "9",
	teamId: "team",
	dimension: "run",
	dimensionValue: "7",
	name: "r-7",
	unit,
	windowKind: "lifetime",
});

const settleWith = (attempt: Attempt, usage: Partial<Usage>, besides: object = {}) =>
	attempt.settle({
		reported: { kind: "usable", usage: { ...NO_USAGE, ...usage }, model: undefined, serviceTier: undefined },
		providerRequestId: null,
		httpStatus: 200,
		durationMs: 1,
		...besides,
	});

const ofRun = (record: JournalRecord | undefined) =>
	Object.fromEntries(
		Object.entries(record ?? {}).filter(([name]) => ["runIds", "reservedOutputTokens", "costOutputTokens", "toolCalls", "outputBytes"].includes(name)),
	);

it("a call of a run is kept with its chain, its output tokens, its tool calls and the bytes of its answer", async () => {
	const { call, records } = await openPlayedAuthority();
	settleWith(await admitted(call(50n, undefined, { run: RUN })), { inputTokens: 5, outputTokens: 30 }, { toolCalls: { search: 2 }, outputBytes: 640 });
	expect(records.map(ofRun)).toEqual([
		{ runIds: ["4", "7"], reservedOutputTokens: 50 },
		{ costOutputTokens: 30, toolCalls: { search: 2 }, outputBytes: 640 },
	]);
});

it("a call without a run is kept as before, without a word of any", async () => {
	const { call, records } = await openPlayedAuthority();
	settleWith(await admitted(call(50n)), { inputTokens: 5, outputTokens: 30 });
	expect(records.map(ofRun)).toEqual([{}, {}]);
});

it("what is not known costs what was reserved, and what was not billed costs nothing", async () => {
	const { call, records } = await openPlayedAuthority();
	(await admitted(call(20n, undefined, { run: RUN }))).charge("cut", { providerRequestId: null, httpStatus: null, durationMs: 1 });
	(await admitted(call(20n, undefined, { run: RUN }))).release("not sent");
	expect(records.filter(({ type }) => type === "outcome").map(ofRun)).toEqual([{ costOutputTokens: 20 }, { costOutputTokens: 0 }]);
});

it("an estimate is above the reservation in no unit: input beyond it counts as output", async () => {
	const { call, records } = await openPlayedAuthority();
	const cut = { reason: "the caller left", providerRequestId: null, httpStatus: 200, durationMs: 1 };
	(await admitted(call(50n, undefined, { run: RUN }))).estimate({ ...cut, usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 20 } });
	(await admitted(call(50n, undefined, { run: RUN }))).estimate({ ...cut, usage: { ...NO_USAGE, outputTokens: 20 } });
	// The bound of these calls is output alone, so ten of input are ten above what was reserved for input.
	expect(records.filter(({ type }) => type === "outcome")).toMatchObject([
		{ costTokens: 30, costOutputTokens: 30 },
		{ costTokens: 20, costOutputTokens: 20 },
	]);
});

it("a step beyond a ceiling is refused with the run's name, the budget's id, and the command that raises it", async () => {
	const spent = { limit: 3n, stop: 3n, granted: 3n, posted: 3n, leaseGranted: 0n };
	const { call, refusals } = await openPlayedAuthority({ items: { "9": spent } });
	const admission = await call(50n, undefined, { run: { runIds: ["7"], budgets: [ceiling("steps")] } });
	expect(admission).toMatchObject({
		kind: "refused",
		refusal: { code: "budget.exceeded", budget: "run r-7, lifetime, steps", budgetId: "9", unit: "steps", limitAmount: 3n, leftAmount: 0n },
	});
	expect(admission.kind === "refused" && admission.refusal.message).toBe(
		'The budget "run r-7, lifetime, steps" has 0 steps left of 3 steps; this call can take up to 1 step. Ask an operator for a higher ceiling: npx tollgate run raise r-7 --steps STEPS --reason WHY',
	);
	expect(refusals).toMatchObject([{ code: "budget.exceeded", budgetId: "9", windowId: "91", need: "1" }]);
	// Remembered for a moment, for this run alone.
	expect(await call(50n, undefined, { run: { runIds: ["7"], budgets: [ceiling("steps")] } })).toMatchObject({ kind: "refused" });
	expect(refusals).toMatchObject([{ isRemembered: false }, { isRemembered: true }]);
	await admitted(call(50n));
});

it("counting tokens takes no step", async () => {
	const spent = { limit: 3n, stop: 3n, granted: 3n, posted: 3n, leaseGranted: 0n };
	const { call } = await openPlayedAuthority({ items: { "9": spent } });
	await admitted(call(0n, undefined, { endpoint: "count_tokens", run: { runIds: ["7"], budgets: [ceiling("steps")] } }));
});

it("a call is clamped to the output tokens that its run has left, and holds no more of them", async () => {
	const left = { limit: 30n, stop: 30n, granted: 30n, posted: 10n, leaseGranted: 20n };
	const { call, records } = await openPlayedAuthority({ isServed: false, items: { "9": left } });
	const run = { runIds: ["7"], budgets: [ceiling("output_tokens")] };
	const attempt = await admitted(call(50n, undefined, { run, bound: testBound(50n, 5) }));
	expect(attempt).toMatchObject({ clampedOutputTokens: 20, reservedNanoUsd: 20n });
	expect(records).toMatchObject([{ reservedNanoUsd: "20", reservedTokens: 20, reservedOutputTokens: 20, clampedOutputTokens: 20 }]);
});
