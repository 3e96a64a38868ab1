import { expect, test } from "vitest";
import { checkIncreaseAnswer } from "#domain/budget/increase-input.ts";
import { CLOSED_KEPT_MAX, IN_FORCE_MAX, type Increase, PENDING_MAX } from "#domain/budget/increases.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { renderDetails } from "#workflows/team-budget/details.ts";
import { carriedState } from "#workflows/team-budget/state.ts";

const HOSTILE = '"한]|`*<b>\\\n\u0007\u202e\u2028\ud800';

/** As many requests as a team can have, with the longest texts there are. */
function fullest(letter: string): TeamBudgetState {
	const text = (length: number): string => letter.repeat(length).slice(0, length);
	const increase = (index: number, overrides: Partial<Increase>): Increase => ({
		...{ id: `inc_${index.toString(16).padStart(12, "0")}`, kind: "increase", key: `environment|${text(128)}|tokens|lifetime`, status: "pending" },
		...{ askedAmount: "1000000000000000000", grantedAmount: null, untilMs: 8.64e15, reason: text(200), requestedBy: text(100), isRequestedByHand: true },
		...{ requestedAtMs: 8.64e15, expiresAtMs: 8.64e15, decision: null },
		...overrides,
	});
	const decision = { by: text(100), isByHand: true, atMs: 8.64e15, reason: text(200) };
	const many = (count: number, overrides: Partial<Increase>): Increase[] => Array.from({ length: count }, (_, index) => increase(index, overrides));
	return {
		...emptyTeamBudget("a".repeat(63)),
		isLoaded: true,
		increases: [
			...many(PENDING_MAX, {}),
			...many(100, { kind: "line", requestedBy: "tollgate", reason: "a line that needs approval is reached", windowStartsAtMs: 8.64e15 }),
			...many(IN_FORCE_MAX, { status: "approved", grantedAmount: "1000000000000000000", decision }),
		],
		closedIncreases: many(CLOSED_KEPT_MAX, { status: "rejected", decision }),
	};
}

test.each(["x", "한", '"', "🙂", HOSTILE])("with texts full of %j the details stay within 20,000 bytes, and each update shown can be pasted", (letter) => {
	const details = renderDetails(fullest(letter));
	expect(Buffer.byteLength(JSON.stringify(details))).toBeLessThanOrEqual(20_000);
	expect(details).toContain("Increases that wait for a decision (120)");
	const pasted = [...details.matchAll(/^ {2}`(\{.*\})`$/gm)].map(([, text]) => JSON.parse(text ?? "") as object);
	expect(pasted.length).toBeGreaterThan(5);
	for (const input of pasted) expect(checkIncreaseAnswer(input)).toMatchObject({ kind: "valid", value: { isApproval: true, decidedBy: "YOUR NAME" } });
});

test("the fullest there can be takes less than half a MiB of the state", () => {
	expect(Buffer.byteLength(JSON.stringify(carriedState(fullest("한"))))).toBeLessThan(512 * 1024);
});

test("without any the details say nothing of increases", () => {
	expect(renderDetails(emptyTeamBudget("demo"))).not.toContain("ncrease");
});
