import type { Queryable } from "#activities/keys/port.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { reportMessage } from "#domain/reports/report-message.ts";
import {
	beforeBookingsProblem,
	dayOfDate,
	lastFinishedPeriod,
	periodOfDay,
	type ReportKind,
	type ReportPeriod,
	unfinishedProblem,
} from "#domain/reports/report-period.ts";
import { writeReport } from "#domain/reports/write-report.ts";
import { countForReports } from "./count-dear-calls.ts";
import { gatherFacts, readFirstBooking } from "./gather-facts.ts";
import type { MadeReport, ReportRequest, ReportSettings } from "./port.ts";
import { type ModelChoice, readOutlook } from "./read-outlook.ts";
import { findReport, storeReport } from "./stored-reports.ts";

/** Ten years of days, weeks or months. */
const OLDEST_DAYS = 3_653;

export type ReportMaker = {
	readonly database: Queryable;
	readonly settings: ReportSettings;
	/** For what cheaper ones would save; absent: a report says nothing of it. */
	readonly models?: ModelChoice | undefined;
	/** Name of who asks. */
	readonly by: string;
	/** Of the workflow that writes it; absent: no workflow does. */
	readonly workflowId?: string | undefined;
	/** How many uncounted chunks of the ledger are waited for; default all. */
	readonly chunksMax?: number;
	/** What was booked is counted a moment ago, and something was before the period's end: of thousands of reports that is found out once. Default false. */
	readonly isPrepared?: boolean;
};

/**
 * Writes a report, keeps it, and tells of it where that is asked for. One that was written before is given back as it is, unless it is asked for again; then
 * it is another edition where it says something else. Safe to be cut anywhere and done again, and in several places at once.
 * @throws CostControlError "admin.invalid" for a period that is not over, was never, or is before the first booking; "authority.unreachable" while the newest
 *   bookings are being counted.
 */
export async function makeReport(maker: ReportMaker, request: ReportRequest): Promise<MadeReport> {
	const { database } = maker;
	const period = await findFinishedPeriod(maker, request);
	const name = { kind: period.kind, date: period.date, teamId: request.teamId ?? null };
	const before = request.again === true ? undefined : await findReport(database, name);
	const isNew = before === undefined ? await writeAndStore(maker, period, request) : false;
	const stored = before ?? (await findReport(database, name));
	if (stored === undefined) throw new Error(`the report ${period.kind} ${period.date} was kept and is not there`);
	const isTold = request.tell === true ? await tellReport(database, stored.report) : false;
	return { stored, isNew, isTold };
}

async function writeAndStore(maker: ReportMaker, period: ReportPeriod, { teamId = null, again = false }: WriteRequest): Promise<boolean> {
	const { database, by, models, workflowId = null, isPrepared = false } = maker;
	if (!isPrepared) await prepare(maker, period);
	const facts = await gatherFacts(database, { period, teamId });
	if (facts.firstBookedMs === null) throw invalid("teamId", `nothing was booked for team ${teamId ?? ""} yet: there is nothing to report`);
	const outlook = await readOutlook({ database, models }, { period, teamId });
	const spentNanoUsd = facts.totals[0]?.nanoUsd ?? 0n;
	const { isNew } = await storeReport(database, writeReport({ ...facts, ...outlook }), { by, spentNanoUsd, again, workflowId });
	return isNew;
}

async function prepare({ database, chunksMax }: ReportMaker, period: ReportPeriod): Promise<void> {
	if (!(await countForReports(database, chunksMax)))
		throw new CostControlError("authority.unreachable", "The newest bookings are still being counted. Ask again in a moment.");
	await requireBooked(database, period);
}

type WriteRequest = { readonly teamId?: string | null | undefined; readonly again?: boolean | undefined };

/** Once of each report, however often it is asked for. */
async function tellReport(database: Queryable, report: MadeReport["stored"]["report"]): Promise<boolean> {
	const values = [report.kind, report.date, report.teamId ?? ORGANIZATION_ID, JSON.stringify(reportMessage(report))];
	const { rows } = await database.query<{ isTold: boolean }>('SELECT tollgate.tell_report($1, $2, $3, $4) AS "isTold"', values);
	return rows[0]?.isTold === true;
}

/** The period that is asked for, where it is over and something was booked before its end; what was booked is counted before. @throws CostControlError "admin.invalid". */
export async function requireReportable(maker: Pick<ReportMaker, "database" | "settings">, request: ReportRequest): Promise<ReportPeriod> {
	const period = await findFinishedPeriod(maker, request);
	await requireBooked(maker.database, period);
	return period;
}

async function requireBooked(database: Queryable, period: ReportPeriod): Promise<void> {
	const problem = beforeBookingsProblem(period, await readFirstBooking(database, null));
	if (problem !== undefined) throw invalid("date", problem);
}

/** The period that is asked for, where it is over by PostgreSQL's clock. @throws CostControlError "admin.invalid". */
async function findFinishedPeriod(
	{ database, settings: { timeZone } }: Pick<ReportMaker, "database" | "settings">,
	{ kind, date }: ReportRequest,
): Promise<ReportPeriod> {
	const nowMs = await readClock(database);
	const period = date === undefined ? lastFinishedPeriod(kind, nowMs, timeZone) : periodOfDate(kind, date, { timeZone, nowMs });
	const problem = unfinishedProblem(period, nowMs);
	if (problem !== undefined) throw invalid("date", problem);
	return period;
}

function periodOfDate(kind: ReportKind, date: string, { timeZone, nowMs }: { readonly timeZone: string; readonly nowMs: number }): ReportPeriod {
	const day = dayOfDate(date);
	if (day === undefined) throw invalid("date", `${JSON.stringify(date.slice(0, 40))} is no day like 2026-11-26`);
	const today = lastFinishedPeriod("daily", nowMs, timeZone).endDay;
	if (day < today - OLDEST_DAYS) throw invalid("date", `${date} is more than ten years ago`);
	// Far ahead calendars are anybody's guess; whether it is over is judged by the caller.
	if (day > today) throw invalid("date", `${date} is in the future in ${timeZone}: a report tells of what is over`);
	return periodOfDay(kind, day, timeZone);
}

async function readClock(database: Queryable): Promise<number> {
	const { rows } = await database.query<{ now: number }>("SELECT tollgate.to_ms(clock_timestamp())::float8 AS now");
	return rows[0]?.now ?? 0;
}

function invalid(field: string, problem: string): CostControlError {
	return new CostControlError("admin.invalid", `${field}: ${problem}`, { details: { field } });
}
