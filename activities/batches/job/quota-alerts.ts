import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { BatchJobDependencies } from "./job-port.ts";

const TELL = "SELECT tollgate.tell_batch_quota($1, $2, $3) AS is_new";

/** The alert that an account has no money: fires once for a batch and its account while that lasts. */
export function createQuotaAlerts(sql: SqlConnection): BatchJobDependencies["tellQuota"] {
	return async ({ batchId, teamId }, refused) => {
		await sql.query("tell_batch_quota", TELL, [teamId, batchId, refused === null ? null : JSON.stringify({ batchId, ...refused })]);
	};
}
