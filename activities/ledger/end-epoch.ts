import type { GatewayEpoch, SqlConnection } from "./settle-chunk.ts";

export type ClosedHow = "drained" | "adopted" | "lump" | "resolved";

/** Money given back to a window; amounts in its unit. */
export type ReturnedMoney = { readonly windowId: string; readonly amount: bigint };

/** What was charged for calls nobody can name. `teamId` null = the organisation's own leases. `windows`: window id → amount posted there. */
export type Lump = {
	readonly entryKey: string;
	readonly teamId: string | null;
	readonly amountNanoUsd: bigint;
	readonly windows: Readonly<Record<string, string>>;
};

/** `closedHow` null: no such epoch, or (for a lump) the gateway was heard of in time and nothing was done. */
export type EpochEnd = { readonly closedHow: ClosedHow | null; readonly returned: readonly ReturnedMoney[]; readonly lumps: readonly Lump[] };

type WireEnd = {
	readonly closedHow: ClosedHow | null;
	readonly returned?: readonly { readonly windowId: string; readonly amount: string }[];
	readonly lumps?: readonly (Omit<Lump, "amountNanoUsd"> & { readonly amountNanoUsd: string })[];
};

const ADOPT = "SELECT tollgate.adopt_epoch($1, $2, $3) AS reply";
const LUMP = "SELECT tollgate.lump_epoch($1, $2, $3, $4) AS reply";

/** Ends an epoch whose attempts are all flushed: its idle rest goes back and it is closed. May be repeated. */
export async function closeEpoch(sql: SqlConnection, { gatewayId, epoch }: GatewayEpoch, how: "drained" | "adopted"): Promise<EpochEnd> {
	return parseEnd(await sql.query("adopt_epoch", ADOPT, [gatewayId, epoch.toString(), how]));
}

/**
 * Ends an epoch nobody can account for: all that is left on its leases is posted, one `lump` entry per team.
 * With `silentMs` nothing happens unless the gateway was not heard of for so long.
 */
export async function lumpEpoch(
	sql: SqlConnection,
	{ gatewayId, epoch }: GatewayEpoch,
	why: { readonly reason: string; readonly silentMs?: number },
): Promise<EpochEnd> {
	return parseEnd(await sql.query("lump_epoch", LUMP, [gatewayId, epoch.toString(), why.reason, why.silentMs ?? null]));
}

function parseEnd(rows: readonly { readonly reply?: WireEnd }[]): EpochEnd {
	const reply = rows[0]?.reply;
	if (!reply) throw new Error("the function that ends an epoch returned no row");
	return {
		closedHow: reply.closedHow,
		returned: (reply.returned ?? []).map((item) => ({ windowId: item.windowId, amount: BigInt(item.amount) })),
		lumps: (reply.lumps ?? []).map((lump) => ({ ...lump, amountNanoUsd: BigInt(lump.amountNanoUsd) })),
	};
}
