import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { dayOfDate } from "#domain/reports/report-period.ts";

/** Days of UTC like "2026-10-31", both counted. */
export type DaySpan = { readonly from: string; readonly to: string };

/** The workflow that makes sums anew, as the administration asks it. Rejects with "governance.unreachable" when Temporal is away. */
export type SpendSums = {
	recount(days: DaySpan, by: string): Promise<{ readonly workflowId: string }>;
};

const DAYS_MAX = 400;
const DAY_MS = 86_400_000;
const ARCHIVED =
	"SELECT to_char(month, 'YYYY-MM') AS month FROM tollgate.archived_month WHERE month BETWEEN date_trunc('month', $1::date) AND $2::date ORDER BY month LIMIT 1";

/**
 * Makes the sums of spend of one day of UTC, and of its month, anew from what is counted of the ledger, in one transaction (migrations/0032). What they
 * were before, right or wrong, is gone; who asks meanwhile reads that. Done again it changes nothing. Of a large day it takes minutes.
 * @param day like "2026-10-31"; today too.
 * @throws CostControlError "admin.conflict" where its month is archived: its calls are in a file, and the sums are all that is here.
 */
export async function recountSpend(database: Queryable, day: string): Promise<void> {
	const { rows } = await database.query<{ done: boolean }>("SELECT tollgate.recount_spend($1::date) AS done", [day]);
	if (rows[0]?.done === true) return;
	throw new CostControlError("admin.conflict", `${day} cannot be counted anew: its month is archived, and its sums are all that is kept of it here`);
}

/** @throws CostControlError "admin.invalid" for days backwards, too many, or not begun; "admin.conflict" where a month of them is archived. */
export async function requireRecountable(database: Queryable, { from, to }: DaySpan, nowMs: number = Date.now()): Promise<void> {
	const [first, last] = [dayOfDate(from), dayOfDate(to)];
	const problem =
		first === undefined || last === undefined
			? "from and to are days like 2026-10-31"
			: last < first
				? `to: ${to} is before ${from}`
				: last - first >= DAYS_MAX
					? `to: at most ${DAYS_MAX} days at once`
					: last * DAY_MS > nowMs
						? `to: ${to} has not begun`
						: undefined;
	if (problem !== undefined) throw new CostControlError("admin.invalid", problem, { details: { field: problem.startsWith("to:") ? "to" : "from" } });
	const { rows } = await database.query<{ month: string }>(ARCHIVED, [from, to]);
	if (rows[0] === undefined) return;
	throw new CostControlError("admin.conflict", `${rows[0].month} is archived: its calls are in a file, and its sums are all that is kept of it here`, {
		details: { field: "from" },
	});
}
