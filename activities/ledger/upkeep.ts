import type { SqlConnection } from "./settle-chunk.ts";

/** Head of one gateway epoch's hash chain, as anchored. */
export type ChainHead = { readonly gatewayId: string; readonly epoch: bigint; readonly chunkSeq: bigint; readonly hash: string };

type WireHead = { readonly gatewayId: string; readonly epoch: string; readonly chunkSeq: string; readonly hash: string };

const MONTHS_AHEAD = 3;

/** Makes the partitions of this month and the next three. Returns how many tables are new. Run at least once a month. */
export async function ensurePartitions(sql: SqlConnection): Promise<number> {
	const rows = await sql.query<{ created: number }>("ensure_partitions", "SELECT tollgate.ensure_partitions($1) AS created", [MONTHS_AHEAD]);
	return rows[0]?.created ?? 0;
}

/** Anchors the head of every chain that can still grow, so that a cut tail is found. Run every minute. */
export async function anchorChains(sql: SqlConnection): Promise<readonly ChainHead[]> {
	const rows = await sql.query<{ heads: readonly WireHead[] }>("anchor_chains", "SELECT tollgate.anchor_chains() AS heads", []);
	return (rows[0]?.heads ?? []).map((head) => ({ ...head, epoch: BigInt(head.epoch), chunkSeq: BigInt(head.chunkSeq) }));
}
