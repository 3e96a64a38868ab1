import { ActivityFailure, ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import { prepareReports, writeOrganizationReport, writeTeamReports } from "../shared/activity-proxies.ts";
import { plain } from "../shared/details-text.ts";
import type { ReportInput, ReportResult } from "./messages.ts";

/**
 * Writes and tells the reports of one period: the organisation's, then those of the teams that spent something. It carries names and counts alone; every step
 * finds what was written before and goes on. Of which period, the time says at which the schedule meant it to begin, however late it does.
 */
const LANES = 4;
const TEXT_SHOWN_MAX = 300;

const scheduledStart = defineSearchAttributeKey("TemporalScheduledStartTime", SearchAttributeType.DATETIME);

export async function reportWorkflow(input: ReportInput): Promise<ReportResult> {
	const progress = new Progress(input);
	const { kind } = input;
	const meantAtMs = (workflowInfo().typedSearchAttributes.get(scheduledStart) ?? workflowInfo().startTime).getTime();
	try {
		const { date } = await prepareReports({ kind, meantAtMs, ...(input.date !== undefined && { date: input.date }) });
		progress.begin(date);
		await writeOrganizationReport({ kind, date });
		await Promise.all(Array.from({ length: LANES }, (_, lane) => writeLane({ kind, date, lane }, progress)));
		return progress.end({ date, teams: progress.teams });
	} catch (error) {
		const problem = nothingToReport(error);
		if (problem === undefined) throw error;
		return progress.end({ date: null, teams: 0, problem });
	}
}

/** Teams by id, some hundred at a time. */
async function writeLane(of: { readonly kind: ReportInput["kind"]; readonly date: string; readonly lane: number }, progress: Progress): Promise<void> {
	let after: string | null = "";
	while (after !== null) {
		const written: { readonly teams: number; readonly after: string | null } = await writeTeamReports({ ...of, lanes: LANES, after });
		progress.add(written.teams);
		after = written.after;
	}
}

/** A period before the first booking is no failure of anybody's. */
function nothingToReport(error: unknown): string | undefined {
	if (!(error instanceof ActivityFailure) || !(error.cause instanceof ApplicationFailure)) return undefined;
	return error.cause.type === "admin.invalid" ? error.cause.message : undefined;
}

/** What the operator reads in the Temporal UI. */
class Progress {
	teams = 0;
	private readonly input: ReportInput;
	private date: string | undefined;

	constructor(input: ReportInput) {
		this.input = input;
		this.show("The books are counted.");
	}

	begin(date: string): void {
		this.date = date;
		this.show("The organisation's report is written.");
	}

	add(teams: number): void {
		this.teams += teams;
		this.show(`Reports of ${this.teams} teams are written so far.`);
	}

	end(result: ReportResult): ReportResult {
		this.show(
			result.problem === undefined ? `Done: the organisation and ${result.teams} teams.` : `Nothing to report: ${plain(result.problem, TEXT_SHOWN_MAX)}`,
		);
		return result;
	}

	private show(text: string): void {
		const { kind } = this.input;
		const shown = this.date === undefined ? "" : `\n\n\`npx tollgate report show ${kind}-${this.date}\``;
		setCurrentDetails(`## Report, ${kind}${this.date === undefined ? "" : ` from ${this.date}`}\n\n${text}${shown}`);
	}
}
