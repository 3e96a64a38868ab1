import { requireKnownTeam } from "#activities/administration/read-teams.ts";
import { auditModels } from "#activities/audit/audit-models.ts";
import * as contract from "#clients/audit-contract.ts";
import { auditToCsv } from "#clients/audit-csv.ts";
import { readCheaperModels } from "#config/cheaper-models.ts";
import { isSimpleTask, TASK_KINDS } from "#domain/audit/task-kind.ts";
import { ofQuery, readers } from "./access.ts";
import { defineRoute, type Route, WrittenAnswer } from "./route.ts";

/** Which calls a cheaper model would serve. */
export const AUDIT_ROUTES: readonly Route[] = [
	defineRoute("GET /audit", {
		operationId: "auditModels",
		access: readers(ofQuery()),
		summary: "Which calls of each feature a cheaper model would serve, and what that would save; as CSV with format=csv",
		answer: contract.ModelAudit,
		query: contract.AuditQuery,
		handle: async ({ database, providers, readPrices }, { query }) => {
			const { format, cheaper = {}, ...question } = query;
			await requireKnownTeam(database, question.teamId);
			const { book } = await readPrices();
			const audit = await auditModels({ database, book, providers, asked: cheaper, table: readCheaperModels() }, question);
			const report = {
				...audit,
				criteria: Object.entries(TASK_KINDS).map(([taskKind, kind]) => ({ taskKind, ...kind })),
				uses: audit.uses.map(({ kinds, cheaper: found, ...use }) => ({
					...use,
					kinds: kinds.map((kind) => ({ ...kind, isSimple: kind.taskKind !== null && isSimpleTask(kind.taskKind) })),
					...(found && { cheaper: toWire(found) }),
				})),
				monthlySavingNanoUsd: audit.uses.reduce((sum, { cheaper: found }) => sum + (found?.isRecommended ? found.monthly.expectedNanoUsd : 0n), 0n).toString(),
			};
			return format === "csv" ? WrittenAnswer.csv(auditToCsv(report)) : report;
		},
	}),
];

type Found = NonNullable<Awaited<ReturnType<typeof auditModels>>["uses"][number]["cheaper"]>;

function toWire({ costNanoUsd, cheaperNanoUsd, savedNanoUsd, monthly, ...rest }: Found) {
	const { expectedNanoUsd, lowNanoUsd, highNanoUsd } = monthly;
	return {
		...rest,
		costNanoUsd: costNanoUsd.toString(),
		cheaperNanoUsd: cheaperNanoUsd.toString(),
		savedNanoUsd: savedNanoUsd.toString(),
		monthly: { expectedNanoUsd: expectedNanoUsd.toString(), lowNanoUsd: lowNanoUsd.toString(), highNanoUsd: highNanoUsd.toString() },
	};
}
