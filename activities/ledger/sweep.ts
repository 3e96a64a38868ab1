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

type SilentRow = {
	gateway_id: string;
	epoch: string;
	closed_how: string | null;
	silent_ms: string;
	pending_windows: string;
	is_past_its_time: boolean;
	longest_call_ms: string;
};

const SILENT = `
	SELECT s.*, l.ms AS longest_call_ms
	FROM (SELECT tollgate.longest_call_ms($1) AS ms) l CROSS JOIN LATERAL tollgate.silent_epochs(l.ms) s`;
const GRACE_MS = 60_000;

/**
 * Leases nobody can adopt (money-path §8): pending for the longest call that any policy allows, `defaultCallMs` at least,
 * plus a minute after the gateway was last heard of, then posted as one lump per team. Only PostgreSQL's clock counts, and
 * only time in which PostgreSQL was up. Run by a worker, in one place or several.
 */
export async function sweepSilentEpochs(sql: SqlConnection, defaultCallMs: number): Promise<SweepReport> {
	const waiting: SilentEpoch[] = [];
	const ended: (SilentEpoch & EpochEnd)[] = [];
	for (const row of await sql.query<SilentRow>("silent_epochs", SILENT, [defaultCallMs])) {
		const silent: SilentEpoch = {
			gatewayId: row.gateway_id,
			epoch: BigInt(row.epoch),
			silentMs: Number(row.silent_ms),
			pendingWindows: Number(row.pending_windows),
		};
		const isOver = row.closed_how === "adopted" || row.closed_how === "drained";
		if (isOver) ended.push({ ...silent, ...(await closeEpoch(sql, silent, "adopted")) });
		else if (!row.is_past_its_time) waiting.push(silent);
		else ended.push({ ...silent, ...(await lumpEpoch(sql, silent, { reason: "gateway_lost", silentMs: Number(row.longest_call_ms) + GRACE_MS })) });
	}
	return { waiting, ended };
}
