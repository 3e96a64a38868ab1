import type { Increase } from "#domain/budget/increases.ts";
import { describeSelector, selectorFromKey } from "#domain/budget/scope.ts";
import type { TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatAmount, plain } from "../shared/details-text.ts";

/** Increases in the Temporal UI: what waits, with the update to paste, and what is in force until when. */
const PENDING_SHOWN_MAX = 8;
const IN_FORCE_SHOWN_MAX = 8;
const NAME_SHOWN_MAX = 48;
const REASON_SHOWN_MAX = 80;

export function increaseLines({ increases }: TeamBudgetState): string[] {
	const pending = increases.filter(({ status }) => status === "pending");
	const inForce = increases.filter(({ status }) => status === "approved");
	return [...pendingLines(pending), ...inForceLines(inForce)];
}

/** Without an empty line before it, the Temporal UI sees no list. */
function pendingLines(pending: readonly Increase[]): string[] {
	if (pending.length === 0) return [];
	return [
		"",
		`Increases that wait for a decision (${pending.length}); send the update \`decideIncrease\` with your own name, "amountUsd" beside it for less, or "decision":"reject" with a "reason":`,
		"",
		...pending
			.slice(0, PENDING_SHOWN_MAX)
			.flatMap((increase) => [
				`- ${whatOf(increase, increase.askedAmount)}${untilOf(increase)}, asked by ${plain(increase.requestedBy, NAME_SHOWN_MAX)}: ${plain(increase.reason, REASON_SHOWN_MAX)}. Expires ${formatInstant(increase.expiresAtMs)}.`,
				`  \`{"id":"${increase.id}","decision":"approve","decidedBy":"YOUR NAME"}\``,
			]),
		...more(pending.length - PENDING_SHOWN_MAX),
	];
}

function inForceLines(inForce: readonly Increase[]): string[] {
	if (inForce.length === 0) return [];
	return [
		"",
		'Increases in force; the update `endIncrease` ends one before its date: {"id":"inc_…","reason":"…","endedBy":"YOUR NAME"}',
		"",
		...inForce
			.slice(0, IN_FORCE_SHOWN_MAX)
			.map(
				(increase) =>
					`- \`${increase.id}\` ${whatOf(increase, increase.grantedAmount ?? "0")}${untilOf(increase)}, asked by ${plain(increase.requestedBy, NAME_SHOWN_MAX)}, approved by ${plain(increase.decision?.by ?? "", NAME_SHOWN_MAX)}`,
			),
		...more(inForce.length - IN_FORCE_SHOWN_MAX),
	];
}

function more(count: number): string[] {
	return count > 0 ? [`- ${count} more: \`npx tollgate budget increase list\``] : [];
}

function whatOf(increase: Increase, amount: string): string {
	return increase.kind === "line"
		? `spend beyond ${amountOf(amount, increase)} of ${budgetOf(increase)}`
		: `${amountOf(amount, increase)} more for ${budgetOf(increase)}`;
}

function budgetOf({ key }: Increase): string {
	const selector = selectorFromKey(key);
	return describeSelector({ ...selector, dimensionValue: plain(selector.dimensionValue, NAME_SHOWN_MAX) });
}

function amountOf(amount: string, { key }: Increase): string {
	return formatAmount(BigInt(amount), selectorFromKey(key).unit);
}

function untilOf({ untilMs }: Increase): string {
	return untilMs === null ? " until its window ends" : ` until ${formatInstant(untilMs)}`;
}
