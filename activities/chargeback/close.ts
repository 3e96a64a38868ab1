import { setTimeout as delay } from "node:timers/promises";
import type { Queryable } from "#activities/keys/port.ts";
import { monthSpan } from "#domain/chargeback/month.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { findMonth, type MonthView, readMonth } from "./read-statements.ts";
import { readRules } from "./rules.ts";

/** The workflows of months, as the administration asks them. Rejects within its own deadline with "governance.unreachable" when Temporal is away. */
export type Months = {
	close(month: string, by: string): Promise<void>;
	approve(month: string, input: Decision): Promise<unknown>;
	reject(month: string, input: Decision): Promise<unknown>;
};

export type Decision = { readonly by: string; readonly reason: string; readonly draft?: number };
export type MonthAdministration = { readonly database: Queryable; readonly months?: Months | undefined; readonly adminName: string };

/** Calls of its last moments are booked by then. */
const SETTLED_AFTER_MS = 3_600_000;
/** Most months are stated within it; of a large one the rest is looked at later. */
const SHOWN_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

/**
 * Begins the close of a month: its statements are drafted, and where the rules say so, wait for approval. Resolves with how it then stands.
 * @throws CostControlError "admin.conflict" for a month that is closed; "admin.invalid" for one that is not over.
 */
export async function closeMonth(administration: MonthAdministration, month: string): Promise<MonthView> {
	const { database, adminName } = administration;
	const before = await findMonth(database, month);
	if (before?.state === "closed") throw closedAlready(before);
	const endsAtMs = before === undefined ? monthSpan(month, (await readRules(database)).rules.timeZone).endsAtMs : Date.parse(before.endsAt);
	if (Date.now() < endsAtMs + SETTLED_AFTER_MS) {
		const from = new Date(endsAtMs + SETTLED_AFTER_MS).toISOString();
		throw new CostControlError("admin.invalid", `month: ${month} is not over: it can be closed from ${from} on`, { details: { field: "month" } });
	}
	await monthsOf(administration).close(month, adminName);
	return (await shown(database, month, (now) => now.draft > (before?.draft ?? 0) && now.state !== "drafting")) ?? readMonth(database, month);
}

/** @throws CostControlError "admin.not_found" for a month without statements; "admin.conflict" for one that does not wait, or that is closed. */
export async function decideOnMonth(
	administration: MonthAdministration,
	month: string,
	decision: { readonly isApproved: boolean } & Omit<Decision, "by">,
): Promise<MonthView> {
	const { database, adminName } = administration;
	const before = await readMonth(database, month);
	if (before.state === "closed") throw closedAlready(before);
	const { isApproved, ...rest } = decision;
	const months = monthsOf(administration);
	await (isApproved ? months.approve(month, { by: adminName, ...rest }) : months.reject(month, { by: adminName, ...rest }));
	return (await shown(database, month, ({ state }) => state !== "drafted")) ?? readMonth(database, month);
}

/** How the month stands once it is so, or after a while; undefined: PostgreSQL knows nothing of it yet. */
async function shown(database: Queryable, month: string, isDone: (now: MonthView) => boolean): Promise<MonthView | undefined> {
	const deadline = performance.now() + SHOWN_WITHIN_MS;
	for (;;) {
		const now = await findMonth(database, month);
		if ((now !== undefined && isDone(now)) || performance.now() > deadline) return now;
		await delay(LOOK_EVERY_MS);
	}
}

function monthsOf({ months }: MonthAdministration): Months {
	if (months === undefined) throw new CostControlError("governance.unreachable", "months cannot be closed here: this process has no Temporal");
	return months;
}

function closedAlready({ month, closedAt, decidedBy }: MonthView): CostControlError {
	const by = decidedBy === null ? "" : `, approved by ${decidedBy}`;
	return new CostControlError(
		"admin.conflict",
		`month ${month} is closed since ${closedAt}${by}: it never changes; what is booked later is an adjustment of the open month`,
	);
}
