import { MAX_LIMIT_NANO_USD } from "../money/nano-usd.ts";
import { formatUsd } from "../money/wire.ts";
import { DEFAULT_EXPIRY_MS, type IncreaseAnswer, type IncreaseAsk, type IncreaseEnding, readIncreaseAmount, readUntil } from "./increase-input.ts";
import type { BudgetDefinition, Checked, FieldProblem } from "./scope.ts";
import { formatInstant } from "./window.ts";

/**
 * Temporary raises of a budget's limit. A request goes one way: pending, then approved, rejected, withdrawn or expired; an
 * approved one is in force until its date and then ended, or refused where PostgreSQL finds that it may not be. Nobody
 * decides about what he asked for himself. Several raises of one budget add up; each ends on its own date. PostgreSQL judges
 * right and ceiling again when a raise is written, and its clock alone ends one (migration 0014).
 */
export type IncreaseStatus = "pending" | "approved" | "rejected" | "withdrawn" | "expired" | "refused" | "ended";

/** Who closed a request, and why; "tollgate" where time did. */
export type IncreaseDecision = {
	readonly by: string;
	/** The name was typed into the workflow's update, not proven by an admin key. */
	readonly isByHand: boolean;
	readonly atMs: number;
	readonly reason: string;
};

/** Amounts are decimal strings in the unit of the budget: this lives in workflow state and travels. */
export type Increase = {
	/** "inc_" and 12 hexadecimal digits. */
	readonly id: string;
	/** "line": leave to spend beyond a line that needs approval, asked for by the budget itself or by a person; `askedAmount` is where it stands. */
	readonly kind: "increase" | "line";
	/** Selector key of the budget. */
	readonly key: string;
	readonly status: IncreaseStatus;
	readonly askedAmount: string;
	/** What the raise adds to the limit; at most what was asked. null until approved. */
	readonly grantedAmount: string | null;
	/** When the raise ends; null until approved = with the window in which it is approved. */
	readonly untilMs: number | null;
	/** Of a line: the window in which it was reached. */
	readonly windowStartsAtMs?: number;
	readonly reason: string;
	readonly requestedBy: string;
	readonly isRequestedByHand: boolean;
	readonly requestedAtMs: number;
	/** Undecided until then, it expires. */
	readonly expiresAtMs: number;
	readonly decision: IncreaseDecision | null;
	/** Who ended the raise before its date, and why; absent where its date did. */
	readonly ending?: IncreaseDecision;
	/** Its budget was removed: it is closed at the next look. */
	readonly isBudgetGone?: boolean;
};

/** As PostgreSQL holds them at the moment of the decision: the team's and the organisation's approvers, and the team's ceiling. */
export type IncreaseRules = {
	/** Empty = everybody but the requester decides. */
	readonly approvers: readonly string[];
	/** The most by which raises in force may lift one budget in money; null = no ceiling. */
	readonly ceilingNanoUsd: string | null;
};

/** `closed`: the last few, for whoever decides too late. */
export type KnownIncreases = { readonly open: readonly Increase[]; readonly closed: readonly Increase[] };
/** `windowEndsAtMs`: of the budget's window at the moment; null = it never ends. */
export type IncreasedBudget = { readonly definition: BudgetDefinition; readonly windowEndsAtMs: number | null };

type RefusalCode = "admin.invalid" | "admin.forbidden" | "admin.conflict" | "admin.not_found";
export type IncreaseRefusal = { readonly kind: "refused"; readonly code: RefusalCode; readonly problems: readonly FieldProblem[] };
/** "same": it was done already, by the same person and with the same content. */
export type IncreasePlan = { readonly kind: "planned" | "same"; readonly increase: Increase } | IncreaseRefusal;

const DAY_MS = 86_400_000;
/** A raise that is to last longer is a new limit. */
export const HORIZON_MS = 366 * DAY_MS;
/** They travel in the workflow's state. */
export const PENDING_MAX = 20;
export const IN_FORCE_MAX = 50;
export const CLOSED_KEPT_MAX = 10;

type RequestContext = {
	readonly known: KnownIncreases;
	/** undefined = the team has no such budget. */
	readonly budget: IncreasedBudget | undefined;
	readonly key: string;
	readonly rules: IncreaseRules;
	readonly nowMs: number;
	readonly newId: string;
};

/** Asking again for what is pending already opens no second request. */
export function planRequest(ask: IncreaseAsk, context: RequestContext): IncreasePlan {
	const { budget, known, key, rules, nowMs, newId } = context;
	if (budget === undefined) return refuse("admin.not_found", "budget", "is none of this team's budgets");
	const { unit, timeZone } = budget.definition;
	const amount = readIncreaseAmount(ask, unit);
	const problems: FieldProblem[] = amount.kind === "invalid" ? [...amount.problems] : [];
	const untilMs = ask.until === undefined ? null : readUntil(ask.until, timeZone);
	if (untilMs === undefined) problems.push({ field: "until", problem: "is neither a date nor an instant" });
	else problems.push(...checkUntil(untilMs, budget, nowMs));
	if (amount.kind === "valid") problems.push(...checkAmount(amount.value, { budget, raised: raisedAmount(known.open, key), rules }));
	if (problems.length > 0 || amount.kind === "invalid" || untilMs === undefined) return { kind: "refused", code: "admin.invalid", problems };
	const expiresAtMs = Math.min(nowMs + (ask.expiresInMs ?? DEFAULT_EXPIRY_MS), untilMs ?? Number.MAX_SAFE_INTEGER);
	const { reason, requestedBy, isByHand } = ask;
	const pending = known.open.filter(({ kind, status }) => kind === "increase" && status === "pending");
	const askedAmount = amount.value.toString();
	const same = pending.find(
		(other) =>
			other.key === key && other.askedAmount === askedAmount && other.untilMs === untilMs && other.reason === reason && other.requestedBy === requestedBy,
	);
	if (same !== undefined) return { kind: "same", increase: same };
	if (pending.length >= PENDING_MAX)
		return refuse("admin.conflict", "budget", `belongs to a team with ${PENDING_MAX} open requests already; decide or withdraw one first`);
	const increase: Increase = {
		id: newId,
		kind: "increase",
		key,
		status: "pending",
		askedAmount,
		grantedAmount: null,
		untilMs,
		reason,
		requestedBy,
		isRequestedByHand: isByHand,
		requestedAtMs: nowMs,
		expiresAtMs,
		decision: null,
	};
	return { kind: "planned", increase };
}

type DecisionContext = {
	readonly known: KnownIncreases;
	readonly budgetOf: (key: string) => IncreasedBudget | undefined;
	readonly rules: IncreaseRules;
	readonly nowMs: number;
};

/** One decision holds; whoever comes second is told of the first, and the same person repeating himself is not wrong. */
export function planDecision(answer: IncreaseAnswer, context: DecisionContext): IncreasePlan {
	const { known, rules, nowMs } = context;
	const increase = known.open.find(({ id }) => id === answer.id);
	if (increase === undefined || increase.status !== "pending") return answerToDecided(answer, increase, known);
	const { isApproval, decidedBy } = answer;
	if (isSamePerson(increase.requestedBy, decidedBy))
		return refuse("admin.forbidden", "decidedBy", `${decidedBy} asked for it: somebody else has to decide, or ${decidedBy} withdraws it`);
	if (rules.approvers.length > 0 && !rules.approvers.includes(decidedBy))
		return refuse("admin.forbidden", "decidedBy", `${decidedBy} is no approver; ${rules.approvers.join(", ")} may decide`);
	if (increase.expiresAtMs <= nowMs) return refuse("admin.conflict", "id", "has expired undecided; it can be asked for again");
	const decision: IncreaseDecision = { by: decidedBy, isByHand: answer.isByHand, atMs: nowMs, reason: answer.reason };
	if (!isApproval) return { kind: "planned", increase: { ...increase, status: "rejected", decision } };
	const budget = context.budgetOf(increase.key);
	if (budget === undefined) return refuse("admin.conflict", "id", "is for a budget that is there no more");
	if (increase.kind === "line") return approveLine(answer, { ...increase, status: "approved", grantedAmount: increase.askedAmount, decision });
	if (known.open.filter(({ kind, status }) => kind === "increase" && status === "approved").length >= IN_FORCE_MAX)
		return refuse("admin.conflict", "id", `cannot be approved: ${IN_FORCE_MAX} raises of this team are in force already`);
	const amount = grantedAmount(answer, increase, budget);
	const untilMs = increase.untilMs ?? budget.windowEndsAtMs;
	const problems = [...checkUntil(untilMs, budget, nowMs), ...(amount.kind === "invalid" ? amount.problems : [])];
	if (amount.kind === "valid") problems.push(...checkAmount(amount.value, { budget, raised: raisedAmount(known.open, increase.key), rules }));
	if (problems.length > 0 || amount.kind === "invalid") return { kind: "refused", code: "admin.invalid", problems };
	return { kind: "planned", increase: { ...increase, status: "approved", grantedAmount: amount.value.toString(), untilMs, decision } };
}

/** Only who asked takes a request back. */
export function planWithdrawal(
	id: string,
	by: Pick<IncreaseDecision, "by" | "isByHand">,
	{ known, nowMs }: { readonly known: KnownIncreases; readonly nowMs: number },
): IncreasePlan {
	const increase = [...known.open, ...known.closed].find((other) => other.id === id);
	if (increase === undefined) return unknownRequest();
	if (increase.status === "withdrawn" && increase.decision?.by === by.by) return { kind: "same", increase };
	if (increase.status !== "pending") return refuse("admin.conflict", "id", describeDecided(increase));
	if (!isSamePerson(increase.requestedBy, by.by))
		return refuse("admin.forbidden", "withdrawnBy", `${by.by} did not ask for it: ${increase.requestedBy} withdraws it, an approver rejects it`);
	return { kind: "planned", increase: { ...increase, status: "withdrawn", decision: { ...by, atMs: nowMs, reason: "" } } };
}

/**
 * A raise goes before its date. Whoever may decide about increases may end one, and whoever asked for it as well where he
 * may: a lower limit is nothing that anybody grants himself. `isWritten`: PostgreSQL holds the raise.
 */
export function planEnding(
	{ id, ...by }: IncreaseEnding,
	{ known, rules, nowMs, isWritten }: { readonly known: KnownIncreases; readonly rules: IncreaseRules; readonly nowMs: number; readonly isWritten: boolean },
): IncreasePlan {
	const increase = [...known.open, ...known.closed].find((other) => other.id === id);
	if (increase === undefined) return unknownRequest();
	if (increase.status === "ended" && increase.ending?.by === by.by) return { kind: "same", increase };
	if (rules.approvers.length > 0 && !rules.approvers.includes(by.by))
		return refuse("admin.forbidden", "endedBy", `${by.by} is no approver; ${rules.approvers.join(", ")} may end it`);
	if (increase.status === "pending") return refuse("admin.conflict", "id", "is not decided yet: an approver rejects it, or whoever asked withdraws it");
	if (increase.status !== "approved") return refuse("admin.conflict", "id", describeDecided(increase));
	if (increase.kind === "line") return refuse("admin.conflict", "id", "let a line be passed, which holds to the end of its window");
	if (!isWritten) return refuse("admin.conflict", "id", "is approved, and not in force yet: try again when PostgreSQL has taken it");
	if (endMsOf(increase) <= nowMs) return refuse("admin.conflict", "id", "has ended already, on its date");
	return { kind: "planned", increase: { ...increase, status: "ended", ending: { ...by, atMs: nowMs } } };
}

/** What the raises in force add to the limit of a budget. */
export function raisedAmount(open: readonly Increase[], key: string): bigint {
	return open.reduce(
		(sum, increase) =>
			increase.kind === "increase" && increase.status === "approved" && increase.key === key && !increase.isBudgetGone
				? sum + BigInt(increase.grantedAmount ?? "0")
				: sum,
		0n,
	);
}

/** What time, or the end of a budget, closes: undecided requests and raises whose date is over. */
export function closeDueIncreases(open: readonly Increase[], nowMs: number): { readonly left: readonly Increase[]; readonly closed: readonly Increase[] } {
	const isDue = (increase: Increase): boolean => increase.isBudgetGone === true || endMsOf(increase) <= nowMs;
	const byTime = (increase: Increase): Increase => {
		if (increase.status === "approved") return { ...increase, status: "ended" };
		const reason = increase.isBudgetGone ? "its budget was removed" : "nobody decided in time";
		return { ...increase, status: increase.isBudgetGone ? "withdrawn" : "expired", decision: { by: "tollgate", isByHand: false, atMs: nowMs, reason } };
	};
	return { left: open.filter((increase) => !isDue(increase)), closed: open.filter(isDue).map(byTime) };
}

/** When time alone changes something; null = never. */
export function nextIncreaseEndMs(open: readonly Increase[]): number | null {
	return open.length === 0 ? null : Math.min(...open.map(endMsOf));
}

/** A line passed in a window that never ends is remembered for as long as a raise may last at most. */
function endMsOf({ kind, status, untilMs, requestedAtMs, expiresAtMs }: Increase): number {
	if (status === "pending") return expiresAtMs;
	return untilMs ?? (kind === "line" ? requestedAtMs + HORIZON_MS : expiresAtMs);
}

/** Blanks and capitals make nobody a different person. */
function isSamePerson(left: string, right: string): boolean {
	const plain = (name: string): string => name.normalize("NFKC").trim().toLowerCase();
	return plain(left) === plain(right);
}

/** Spend may pass the line, which stands where it stands. */
function approveLine(answer: IncreaseAnswer, approved: Increase): IncreasePlan {
	if (answer.amount === undefined && answer.amountUsd === undefined) return { kind: "planned", increase: approved };
	return {
		kind: "refused",
		code: "admin.invalid",
		problems: [{ field: answer.amount === undefined ? "amountUsd" : "amount", problem: "cannot be named: a line is approved as it stands" }],
	};
}

function answerToDecided(answer: IncreaseAnswer, open: Increase | undefined, known: KnownIncreases): IncreasePlan {
	const decided = open ?? known.closed.find(({ id }) => id === answer.id);
	if (decided === undefined) return unknownRequest();
	const isAsAnswered = decided.status === (answer.isApproval ? "approved" : "rejected");
	if (isAsAnswered && decided.decision?.by === answer.decidedBy) return { kind: "same", increase: decided };
	return refuse("admin.conflict", "id", describeDecided(decided));
}

function describeDecided({ status, ending, decision: decided }: Increase): string {
	const decision = status === "ended" ? (ending ?? null) : decided;
	if (decision === null) return `is ${status} already`;
	return `is ${status} already, by ${decision.by} at ${formatInstant(decision.atMs)}${decision.reason === "" ? "" : ` (${decision.reason})`}`;
}

function grantedAmount(answer: IncreaseAnswer, { askedAmount }: Increase, { definition }: IncreasedBudget): Checked<bigint> {
	if (answer.amount === undefined && answer.amountUsd === undefined) return { kind: "valid", value: BigInt(askedAmount) };
	const read = readIncreaseAmount(answer, definition.unit);
	if (read.kind === "invalid" || read.value <= BigInt(askedAmount)) return read;
	const asked = definition.unit === "tokens" ? `${askedAmount} tokens` : `${formatUsd(BigInt(askedAmount))} USD`;
	return {
		kind: "invalid",
		problems: [{ field: answer.amountUsd === undefined ? "amount" : "amountUsd", problem: `must not be above what was asked for, ${asked}` }],
	};
}

function checkUntil(untilMs: number | null, budget: IncreasedBudget, nowMs: number): FieldProblem[] {
	if (untilMs === null) return budget.windowEndsAtMs === null ? [{ field: "until", problem: "must be given: the window of this budget never ends" }] : [];
	if (untilMs <= nowMs) return [{ field: "until", problem: "is in the past" }];
	return untilMs > nowMs + HORIZON_MS ? [{ field: "until", problem: "is more than 366 days away: what lasts longer is a new limit" }] : [];
}

type AmountContext = { readonly budget: IncreasedBudget; readonly raised: bigint; readonly rules: IncreaseRules };

/** The ceiling is in money: it says nothing of budgets in tokens. */
function checkAmount(amount: bigint, { budget, raised, rules }: AmountContext): FieldProblem[] {
	const { unit, limitAmount } = budget.definition;
	if (BigInt(limitAmount) + raised + amount > MAX_LIMIT_NANO_USD) return [{ field: "amount", problem: "would raise the limit above 10^18" }];
	if (unit === "tokens" || rules.ceilingNanoUsd === null || raised + amount <= BigInt(rules.ceilingNanoUsd)) return [];
	const inForce = raised === 0n ? "" : `; ${formatUsd(raised)} USD are in force already`;
	return [
		{
			field: "amount",
			problem: `is above the ceiling of ${formatUsd(BigInt(rules.ceilingNanoUsd))} USD that increases of this budget may reach together${inForce}`,
		},
	];
}

function unknownRequest(): IncreaseRefusal {
	return refuse("admin.not_found", "id", "is no open request of this team");
}

/** A refusal of one thing. */
export function refuse(code: RefusalCode, field: string, problem: string): IncreaseRefusal {
	return { kind: "refused", code, problems: [{ field, problem }] };
}
