import { beforeEach, describe, expect, test } from "vitest";
import type { Authority } from "#activities/authority/port.ts";
import { AdmissionQueue } from "#activities/request/admission-queue.ts";
import { Departure } from "#activities/request/leaving.ts";
import type { Admission, Attempt } from "#activities/request/port.ts";
import { CallRuns, type CallStep, countCalls } from "#activities/request/run-step.ts";
import type { RunCall, StepAnswer } from "#activities/runs/guard-port.ts";
import { LeaseBook } from "#domain/budget/lease-book.ts";
import { keyIdentity } from "#test/support/fake-authority.ts";
import { testBound } from "#test/support/request-authority.ts";
import { createScriptedGuard, heldRefusal, refusedEntry, type ScriptedGuard } from "#test/support/scripted-guard.ts";

/** What one step owes its guard, and what the guard may do to a call that waits. */

const CALL: RunCall = {
	key: keyIdentity(),
	feature: null,
	claim: { runId: "r-7", parentRunId: null },
	agent: "",
	endpoint: "chat.completions",
	conversation: {},
	model: "gpt-4o",
	otherWindows: 1,
};
const NOTHING = { nanoUsd: 0n, tokens: 0n, outputTokens: 0n, steps: 0n };
const ANSWER: StepAnswer = { calls: [], outputBytes: 2, booked: { outcome: "settled", costNanoUsd: 7n }, usage: undefined };

let guard: ScriptedGuard;
let runs: CallRuns;
let caller: Departure;

beforeEach(() => {
	guard = createScriptedGuard();
	runs = new CallRuns(guard);
	caller = new Departure();
});

function begin(): CallStep {
	const entry = runs.enter(CALL, caller);
	if (entry === undefined || entry instanceof Promise || entry.kind === "refused") return expect.fail("no step at once");
	return entry.step;
}

const endsOf = () => guard.entered.flatMap(({ ends }) => ends);
const refusedBudget = (budgetId?: string): Admission => {
	const entry = refusedEntry({ code: "budget.exceeded", ...(budgetId !== undefined && { budgetId }) });
	return entry.kind === "refused" ? entry : expect.fail("a refusal");
};

function admission(): { readonly admission: Admission; readonly released: string[] } {
	const released: string[] = [];
	return { admission: { kind: "admitted", attempt: { release: (reason: string) => void released.push(reason) } as Partial<Attempt> as Attempt }, released };
}

describe("entering", () => {
	test("is synchronous where the guard is, and waits where it waits", async () => {
		expect(runs.enter(CALL, caller)).toMatchObject({ kind: "step", step: { runId: "r-7" } });
		const receive = guard.receive;
		guard.receive = async (call) => receive(call);
		const entering = runs.enter(CALL, caller);
		expect(entering).toBeInstanceOf(Promise);
		expect(await entering).toMatchObject({ kind: "step", step: { runId: "r-7" } });
	});

	test("hands on a refusal, and that a call has no run", () => {
		guard.receive = () => ({ kind: "refused", refusal: heldRefusal() });
		expect(runs.enter(CALL, caller)).toEqual({ kind: "refused", refusal: heldRefusal() });
		guard.receive = () => undefined;
		expect(runs.enter(CALL, caller)).toBeUndefined();
	});
});

describe("the end of a step", () => {
	test("answered, and then nothing more", () => {
		const step = begin();
		step.answered(ANSWER);
		step.end();
		expect(endsOf()).toEqual([ANSWER]);
	});

	test("left, where it was not answered", () => {
		const step = begin();
		step.end();
		step.end();
		expect(endsOf()).toEqual(["left"]);
	});

	test("a second answer is a mistake of ours that is not told", () => {
		const step = begin();
		step.answered(ANSWER);
		expect(() => step.answered(ANSWER)).toThrow("told once");
		expect(endsOf()).toEqual([ANSWER]);
	});
});

describe("an admission", () => {
	test("stands while the run does", () => {
		const { admission: admitted, released } = admission();
		expect(begin().judge(admitted)).toBe(admitted);
		expect(released).toEqual([]);
	});

	test("of a run that was held meanwhile is given back", () => {
		const step = begin();
		guard.held = heldRefusal();
		const { admission: admitted, released } = admission();
		expect(step.judge(admitted)).toEqual({ kind: "refused", refusal: heldRefusal() });
		expect(released).toEqual(["run_held"]);
	});

	test("refused by a budget is what the guard makes of it, at once or later", async () => {
		const step = begin();
		const refused = refusedBudget("41");
		expect(step.judge(refused)).toBe(refused);
		guard.refusedBy = () => heldRefusal();
		expect(step.judge(refused)).toEqual({ kind: "refused", refusal: heldRefusal() });
		guard.refusedBy = () => Promise.resolve(heldRefusal({ guard: "ceiling.steps" }));
		expect(await step.judge(refused)).toMatchObject({ refusal: { run: { hold: { guard: "ceiling.steps" } } } });
		expect(guard.entered[0]?.refusals.map(({ budgetId }) => budgetId)).toEqual(["41", "41", "41"]);
	});

	test("refused by no budget, or to be asked for again as served otherwise, is not the guard's", () => {
		const step = begin();
		guard.refusedBy = () => expect.fail("the guard was asked");
		const unreachable = refusedBudget();
		expect(step.judge(unreachable)).toBe(unreachable);
		const degraded = { ...refusedBudget("41"), servedAs: { asked: "a", served: "b", applied: new Map() } } as Admission;
		expect(step.judge(degraded)).toBe(degraded);
	});
});

describe("waiting for budget", () => {
	const waiting = (step: CallStep): (() => number) => {
		let left = 0;
		step.onLeave(() => {
			left += 1;
		});
		return () => left;
	};

	test("ends with the caller, as ever", () => {
		const left = waiting(begin());
		caller.leave();
		expect(left()).toBe(1);
	});

	test.each<[string, () => void]>([
		["with the next heartbeat", () => runs.turnAway()],
		["with the change that tells of it", () => runs.follow(["r-7"])],
	])("ends when the run is held: %s", (_when, news) => {
		const step = begin();
		const left = waiting(step);
		news();
		expect([left(), step.hasLeft]).toEqual([0, false]);
		guard.held = heldRefusal();
		news();
		news();
		expect([left(), step.hasLeft]).toEqual([1, true]);
	});

	test("in the admission queue it is the caller who left", async () => {
		const step = begin();
		const queue = new AdmissionQueue({
			...{ authority: { grant: () => new Promise<never>(() => undefined) } as Partial<Authority> as Authority, book: new LeaseBook() },
			...{
				nowMs: () => 0,
				onReply: () => true,
				onAhead: () => undefined,
				isAway: () => false,
				isHearing: () => true,
				hearingSinceMs: () => 0,
				onFenced: () => undefined,
			},
			...{ onError: (error: unknown) => expect.fail(String(error)), counters: { grants: 0 } },
		});
		const standing = { budgets: [{ budgetId: "1", unit: "nano_usd" as const }], allowance: NOTHING, waitMs: 60_000 };
		const verdict = queue.admit({ teamId: "team", keyId: "key1", bound: testBound(50n), isStep: true, current: () => standing, leaving: step });
		expect(queue.length).toBe(1);
		guard.held = heldRefusal();
		runs.turnAway();
		expect(await verdict).toEqual({ kind: "left" });
		expect(queue.length).toBe(0);
	});

	test("a call that waits no more, or has ended, is not turned away", () => {
		const [judged, ended] = [begin(), begin()];
		const lefts = [waiting(judged), waiting(ended)];
		void judged.judge(admission().admission);
		ended.end();
		guard.held = heldRefusal();
		runs.turnAway();
		expect(lefts.map((left) => left())).toEqual([0, 0]);
	});
});

test("trees that changed and heartbeats reach the guard", () => {
	runs.follow(["root", "r-7"]);
	runs.rest(1);
	expect([guard.followed, guard.rests]).toEqual([["root", "r-7"], 1]);
});

test("calls are counted by tool", () => {
	const call = (tool: string) => ({ callId: "", tool, argsText: "" });
	const step = { counterOf: (tool: string) => (tool === "c" ? "(other tools)" : tool) };
	expect(countCalls([], step)).toBeUndefined();
	expect(countCalls([call("a"), call("b"), call("a"), call(""), call("c")], step)).toEqual({ a: 2, b: 1, "": 1, "(other tools)": 1 });
});
