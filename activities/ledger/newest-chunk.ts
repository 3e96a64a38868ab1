import type { GatewayEpoch, SqlConnection } from "./settle-chunk.ts";

/** An attempt of the chunk that the ledger took last of an epoch. */
export type BookedAttempt = {
	/** Its number in the epoch. */
	readonly n: number;
	/** Charged by a replay because the journal had no outcome of it. */
	readonly isChargedByReplay: boolean;
};

const NEWEST = `
	SELECT split_part(a.attempt_id, '-', 3)::int AS n, a.outcome = 'unresolved' AND a.reason = 'crash' AS is_charged_by_replay
	FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.entry_key AND a.at = e.at
	WHERE e.gateway_id = $1 AND e.epoch = $2 AND e.chunk_seq = tollgate.next_chunk_seq($1, $2) - 1`;

/** Attempts of the newest chunk; none where the ledger has no chunk of the epoch. */
export async function readNewestChunk(sql: SqlConnection, { gatewayId, epoch }: GatewayEpoch): Promise<readonly BookedAttempt[]> {
	const rows = await sql.query<{ n: number; is_charged_by_replay: boolean }>("newest_chunk", NEWEST, [gatewayId, epoch.toString()]);
	return rows.map((row) => ({ n: row.n, isChargedByReplay: row.is_charged_by_replay }));
}
