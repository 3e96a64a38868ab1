import { closeEpoch, type EpochEnd, lumpEpoch } from "./end-epoch.ts";
import type { GatewayEpoch, SqlConnection } from "./settle-chunk.ts";

/** A gateway that is not heard of while money is pending on its leases. */
export type SilentEpoch = GatewayEpoch & { readonly silentMs: number; readonly pendingWindows: number };

export type SweepReport = {
	/** Still waited for: alert, nothing was changed. */
	readonly waiting: readonly SilentEpoch[];
	/** Ended now, as a lump or, where the epoch was closed before, by returning what a late grant left on it. */
	readonly ended: readonly (SilentEpoch & EpochEnd)[];
};

type SilentRow = { gateway_id: string; epoch: string; closed_how: string | null; silent_ms: string; pending_windows: string };

const SILENT = "SELECT gateway_id, epoch, closed_how, silent_ms, pending_windows FROM tollgate.silent_epochs()";
const GRACE_MS = 60_000;

/**
 * Leases nobody can adopt (money-path §8): pending for `maxCallMs` plus a minute after the gateway was last heard of, then
 * posted as one lump per team. Only PostgreSQL's clock counts, and only time in which PostgreSQL was up. Run by a worker,
 * in one place or several.
 */
export async function sweepSilentEpochs(sql: SqlConnection, maxCallMs: number): Promise<SweepReport> {
	const waiting: SilentEpoch[] = [];
	const ended: (SilentEpoch & EpochEnd)[] = [];
	for (const row of await sql.query<SilentRow>("silent_epochs", SILENT, [])) {
		const silent: SilentEpoch = {
			gatewayId: row.gateway_id,
			epoch: BigInt(row.epoch),
			silentMs: Number(row.silent_ms),
			pendingWindows: Number(row.pending_windows),
		};
		const isOver = row.closed_how === "adopted" || row.closed_how === "drained";
		if (isOver) ended.push({ ...silent, ...(await closeEpoch(sql, silent, "adopted")) });
		else if (silent.silentMs < maxCallMs + GRACE_MS) waiting.push(silent);
		else ended.push({ ...silent, ...(await lumpEpoch(sql, silent, { reason: "gateway_lost", silentMs: maxCallMs + GRACE_MS })) });
	}
	return { waiting, ended };
}
