import { storableTextProblem } from "../text/storable-text.ts";
import {
	type BudgetSelector,
	type BudgetUnit,
	type Checked,
	checkBudgetSelector,
	type FieldProblem,
	ORGANIZATION_ID,
	readLimitAmount,
	readLimitUsd,
} from "./scope.ts";
import { civilFromDay, dayFromCivil, startOfLocalDay } from "./window.ts";

/**
 * What people type when they ask for an increase or decide about one, at a command line, in code or in the Temporal UI:
 * checked for its shape here, once, every problem naming its field. Whether it fits the budget and may be done is decided
 * in increases.ts.
 */

/** `via`: absent = a name typed by hand, marked as such in the audit log; the administration API, which has proven it, says so. */
type Via = { readonly via?: "administration" | undefined };

export type RequestIncreaseInput = Via & {
	/** "line": leave to spend beyond the next line at which the budget needs approval, in this window, with neither amount nor `until`. Default "increase". */
	readonly kind?: "increase" | "line" | undefined;
	/** `dimension` defaults to the whole team, `unit` to nano_usd. */
	readonly budget: Partial<BudgetSelector> & Pick<BudgetSelector, "windowKind">;
	/** What is added to the limit, in dollars with at most nine decimals … */
	readonly amountUsd?: string | undefined;
	/** … or as a decimal string in the unit of the budget; exactly one of them. */
	readonly amount?: string | undefined;
	/** "2026-12-01" = to the end of that day in the budget's time zone, or an instant with its zone; absent = to the end of the window. */
	readonly until?: string | undefined;
	readonly reason: string;
	readonly requestedBy: string;
	/** How long it waits for a decision; default 14 days, at most 90. */
	readonly expiresInMs?: number | undefined;
};

export type DecideIncreaseInput = Via & {
	readonly id: string;
	readonly decision: "approve" | "reject";
	/** Approve less than was asked. */
	readonly amountUsd?: string | undefined;
	readonly amount?: string | undefined;
	/** Required to reject. */
	readonly reason?: string | undefined;
	readonly decidedBy: string;
};

export type WithdrawIncreaseInput = Via & { readonly id: string; readonly withdrawnBy: string };

/** Ends a raise in force before its date. */
export type EndIncreaseInput = Via & { readonly id: string; readonly reason?: string | undefined; readonly endedBy: string };

/** A request; `amount` in the budget's unit or `amountUsd` in dollars, exactly one of them, or neither for a line. */
export type IncreaseAsk = {
	/** Absent = increase. */
	readonly kind?: "increase" | "line" | undefined;
	readonly selector: BudgetSelector;
	readonly amount?: string | undefined;
	readonly amountUsd?: string | undefined;
	/** "2026-12-01" = until the end of that day in the budget's time zone, or an instant; absent = until the window ends. */
	readonly until?: string | undefined;
	readonly reason: string;
	readonly requestedBy: string;
	readonly isByHand: boolean;
	/** Default 14 days. */
	readonly expiresInMs?: number | undefined;
};

export type IncreaseAnswer = {
	readonly id: string;
	readonly isApproval: boolean;
	/** Less than asked; absent = all of it. */
	readonly amount?: string | undefined;
	readonly amountUsd?: string | undefined;
	readonly reason: string;
	readonly decidedBy: string;
	readonly isByHand: boolean;
};

export type IncreaseWithdrawal = { readonly id: string; readonly by: string; readonly isByHand: boolean };

export type IncreaseEnding = IncreaseWithdrawal & { readonly reason: string };

export const INCREASE_ID_PATTERN = /^inc_[0-9a-f]{12}$/;
export const INCREASE_REASON_LENGTH_MAX = 200;
const PERSON_LENGTH_MAX = 100;
const DAY_MS = 86_400_000;
export const DEFAULT_EXPIRY_MS = 14 * DAY_MS;
export const SHORTEST_EXPIRY_MS = 1_000;
export const LONGEST_EXPIRY_MS = 90 * DAY_MS;
/** The one channel that proves who asks. */
const PROVEN = "administration";

export function checkIncreaseAsk(input: unknown, teamId: string): Checked<IncreaseAsk> {
	if (!isObject(input)) return notAnObject();
	const { kind, amount, amountUsd, until, expiresInMs, reason, requestedBy, via } = input;
	const dimension = teamId === ORGANIZATION_ID ? "organization" : "team";
	const selector = checkBudgetSelector(isObject(input["budget"]) ? { dimension, ...input["budget"] } : input["budget"], teamId, "budget");
	const problems = [
		...(selector.kind === "invalid" ? selector.problems : []),
		...(kind === "line" ? checkLineFields(input) : checkAmountFields(input, true)),
		...checkText("reason", reason, { minLength: 1, maxLength: INCREASE_REASON_LENGTH_MAX }),
		...checkText("requestedBy", requestedBy, { minLength: 1, maxLength: PERSON_LENGTH_MAX }),
		...checkVia(via),
	];
	if (kind !== undefined && kind !== "line" && kind !== "increase") problems.push({ field: "kind", problem: "must be increase or line" });
	if (kind !== "line" && until !== undefined && (typeof until !== "string" || readUntil(until, "UTC") === undefined))
		problems.push({ field: "until", problem: UNTIL_RULE });
	if (expiresInMs !== undefined && !isExpiry(expiresInMs))
		problems.push({ field: "expiresInMs", problem: `must be a whole number from ${SHORTEST_EXPIRY_MS} to ${LONGEST_EXPIRY_MS} (90 days)` });
	if (problems.length > 0 || selector.kind === "invalid") return { kind: "invalid", problems };
	return {
		kind: "valid",
		value: {
			kind: kind as IncreaseAsk["kind"],
			selector: selector.value,
			amount: amount as string | undefined,
			amountUsd: amountUsd as string | undefined,
			until: until as string | undefined,
			reason: reason as string,
			requestedBy: requestedBy as string,
			isByHand: via !== PROVEN,
			expiresInMs: expiresInMs as number | undefined,
		},
	};
}

export function checkIncreaseAnswer(input: unknown): Checked<IncreaseAnswer> {
	if (!isObject(input)) return notAnObject();
	const { id, decision, amount, amountUsd, reason = "", decidedBy, via } = input;
	const isApproval = decision === "approve";
	const problems = [
		...checkId(id),
		...checkText("reason", reason, { minLength: decision === "reject" ? 1 : 0, maxLength: INCREASE_REASON_LENGTH_MAX }),
		...checkText("decidedBy", decidedBy, { minLength: 1, maxLength: PERSON_LENGTH_MAX }),
		...checkVia(via),
	];
	if (!isApproval && decision !== "reject") problems.push({ field: "decision", problem: "must be approve or reject" });
	if (isApproval) problems.push(...checkAmountFields(input, false));
	else if (amount !== undefined || amountUsd !== undefined) problems.push({ field: "amount", problem: "belongs to an approval" });
	if (problems.length > 0) return { kind: "invalid", problems };
	return {
		kind: "valid",
		value: {
			id: id as string,
			isApproval,
			amount: amount as string | undefined,
			amountUsd: amountUsd as string | undefined,
			reason: reason as string,
			decidedBy: decidedBy as string,
			isByHand: via !== PROVEN,
		},
	};
}

export function checkIncreaseWithdrawal(input: unknown): Checked<IncreaseWithdrawal> {
	if (!isObject(input)) return notAnObject();
	const { id, withdrawnBy, via } = input;
	const problems = [...checkId(id), ...checkText("withdrawnBy", withdrawnBy, { minLength: 1, maxLength: PERSON_LENGTH_MAX }), ...checkVia(via)];
	if (problems.length > 0) return { kind: "invalid", problems };
	return { kind: "valid", value: { id: id as string, by: withdrawnBy as string, isByHand: via !== PROVEN } };
}

export function checkIncreaseEnding(input: unknown): Checked<IncreaseEnding> {
	if (!isObject(input)) return notAnObject();
	const { id, reason = "", endedBy, via } = input;
	const problems = [
		...checkId(id),
		...checkText("reason", reason, { minLength: 0, maxLength: INCREASE_REASON_LENGTH_MAX }),
		...checkText("endedBy", endedBy, { minLength: 1, maxLength: PERSON_LENGTH_MAX }),
		...checkVia(via),
	];
	if (problems.length > 0) return { kind: "invalid", problems };
	return { kind: "valid", value: { id: id as string, by: endedBy as string, isByHand: via !== PROVEN, reason: reason as string } };
}

/** The amount in the unit of the budget: a whole number above 0. */
export function readIncreaseAmount(
	{ amount, amountUsd }: { readonly amount?: string | undefined; readonly amountUsd?: string | undefined },
	unit: BudgetUnit,
): Checked<bigint> {
	if (amountUsd !== undefined && unit === "tokens") return invalid("amountUsd", "is for budgets in money; this one counts tokens");
	const read = amountUsd === undefined ? readLimitAmount(amount, "amount") : readLimitUsd(amountUsd, "amountUsd");
	if (read.kind === "valid" && read.value === 0n) return invalid(amountUsd === undefined ? "amount" : "amountUsd", "must be above 0");
	return read;
}

const UNTIL_RULE = "must be a date like 2026-12-01 or an instant like 2026-12-01T12:00:00Z";
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const INSTANT = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(Z|[+-]\d{2}:\d{2})$/;

/** Epoch milliseconds of an instant, or of the end of a day in `timeZone`; undefined for a text that is neither. */
export function readUntil(text: string, timeZone: string): number | undefined {
	const day = dayOf(text);
	if (day !== undefined) return startOfLocalDay(timeZone, day + 1);
	const [, date = "", hour = "", minute = "", second = "0", fraction = "0", zone = ""] = INSTANT.exec(text) ?? [];
	const dayOfInstant = dayOf(date);
	const offsetMinutes = zone === "Z" ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
	const isTime = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && Math.abs(offsetMinutes) <= 14 * 60;
	if (dayOfInstant === undefined || !isTime) return undefined;
	const minutes = Number(hour) * 60 + Number(minute) - offsetMinutes;
	return dayOfInstant * DAY_MS + minutes * 60_000 + Number(second) * 1_000 + Number(fraction.padEnd(3, "0"));
}

/** Days since 1970-01-01; undefined for a day that no calendar has. */
function dayOf(date: string): number | undefined {
	const match = DATE.exec(date);
	if (match === null) return undefined;
	const [year, month, dayOfMonth] = match.slice(1).map(Number) as [number, number, number];
	if (year < 1970 || month < 1 || month > 12 || dayOfMonth < 1) return undefined;
	const day = dayFromCivil(year, month, dayOfMonth);
	return civilFromDay(day).month === month ? day : undefined;
}

/** Fractions and signs are told apart once the unit is known; here, whether there is one amount at all. */
function checkAmountFields({ amount, amountUsd }: Record<string, unknown>, isRequired: boolean): FieldProblem[] {
	if (amount !== undefined && amountUsd !== undefined) return [{ field: "amount", problem: "is given twice, in the budget's unit and in dollars" }];
	if (amount === undefined && amountUsd === undefined)
		return isRequired ? [{ field: "amount", problem: "is missing: amountUsd in dollars, or amount in the budget's unit" }] : [];
	const field = amount === undefined ? "amountUsd" : "amount";
	const given = amount ?? amountUsd;
	return typeof given === "string" && given.length <= 40 ? [] : [{ field, problem: "must be a decimal string" }];
}

/** What is asked for is the line as it stands. */
function checkLineFields(input: Record<string, unknown>): FieldProblem[] {
	return ["amount", "amountUsd", "until"].flatMap((field) =>
		input[field] === undefined ? [] : [{ field, problem: "cannot be named: a line is passed as it stands, to the end of its window" }],
	);
}

function checkId(id: unknown): FieldProblem[] {
	return typeof id === "string" && INCREASE_ID_PATTERN.test(id) ? [] : [{ field: "id", problem: "must be the id of a request, like inc_0123456789ab" }];
}

function checkVia(via: unknown): FieldProblem[] {
	return via === undefined || via === PROVEN ? [] : [{ field: "via", problem: `must be ${PROVEN} or left out` }];
}

function checkText(field: string, value: unknown, bounds: { readonly minLength: number; readonly maxLength: number }): FieldProblem[] {
	const problem = storableTextProblem(value, bounds);
	return problem === undefined ? [] : [{ field, problem }];
}

function isExpiry(value: unknown): boolean {
	return typeof value === "number" && Number.isInteger(value) && value >= SHORTEST_EXPIRY_MS && value <= LONGEST_EXPIRY_MS;
}

function isObject(input: unknown): input is Record<string, unknown> {
	return typeof input === "object" && input !== null && !Array.isArray(input);
}

function notAnObject(): Extract<Checked<never>, { kind: "invalid" }> {
	return invalid("input", "must be an object");
}

function invalid(field: string, problem: string): { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] } {
	return { kind: "invalid", problems: [{ field, problem }] };
}
