import fc from "fast-check";
import { expect, test } from "vitest";
import type { Increase, IncreasePlan } from "#domain/budget/increases.ts";
import { planDecision, planEnding, planRequest, planWithdrawal, raisedAmount } from "#domain/budget/increases.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget, type TeamBudgetEvent } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { carriedState, initialState } from "#workflows/team-budget/state.ts";

/** Everything that can happen to requests, in any order, and a second account of what was decided. */
const day: BudgetDefinition = {
	...{ dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "lifetime", timeZone: "UTC" },
	...{ weekStart: 1, fiscalYearStart: 1, limitAmount: "1000", mode: "enforce", thresholds: [] },
};
const month: BudgetDefinition = { ...day, windowKind: "month", limitAmount: "5000" };
const PEOPLE = ["ann", "bob", "carol"] as const;
const FINAL = ["rejected", "withdrawn", "expired", "refused", "ended", "ended early"];

const person = fc.constantFrom(...PEOPLE);
const step = fc.oneof(
	fc.record({
		kind: fc.constant("request" as const),
		by: person,
		amount: fc.integer({ min: 1, max: 900 }),
		budget: fc.constantFrom(day, month),
		untilMs: fc.integer({ min: 1, max: 4_000 }),
	}),
	fc.record({
		kind: fc.constant("decide" as const),
		by: person,
		at: fc.nat({ max: 3 }),
		isApproval: fc.boolean(),
		amount: fc.option(fc.integer({ min: 1, max: 900 })),
	}),
	fc.record({ kind: fc.constant("withdraw" as const), by: person, at: fc.nat({ max: 3 }) }),
	fc.record({ kind: fc.constant("end" as const), by: person, at: fc.nat({ max: 3 }), isAllWritten: fc.boolean() }),
	fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 900 }) }),
	fc.record({ kind: fc.constant("written" as const) }),
	fc.record({ kind: fc.constant("refused" as const) }),
	fc.record({ kind: fc.constant("restart" as const) }),
	fc.record({ kind: fc.constant("removeBudget" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class Played {
	state: TeamBudgetState = emptyTeamBudget("demo");
	nowMs = 1_000_000;
	readonly ids: string[] = [];
	/** Every status an id was in, in order. */
	readonly statuses = new Map<string, string[]>();
	readonly announced: string[] = [];

	readonly ceilingNanoUsd: string | null;

	constructor(ceilingNanoUsd: string | null) {
		this.ceilingNanoUsd = ceilingNanoUsd;
		this.apply({ kind: "loaded", revision: 0, isFrozen: false, budgets: [day, month], windows: [] });
	}

	apply(event: TeamBudgetEvent): void {
		const reduced = reduceTeamBudget(this.state, event);
		this.state = reduced.state;
		for (const effect of reduced.effects) {
			if (effect.kind === "recordIncrease" || effect.kind === "applyIncrease") this.note(effect.increase.id, effect.increase.status);
			if (effect.kind === "endIncreaseEarly") this.note(effect.increase.id, "ended early");
			if (effect.kind === "endIncreases") for (const id of effect.increaseIds) this.note(id, "ended");
			if (effect.kind === "announceIncrease") this.announced.push(`${effect.event} ${effect.increase.id}`);
		}
	}

	take(plan: IncreasePlan): void {
		if (plan.kind === "planned") this.apply({ kind: "increaseChanged", increase: plan.increase });
	}

	play(one: Step): void {
		const { state, nowMs } = this;
		const known = { open: state.increases, closed: state.closedIncreases };
		const rules = { approvers: [], ceilingNanoUsd: this.ceilingNanoUsd };
		const budgetOf = (key: string) => {
			const found = state.budgets.find((budget) => budget.key === key);
			return found && { definition: found.definition, windowEndsAtMs: null };
		};
		if (one.kind === "request") {
			const newId = `inc_${this.ids.length.toString(16).padStart(12, "0")}`;
			const key = selectorKey(one.budget);
			const until = new Date(nowMs + one.untilMs).toISOString();
			const ask = { selector: one.budget, amount: String(one.amount), until, reason: newId, requestedBy: one.by, isByHand: false, expiresInMs: 1_000 };
			this.take(planRequest(ask, { known, budget: budgetOf(key), key, rules, nowMs, newId }));
			if (this.statuses.has(newId)) this.ids.push(newId);
		} else if (one.kind === "decide") {
			const id = this.idAt(one.at);
			const amount = one.amount === null ? undefined : String(one.amount);
			this.take(planDecision({ id, isApproval: one.isApproval, amount, reason: "x", decidedBy: one.by, isByHand: false }, { known, budgetOf, rules, nowMs }));
		} else if (one.kind === "withdraw") this.take(planWithdrawal(this.idAt(one.at), { by: one.by, isByHand: false }, { known, nowMs }));
		else if (one.kind === "end") {
			const id = this.idAt(one.at);
			while (one.isAllWritten && this.state.outbox.length > 0) this.carryOut("written");
			const isWritten = !this.state.outbox.some((effect) => effect.kind === "applyIncrease" && effect.increase.id === id);
			this.take(planEnding({ id, by: one.by, isByHand: false, reason: "over" }, { known, rules, nowMs, isWritten }));
		} else if (one.kind === "wait") {
			this.nowMs += one.ms;
			this.apply({ kind: "timePassed", nowMs: this.nowMs });
		} else if (one.kind === "restart")
			this.state = initialState({ teamId: "demo", hasSearchAttributes: false, state: JSON.parse(JSON.stringify(carriedState(state))) });
		else if (one.kind === "removeBudget") this.apply({ kind: "policyApplied", mode: "patch", set: [], removeKeys: [selectorKey(month)], requestedBy: "ann" });
		else this.carryOut(one.kind);
	}

	/** Of the last few requests, so that most steps meet one that is still open. */
	private idAt(back: number): string {
		return this.ids.at(-1 - back) ?? "inc_ffffffffffff";
	}

	/** "refused": what stands before the next raise is written, the raise itself is refused. */
	private carryOut(how: "written" | "refused"): void {
		const isRefused = how === "refused" && this.state.outbox.some(({ kind }) => kind === "applyIncrease");
		for (let [effect] = this.state.outbox; effect !== undefined; [effect] = this.state.outbox) {
			if (isRefused && effect.kind === "applyIncrease") return this.apply({ kind: "effectRefused", id: effect.id, problem: "no" });
			this.apply({ kind: "effectDone", id: effect.id, heldRevision: "revision" in effect ? effect.revision : null });
			if (!isRefused) return;
		}
	}

	private note(id: string, status: string): void {
		this.statuses.set(id, [...(this.statuses.get(id) ?? []), status]);
	}
}

/** All effects carried out, all dates over. */
function settle(played: Played): void {
	for (let round = 0; round < 3; round++) {
		played.play({ kind: "wait", ms: 900_000 });
		while (played.state.outbox.length > 0) played.play({ kind: "written" });
	}
}

const APPROVED_BY_SOMEBODY_ELSE = (increase: Increase): boolean => increase.decision !== null && increase.decision.by !== increase.requestedBy;

test("never more is in force than was approved, never above the ceiling, never by whoever asked", () => {
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60 }), fc.option(fc.integer({ min: 1, max: 1_500 }).map(String)), (steps, ceiling) => {
			const played = new Played(ceiling);
			for (const one of steps) {
				played.play(one);
				for (const key of [selectorKey(day), selectorKey(month)]) {
					const inForce = played.state.increases.filter((increase) => increase.key === key && increase.status === "approved" && !increase.isBudgetGone);
					const granted = inForce.reduce((sum, { grantedAmount }) => sum + BigInt(grantedAmount ?? "-1"), 0n);
					expect(raisedAmount(played.state.increases, key)).toBe(granted);
					if (ceiling !== null) expect(granted).toBeLessThanOrEqual(BigInt(ceiling));
					for (const increase of inForce) {
						expect(BigInt(increase.grantedAmount ?? "0")).toBeLessThanOrEqual(BigInt(increase.askedAmount));
						expect(APPROVED_BY_SOMEBODY_ELSE(increase)).toBe(true);
					}
				}
			}
		}),
		{ numRuns: 1_000 },
	);
});

test("each request ends in exactly one final state, and each step of it is announced once", () => {
	const reached = new Set<string>();
	fc.assert(
		fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
			const played = new Played(null);
			for (const one of steps) played.play(one);
			settle(played);
			expect(played.state.increases).toEqual([]);
			expect(played.statuses.size).toBe(played.ids.length);
			for (const id of played.ids) {
				const statuses = played.statuses.get(id) ?? [];
				for (const status of statuses) reached.add(status);
				expect(statuses[0]).toBe("pending");
				expect(statuses.filter((status) => FINAL.includes(status))).toEqual([statuses.at(-1)]);
				expect(statuses.filter((status) => status === "approved").length).toBeLessThanOrEqual(1);
				expect(statuses.slice(1, -1).every((status) => status === "approved")).toBe(true);
			}
			expect(new Set(played.announced).size).toBe(played.announced.length);
		}),
		{ numRuns: 1_000 },
	);
	expect([...reached].sort()).toEqual(["approved", "ended", "ended early", "expired", "pending", "refused", "rejected", "withdrawn"]);
});

test("a line of the limit in force fires again when a raise ends, and not for the window that had it", () => {
	const notice: BudgetDefinition = { ...day, windowKind: "day", thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }] };
	const key = selectorKey(notice);
	const DAY_MS = 86_400_000;
	const report = (startsAtMs: number, posted: string, version: number): TeamBudgetEvent => ({
		kind: "totalsReported",
		report: {
			windows: [{ key, startsAtMs, endsAtMs: startsAtMs + DAY_MS, granted: posted, posted, overrun: "0", leases: 0, refusals: 0, version }],
			lastRefusals: [],
		},
	});
	const approved: Increase = {
		...{ id: "inc_0123456789ab", kind: "increase", key, status: "approved", askedAmount: "1000", grantedAmount: "1000", untilMs: DAY_MS, reason: "r" },
		...{ requestedBy: "ann", isRequestedByHand: false, requestedAtMs: 0, expiresAtMs: DAY_MS, decision: { by: "bob", isByHand: false, atMs: 1, reason: "" } },
	};
	const told: string[] = [];
	let state = emptyTeamBudget("demo");
	const apply = (event: TeamBudgetEvent): void => {
		const reduced = reduceTeamBudget(state, event);
		state = reduced.state;
		for (const effect of reduced.effects) if (effect.kind === "announce") told.push(`${effect.event} ${effect.amount} of ${effect.limitAmount}`);
	};
	apply({ kind: "loaded", revision: 0, isFrozen: false, budgets: [notice], windows: [] });
	apply(report(0, "900", 1));
	apply({ kind: "increaseChanged", increase: { ...approved, status: "pending", grantedAmount: null, decision: null } });
	apply({ kind: "increaseChanged", increase: approved });
	apply(report(0, "1500", 2));
	expect(told).toEqual(["threshold.warn.fired 800 of 1000", "threshold.warn.withdrawn 800 of 2000"]);
	apply({ kind: "timePassed", nowMs: DAY_MS });
	apply(report(0, "1550", 3));
	expect(told).toHaveLength(2);
	apply(report(DAY_MS, "820", 1));
	expect(told.slice(2)).toEqual(["threshold.warn.fired 800 of 1000"]);
});
