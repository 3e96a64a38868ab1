import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { BatchJobDependencies } from "./job-port.ts";

const RAISE = "SELECT tollgate.raise_alert($1, $2, $3, $4, 'warning', false, $5) AS is_new";

/** Alerts of batches: notices, each made once by its key. */
export function createBatchAlerts(sql: SqlConnection): BatchJobDependencies["raise"] {
	return async ({ kind, batch, of, detail }) => {
		const key = [kind, batch.batchId, ...(of === undefined ? [] : [of])].join("|");
		await sql.query("raise_batch_alert", RAISE, [key, batch.teamId, `batch/${batch.batchId}`, kind, JSON.stringify({ batchId: batch.batchId, ...detail })]);
	};
}
