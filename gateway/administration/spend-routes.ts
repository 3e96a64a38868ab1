import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { readUserNames } from "#activities/administration/users.ts";
import { readSpend } from "#activities/spend/read-spend.ts";
import { requireRecountable } from "#activities/spend/recount-spend.ts";
import * as contract from "#clients/spend-contract.ts";
import { spendToCsv } from "#clients/spend-csv.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { ofQuery, operators, readers } from "./access.ts";
import { defineRoute, type Route, type RouteContext, WrittenAnswer } from "./route.ts";

/** What was spent. */
export const SPEND_ROUTES: readonly Route[] = [
	defineRoute("GET /spend", {
		operationId: "readSpend",
		access: readers(ofQuery()),
		summary: "What was spent, by dimensions and periods; as CSV with format=csv",
		answer: contract.SpendReport,
		query: contract.SpendQuery,
		handle: async ({ database }, { query }) => {
			const { by = query.per === undefined ? ["team" as const] : [], per, from, to, format, teamId, userId, keyId, runId, batchId, ...others } = query;
			await requireKnownTeam(database, teamId);
			const only = { team: teamId, user: userId, key: keyId, run: runId, batch: batchId, ...others };
			const { rows, isComplete } = await readSpend(database, { by, per, from, to, only });
			const names = await readNames(
				database,
				rows.flatMap(({ groups }) => groups.user ?? []),
			);
			const report = {
				by: [...by],
				per: per ?? null,
				rows: rows.map((row) => ({ ...row, groups: { ...row.groups }, ...names(row.groups.user) })),
				totalNanoUsd: rows.reduce((sum, row) => sum + BigInt(row.costNanoUsd), 0n).toString(),
				isComplete,
			};
			return format === "csv" ? WrittenAnswer.csv(spendToCsv(report)) : report;
		},
	}),
	defineRoute("POST /spend/recounts", {
		operationId: "recountSpend",
		access: operators(),
		summary: "Make the sums of past days anew from the ledger, where verify says that they are not its entries'",
		body: contract.RecountRequest,
		answer: contract.Recount,
		status: 201,
		handle: async ({ database, spendSums, adminName }, { body: { from, to = from } }) => {
			await requireRecountable(database, { from, to });
			if (spendSums === undefined) throw new CostControlError("governance.unreachable", "sums cannot be made anew here: this process has no Temporal");
			return { from, to, ...(await spendSums.recount({ from, to }, adminName)) };
		},
	}),
];

async function readNames(database: RouteContext["database"], users: readonly string[]): Promise<(user: string | null | undefined) => { userName?: string }> {
	const names = users.length === 0 ? new Map<string, string>() : await readUserNames(database, [...new Set(users)]);
	return (user) => {
		const userName = user === null || user === undefined ? undefined : names.get(user);
		return userName === undefined ? {} : { userName };
	};
}
