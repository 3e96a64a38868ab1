import { DEFAULT_EXPIRY_MS, type IncreaseAsk } from "./increase-input.ts";
import { HORIZON_MS, type Increase, type IncreasePlan, raisedAmount, refuse } from "./increases.ts";
import { selectorKey } from "./scope.ts";
import { closeIncrease, openIncrease } from "./team-budget-increases.ts";
import type { Reduced } from "./team-budget-outbox.ts";
import type { BudgetState, TeamBudgetState, WindowState } from "./team-budget-state.ts";
import { linesOf } from "./thresholds.ts";

/**
 * A line that needs approval asks for itself: once it is reached in the current window of an enforced budget, a request of
 * kind "line" waits for a person. It is taken back when the line is approved otherwise, moves away or goes, and is asked
 * for once per window, whatever was decided; whoever needs it after that asks himself (planLineRequest).
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

/**
 * A person asks to spend beyond the next line of a budget, reached or not: a call that does not fit below it is refused
 * before. As often as somebody has to decide about it anew.
 */
export function planLineRequest(
	ask: IncreaseAsk,
	{ state, nowMs, newId }: { readonly state: TeamBudgetState; readonly nowMs: number; readonly newId: string },
): IncreasePlan {
	const key = selectorKey(ask.selector);
	const budget = state.budgets.find((other) => other.key === key);
	if (budget === undefined) return refuse("admin.not_found", "budget", "is none of this team's budgets");
	const { window } = budget;
	if (window === null || (window.endsAtMs !== null && window.endsAtMs <= nowMs))
		return refuse("admin.conflict", "budget", "begins a new window: ask when something is spent in it");
	const [amount] = linesAhead(state, budget, window);
	if (amount === undefined) return refuse("admin.conflict", "budget", NOTHING_AHEAD);
	const known = state.increases.filter((increase) => isOfLine(increase, { key, window, amount }));
	const approved = known.find(({ status }) => status === "approved");
	if (approved !== undefined) return refuse("admin.conflict", "budget", `may be spent beyond this line already: ${approved.id} is approved`);
	const { reason, requestedBy, isByHand, expiresInMs } = ask;
	const pending = known.find(({ status }) => status === "pending");
	if (pending?.requestedBy === requestedBy && pending.reason === reason) return { kind: "same", increase: pending };
	if (pending !== undefined)
		return refuse("admin.conflict", "budget", `waits for a decision about this line already: ${pending.id}, asked for by ${pending.requestedBy}`);
	if (state.increases.filter(isPendingLine).length >= PENDING_LINES_MAX)
		return refuse("admin.conflict", "budget", `belongs to a team of which ${PENDING_LINES_MAX} lines wait for a decision already`);
	const expiresAtMs = Math.min(nowMs + (expiresInMs ?? DEFAULT_EXPIRY_MS), window.endsAtMs ?? Number.MAX_SAFE_INTEGER);
	const asked = lineRequest({ teamId: state.teamId, key, window, amount, nowMs });
	return { kind: "planned", increase: { ...asked, id: newId, reason, requestedBy, isRequestedByHand: isByHand, expiresAtMs } };
}

const NOTHING_AHEAD = "has no line that needs approval and is not approved, so that there is nothing to ask for";
const GONE = "its line asks for nothing any more";
/** A budget has at most 8 lines, and waits at one of them at a time: beyond this a team's later lines wait for earlier ones. */
const PENDING_LINES_MAX = 100;

function askForLines(state: TeamBudgetState, { key, definition, window }: BudgetState, nowMs: number): Reduced {
	if (window === null || definition.mode === "observe") return { state, effects: [] };
	const asked = window.askedLines ?? [];
	const room = PENDING_LINES_MAX - state.increases.filter(isPendingLine).length;
	const due = linesWaiting(window).filter(
		(amount) => !asked.includes(amount) && !state.increases.some((increase) => isOfLine(increase, { key, window, amount })),
	);
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

/** Lines of an enforced budget at which spend stops in this window until somebody approves, ascending. */
function linesAhead(state: TeamBudgetState, { key, definition }: BudgetState, { approved }: WindowState): string[] {
	if (definition.mode === "observe") return [];
	const limitAmount = BigInt(definition.limitAmount) + raisedAmount(state.increases, key);
	return linesOf({ limitAmount, thresholds: definition.thresholds }).flatMap(({ action, amount }) =>
		action === "needApproval" && amount > BigInt(approved) ? [amount.toString()] : [],
	);
}

function isOfLine(increase: Increase, { key, window, amount }: Pick<Line, "key" | "window" | "amount">): boolean {
	return increase.kind === "line" && increase.key === key && increase.windowStartsAtMs === window.startsAtMs && increase.askedAmount === amount;
}

function isPendingLine({ kind, status }: Increase): boolean {
	return kind === "line" && status === "pending";
}

/** A window that is not known yet, or over, is left to time. What a person asks for need not be reached. */
function isStillAsked(state: TeamBudgetState, increase: Increase): boolean {
	const budget = state.budgets.find(({ key }) => key === increase.key);
	if (budget === undefined || budget.window === null || budget.window.startsAtMs !== increase.windowStartsAtMs) return true;
	if (increase.requestedBy !== "tollgate") return linesAhead(state, budget, budget.window).includes(increase.askedAmount);
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
