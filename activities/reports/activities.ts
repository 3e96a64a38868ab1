import type { Queryable } from "#activities/keys/port.ts";
import { dayOfDate, lastFinishedPeriod, periodOfDay, type ReportKind, type ReportPeriod } from "#domain/reports/report-period.ts";
import { pulsing } from "../shared/pulsing.ts";
import { countForReports } from "./count-dear-calls.ts";
import { makeReport, requireReportable } from "./make-report.ts";
import type { ReportSettings } from "./port.ts";
import type { ModelChoice } from "./read-outlook.ts";
import { readSpendingTeams } from "./spending-teams.ts";

export type ReportActivities = ReturnType<typeof createReportActivities>;

export type ReportDependencies = {
	/** A pool: lanes write side by side. */
	readonly database: Queryable;
	readonly settings: ReportSettings;
	/** For what cheaper ones would save; absent: reports say nothing of it. */
	readonly models?: ModelChoice | undefined;
	/** Of the workflow that asks. */
	readonly workflowId: () => string | undefined;
	/** Says that an activity is alive. */
	readonly heartbeat: () => void;
	/** Epoch milliseconds of the wall clock. */
	readonly now: () => number;
};

export type PrepareReportsInput = { readonly kind: ReportKind; readonly date?: string; readonly meantAtMs: number };
export type ReportOf = { readonly kind: ReportKind; readonly date: string };
export type WriteTeamReportsInput = ReportOf & { readonly lane: number; readonly lanes: number; readonly after: string };
/** `after`: the last team that was written; null: there are no more. */
export type WriteTeamReportsResult = { readonly teams: number; readonly after: string | null };

/** Name of who wrote what a schedule asked for. */
const BY = "tollgate";
const TEAMS_AT_ONCE = 200;
const CHUNKS_AT_ONCE = 2_000;
/** What is older was written to fill a gap, and is no news: it is kept and told to nobody. */
const NEWS_FOR_MS = 604_800_000;

/** The steps of the workflow that writes reports. Each may be cut at any point and be done again. */
export function createReportActivities(dependencies: ReportDependencies) {
	return {
		prepareReports: (input: PrepareReportsInput): Promise<{ readonly date: string }> =>
			pulsing(dependencies.heartbeat, () => prepareReports(dependencies, input)),
		writeOrganizationReport: (input: ReportOf): Promise<void> => pulsing(dependencies.heartbeat, () => writeOrganization(dependencies, input)),
		writeTeamReports: (input: WriteTeamReportsInput): Promise<WriteTeamReportsResult> => pulsing(dependencies.heartbeat, () => writeTeams(dependencies, input)),
	};
}

/** Counts everything that was booked, and says which period it is. */
async function prepareReports({ database, settings }: ReportDependencies, { kind, date, meantAtMs }: PrepareReportsInput): Promise<{ readonly date: string }> {
	await countAll(database);
	const asked = date ?? lastFinishedPeriod(kind, meantAtMs, settings.timeZone).date;
	return { date: (await requireReportable({ database, settings }, { kind, date: asked })).date };
}

async function countAll(database: Queryable): Promise<void> {
	for (let isComplete = false; !isComplete; ) isComplete = await countForReports(database, CHUNKS_AT_ONCE);
}

async function writeOrganization(dependencies: ReportDependencies, of: ReportOf): Promise<void> {
	await countAll(dependencies.database);
	await writeOne(dependencies, of, undefined);
}

/** After everything is counted. */
async function writeOne(dependencies: ReportDependencies, { kind, date }: ReportOf, teamId: string | undefined): Promise<void> {
	const { database, settings, models, workflowId, now } = dependencies;
	const tell = periodOf(dependencies, { kind, date }).toMs > now() - NEWS_FOR_MS;
	await makeReport({ database, settings, models, by: BY, workflowId: workflowId(), isPrepared: true }, { kind, date, teamId, tell });
}

async function writeTeams(dependencies: ReportDependencies, { kind, date, ...page }: WriteTeamReportsInput): Promise<WriteTeamReportsResult> {
	const teams = await readSpendingTeams(dependencies.database, periodOf(dependencies, { kind, date }), { ...page, limit: TEAMS_AT_ONCE });
	if (teams.length > 0) await countAll(dependencies.database);
	for (const teamId of teams) await writeOne(dependencies, { kind, date }, teamId);
	return { teams: teams.length, after: teams.length < TEAMS_AT_ONCE ? null : (teams.at(-1) ?? null) };
}

function periodOf({ settings }: ReportDependencies, { kind, date }: ReportOf): ReportPeriod {
	return periodOfDay(kind, dayOfDate(date) ?? 0, settings.timeZone);
}
