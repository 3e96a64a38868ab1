import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { ProviderLoad } from "#domain/batching/job-pace.ts";
import type { BatchRecord } from "../port.ts";

/** What an account has of ours, of all batches and workers: what its limits count. */
const LOAD = `
	WITH account AS (
		SELECT p.batch_number, p.part, p.state, p.submit_began_at, b.id, b.deployment
		FROM tollgate.batch_part p JOIN tollgate.batch b ON b.number = p.batch_number
		WHERE p.lane = 'batch' AND split_part(b.deployment, '/', 1) = split_part($1, '/', 1)
			AND (p.submit_began_at > statement_timestamp() - interval '1 hour' OR p.state IN ('written', 'submitting', 'running'))
	), tokens AS (
		SELECT a.id = $2 AND a.part = $3 AS is_own, coalesce(sum(i.bound_input_tokens), 0) AS tokens
		FROM account a JOIN tollgate.batch_item i ON i.batch_number = a.batch_number AND i.part = a.part
		WHERE $4 AND a.deployment = $1 AND i.outcome IS NULL AND (a.state IN ('submitting', 'running') OR (a.id = $2 AND a.part = $3))
		GROUP BY 1
	)
	SELECT tollgate.to_ms(statement_timestamp()) AS now_ms,
		ARRAY(SELECT tollgate.to_ms(submit_began_at) FROM account WHERE submit_began_at IS NOT NULL AND NOT (id = $2 AND part = $3))::text[] AS submitted,
		coalesce((SELECT sum(tokens) FROM tokens WHERE NOT is_own), 0)::text AS waiting_tokens,
		coalesce((SELECT sum(tokens) FROM tokens WHERE is_own), 0)::text AS part_tokens`;

type Row = { readonly now_ms: string; readonly submitted: readonly string[]; readonly waiting_tokens: string; readonly part_tokens: string };

/** Without a part of that batch, of everything the account has. `countsTokens`: the account has a limit of them; they are not added up where it has none. */
export async function readProviderLoad(
	sql: SqlConnection,
	{ batch, part, countsTokens }: { readonly batch: Pick<BatchRecord, "batchId" | "deployment">; readonly part: number; readonly countsTokens: boolean },
): Promise<ProviderLoad> {
	const [row] = await sql.query<Row>("provider_load", LOAD, [batch.deployment, batch.batchId, part, countsTokens]);
	if (row === undefined) throw new TypeError("the load of a provider is one row");
	return {
		nowMs: Number(row.now_ms),
		submittedAtMs: row.submitted.map(Number),
		waitingTokens: Number(row.waiting_tokens),
		partTokens: Number(row.part_tokens),
	};
}
