import { describe, expect, it } from "vitest";
import type { GrantedItem } from "#activities/authority/port.ts";
import { GrantEvidence } from "#activities/request/grant-evidence.ts";
import { LeaseBook, type MatchedBudget } from "#domain/budget/lease-book.ts";
import { amounts } from "#test/support/amounts.ts";
import { testBound } from "#test/support/request-authority.ts";

const BUDGET: MatchedBudget = { budgetId: "1", unit: "nano_usd" };
const need = (nanoUsd: bigint) => amounts({ nanoUsd });

/** 90 of 100 are granted, all of it posted; nothing of it is held here. */
function evidenceOf(changes: Partial<GrantedItem>, budget = BUDGET): GrantEvidence {
	const item: GrantedItem = {
		...{ budgetId: "1", windowId: "11", seq: "1", limit: 100n, stop: 100n, granted: 90n, posted: 90n, isFrozen: false, isOverrun: false },
		...{ isObserved: false, needsApproval: false, leaseGranted: 0n, leaseReturned: 0n, leasePosted: 0n, leaseOverrun: 0n, endsAt: null, endsInMs: null },
		...{ heldElsewhere: 0n, heldUnreachable: 0n, heldUntil: null, claimId: 5n, leastAnswered: null },
		...changes,
	};
	return new GrantEvidence({ budgets: [budget], items: new Map([["1", item]]), askedAtMs: 0, book: new LeaseBook(), claims: new Map([["11", 5n]]) });
}

describe("what a grant says of a call", () => {
	it("finds nothing short or hopeless in an observed window, whatever is granted", () => {
		const evidence = evidenceOf({ isObserved: true, granted: 5_000n, posted: 5_000n });
		expect([evidence.short(need(1_000n)), evidence.hopeless(need(1_000n)), evidence.blocked(need(1_000n))]).toEqual([undefined, undefined, undefined]);
		expect(evidence.clampToFree(testBound(1_000n, 10))).toBe(1_000);
		expect(evidence.hopeless(need(1n))).toBeUndefined();
		expect(evidenceOf({}).hopeless(need(11n))).toMatchObject({ code: "budget.exceeded" });
	});

	it("is blocked by a freeze also where it is only observed", () => {
		expect(evidenceOf({ isObserved: true, isFrozen: true }).blocked(need(1n))).toMatchObject({ code: "budget.frozen" });
	});

	it("asks for an approval where the limit itself has room, and says exceeded where it has none", () => {
		const waiting = evidenceOf({ stop: 90n, needsApproval: true });
		expect(waiting.short(need(10n))).toMatchObject({ code: "budget.needs_approval" });
		expect(waiting.short(need(11n))).toMatchObject({ code: "budget.exceeded" });
		expect(evidenceOf({ stop: 90n }).short(need(10n))).toMatchObject({ code: "budget.exceeded" });
	});

	it("clamps to the output tokens that are free, and not at all where input or a step is short", () => {
		const bound = { ...testBound(1_000n, 10), inputTokens: 20 };
		const clamp = (unit: MatchedBudget["unit"], limit: bigint) => evidenceOf({ limit, stop: limit }, { ...BUDGET, unit }).clampToFree(bound);
		expect([clamp("output_tokens", 390n), clamp("output_tokens", 99n)]).toEqual([300, undefined]);
		expect([clamp("input_tokens", 110n), clamp("input_tokens", 109n)]).toEqual([1_000, undefined]);
		expect([clamp("steps", 91n), clamp("steps", 90n)]).toEqual([1_000, undefined]);
	});

	it("names the degrade line that the call would pass, by the limit in force", () => {
		const lined = { ...BUDGET, line: { place: 2, at: { basisPoints: 9500 } } };
		expect(evidenceOf({}, lined).beyondLine(need(5n))).toBeUndefined();
		expect(evidenceOf({}, lined).beyondLine(need(6n))).toMatchObject({ budgetId: "1", place: 2, lineAmount: 95n, need: 6n });
		expect(evidenceOf({ limit: 200n, stop: 200n }, lined).beyondLine(need(100n))).toBeUndefined();
		expect(evidenceOf({}).beyondLine(need(60n))).toBeUndefined();
	});
});
