import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { closeMonth, decideOnMonth } from "#activities/chargeback/close.ts";
import { listLines, listMonths, listStatements, readMonth } from "#activities/chargeback/read-statements.ts";
import { readRules, setRules } from "#activities/chargeback/rules.ts";
import * as contract from "#clients/statement-contract.ts";
import { statementLinesToCsv } from "#clients/statement-csv.ts";
import type { ChargebackRules } from "#domain/chargeback/rules.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { FINANCE, HANDLER, mergeLists, ofQuery, readers } from "./access.ts";
import { defineRoute, type Route, WrittenAnswer } from "./route.ts";

/** Statements of months. The name of the admin key is who closes and who decides. */
export const STATEMENT_ROUTES: readonly Route[] = [
	defineRoute("GET /statements", {
		operationId: "listStatementMonths",
		access: readers(HANDLER),
		summary: "Months with statements, the newest first",
		answer: contract.StatementMonthList,
		handle: async ({ database, teamIds }) => ({ months: await listMonths(database, teamIds) }),
	}),
	defineRoute("GET /statements/{month}", {
		operationId: "readStatements",
		access: readers(ofQuery(mergeLists("statements", { field: "teamId", isDescending: false }))),
		summary: "What each team owes for a month, page by page",
		answer: contract.StatementReport,
		query: contract.StatementQuery,
		handle: async ({ database, teamIds, workflows }, { params, query }) => {
			const name = readMonthName(params["month"]);
			await requireTeam(database, query.teamId);
			const month = await readMonth(database, name, teamIds);
			return { month, workflow: workflows.ofMonth(name), statements: await listStatements(database, { month: name, ...query }) };
		},
	}),
	defineRoute("GET /statements/{month}/lines", {
		operationId: "readStatementLines",
		access: readers(ofQuery()),
		summary: "The lines of a month's statements, page by page; as CSV with format=csv",
		answer: contract.StatementLines,
		query: contract.StatementLineQuery,
		handle: async ({ database }, { params, query: { format, ...page } }) => {
			const month = readMonthName(params["month"]);
			await requireTeam(database, page.teamId);
			await readMonth(database, month);
			const lines = (await listLines(database, { month, ...page })).map((line) => contract.StatementLine.parse(line));
			return format === "csv" ? WrittenAnswer.csv(statementLinesToCsv(month, lines, { header: page.afterTeam === undefined })) : { lines };
		},
	}),
	defineRoute("POST /statements/{month}/close", {
		operationId: "closeMonth",
		access: FINANCE,
		summary: "Draft the statements of a month that is over, and close it; where the rules say so, after approval",
		answer: contract.StatementMonth,
		handle: (context, { params }) => closeMonth(context, readMonthName(params["month"])),
	}),
	defineRoute("POST /statements/{month}/approve", {
		operationId: "approveStatements",
		access: FINANCE,
		summary: "Close a month as it is drafted",
		body: contract.DecideStatementsRequest,
		answer: contract.StatementMonth,
		handle: (context, { params, body: { reason, draft } }) =>
			decideOnMonth(context, readMonthName(params["month"]), { isApproved: true, reason, ...(draft !== undefined && { draft }) }),
	}),
	defineRoute("POST /statements/{month}/reject", {
		operationId: "rejectStatements",
		access: FINANCE,
		summary: "Keep a month open; closing it makes another draft",
		body: contract.DecideStatementsRequest,
		answer: contract.StatementMonth,
		handle: (context, { params, body: { reason, draft } }) =>
			decideOnMonth(context, readMonthName(params["month"]), { isApproved: false, reason, ...(draft !== undefined && { draft }) }),
	}),
	defineRoute("GET /chargeback-rules", {
		operationId: "readChargebackRules",
		access: readers(null),
		summary: "How months are charged back from now on",
		answer: contract.RulesInForce,
		handle: async ({ database }) => contract.RulesInForce.parse(await readRules(database)),
	}),
	defineRoute("PUT /chargeback-rules", {
		operationId: "setChargebackRules",
		access: FINANCE,
		summary: "Set how months are charged back from now on, as a whole; closed months stay as they are",
		body: contract.ChargebackRules,
		answer: contract.RulesInForce,
		handle: async ({ database, adminName }, { body }) => contract.RulesInForce.parse(await setRules(database, body as ChargebackRules, adminName)),
	}),
];

function readMonthName(text = ""): string {
	const read = contract.month.safeParse(text);
	if (read.success) return read.data;
	throw new CostControlError("admin.invalid", `month: ${JSON.stringify(text.slice(0, 40))} is no month like 2026-10`, { details: { field: "month" } });
}

/** What nobody stands for has statements too. */
async function requireTeam(database: Parameters<typeof requireKnownTeam>[0], teamId: string | undefined): Promise<void> {
	if (teamId !== "@unknown" && teamId !== "@organization") await requireKnownTeam(database, teamId);
}
