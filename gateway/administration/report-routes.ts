import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { teamsOfReport } from "#activities/administration/teams-of.ts";
import { makeReport } from "#activities/reports/make-report.ts";
import type { ReportSummary } from "#activities/reports/port.ts";
import { listReports, readReport } from "#activities/reports/stored-reports.ts";
import * as contract from "#clients/report-contract.ts";
import { readCheaperModels } from "#config/cheaper-models.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { renderHtml } from "#domain/reports/rendering/render-html.ts";
import { renderMarkdown } from "#domain/reports/rendering/render-markdown.ts";
import { reportToWire } from "#domain/reports/report-codec.ts";
import { FINANCE, mergeLists, ofQuery, owned, readers } from "./access.ts";
import { defineRoute, type Route, WrittenAnswer } from "./route.ts";

/** As many uncounted chunks of the ledger somebody waits for who asks by HTTP; the worker counts the others. */
const CHUNKS_WAITED_FOR = 1_000;

/** Reports of what is over. */
export const REPORT_ROUTES: readonly Route[] = [
	defineRoute("GET /reports", {
		operationId: "listReports",
		access: readers(ofQuery(mergeLists("reports", { field: "date", isDescending: true }))),
		summary: "Reports that were written, the newest period first",
		answer: contract.ReportList,
		query: contract.ReportListQuery,
		handle: async ({ database }, { query }) => {
			if (query.teamId !== ORGANIZATION_ID) await requireKnownTeam(database, query.teamId);
			return { reports: (await listReports(database, query)).map(toSummary) };
		},
	}),
	defineRoute("POST /reports", {
		operationId: "makeReport",
		access: FINANCE,
		summary: "Write the report of a day, week or month that is over; one that was written before is given back as it is",
		body: contract.MakeReportRequest,
		answer: contract.MadeReport,
		handle: async ({ database, reports: settings, providers, adminName: by }, { body }) => {
			await requireKnownTeam(database, body.teamId);
			const { stored, isNew, isTold } = await makeReport(
				{ database, settings, models: { providers, table: readCheaperModels() }, by, chunksMax: CHUNKS_WAITED_FOR },
				body,
			);
			return { ...toSummary(stored), isNew, isTold };
		},
	}),
	defineRoute("GET /reports/{reportId}", {
		operationId: "readReport",
		access: readers(owned("reportId", teamsOfReport)),
		summary: "One report, as data, as a page with format=html, or as Markdown with format=markdown",
		answer: contract.StoredReport,
		query: contract.ReportQuery,
		handle: async ({ database, workflows }, { params, query }) => {
			const { report, workflowId, ...summary } = await readReport(database, params["reportId"] ?? "", query.edition);
			if (query.format === "html") return WrittenAnswer.html(renderHtml(report));
			if (query.format === "markdown") return WrittenAnswer.markdown(renderMarkdown(report));
			return WrittenAnswer.json({ ...toSummary(summary), workflow: workflowId && workflows.of(workflowId) }, { report: JSON.stringify(reportToWire(report)) });
		},
	}),
];

function toSummary({ id, kind, date, teamId, edition, writtenAtMs, writtenBy, spentNanoUsd }: ReportSummary) {
	return { id, kind, date, teamId, edition, writtenAt: formatInstant(writtenAtMs), writtenBy, spentNanoUsd };
}
