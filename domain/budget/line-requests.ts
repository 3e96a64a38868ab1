import type { Increase } from "./increases.ts";
import { HORIZON_MS } from "./increases.ts";
import { closeIncrease, openIncrease } from "./team-budget-increases.ts";
import type { Reduced } from "./team-budget-outbox.ts";
import type { BudgetState, TeamBudgetState, WindowState } from "./team-budget-state.ts";

/**
 * A line that needs approval asks for itself: once it is reached in the current window of an enforced budget, a request of
 * kind "line" waits for a person. It is taken back when the line is approved otherwise, moves away or goes, and is asked
 * for once per window, whatever was decided.
 */
export function followLines(state: TeamBudgetState, nowMs: number): Reduced {
	const settled = state.increases
		.filter((increase) => isPendingLine(increase) && !isStillAsked(state, increase))
		.reduce<Reduced>(
			(before, increase) =>
				append(
					before,
					closeIncrease(before.state, { ...increase, status: "withdrawn", decision: { by: "tollgate", isByHand: false, atMs: nowMs, reason: GONE } }),
				),
			{ state, effects: [] },
		);
	return settled.state.budgets.reduce((before, budget) => append(before, askForLines(before.state, budget, nowMs)), settled);
}

const GONE = "its line asks for nothing any more";
/** A budget has at most 8 lines, and waits at one of them at a time: beyond this a team's later lines wait for earlier ones. */
const PENDING_LINES_MAX = 100;

function askForLines(state: TeamBudgetState, { key, definition, window }: BudgetState, nowMs: number): Reduced {
	if (window === null || definition.mode === "observe") return { state, effects: [] };
	const asked = window.askedLines ?? [];
	const room = PENDING_LINES_MAX - state.increases.filter(isPendingLine).length;
	const due = linesWaiting(window).filter((amount) => !asked.includes(amount));
	const now = due.slice(0, Math.max(0, room));
	if (now.length === 0) return { state, effects: [] };
	const budgets = state.budgets.map((budget) =>
		budget.key === key && budget.window ? { ...budget, window: { ...budget.window, askedLines: [...asked, ...now] } } : budget,
	);
	return now.reduce<Reduced>(
		(before, amount) => append(before, openIncrease(before.state, lineRequest({ teamId: state.teamId, key, window, amount, nowMs }))),
		{ state: { ...state, budgets }, effects: [] },
	);
}

type Line = { readonly teamId: string; readonly key: string; readonly window: WindowState; readonly amount: string; readonly nowMs: number };

function lineRequest({ teamId, key, window, amount, nowMs }: Line): Increase {
	return {
		id: `inc_${hashOf(`${teamId}|${key}|${window.startsAtMs}|${amount}`)}`,
		kind: "line",
		key,
		status: "pending",
		askedAmount: amount,
		grantedAmount: null,
		untilMs: window.endsAtMs,
		windowStartsAtMs: window.startsAtMs,
		reason: "a line that needs approval is reached",
		requestedBy: "tollgate",
		isRequestedByHand: false,
		requestedAtMs: nowMs,
		expiresAtMs: window.endsAtMs ?? nowMs + HORIZON_MS,
		decision: null,
	};
}

function linesWaiting({ thresholds, approved }: WindowState): string[] {
	return thresholds.flatMap(({ action, amount, isStanding }) => (action === "needApproval" && isStanding && BigInt(amount) > BigInt(approved) ? [amount] : []));
}

function isPendingLine({ kind, status }: Increase): boolean {
	return kind === "line" && status === "pending";
}

/** A window that is not known yet, or over, is left to time. */
function isStillAsked(state: TeamBudgetState, increase: Increase): boolean {
	const budget = state.budgets.find(({ key }) => key === increase.key);
	if (budget === undefined || budget.window === null || budget.window.startsAtMs !== increase.windowStartsAtMs) return true;
	return budget.definition.mode === "enforce" && linesWaiting(budget.window).includes(increase.askedAmount);
}

/** FNV-1a, 64 bits, of which 48 are kept: the same line of the same window has the same id, however often it is looked at. */
function hashOf(text: string): string {
	let hash = 0xcbf29ce484222325n;
	for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
	return hash.toString(16).padStart(16, "0").slice(0, 12);
}

function append(before: Reduced, following: Reduced): Reduced {
	return { state: following.state, effects: [...before.effects, ...following.effects] };
}
