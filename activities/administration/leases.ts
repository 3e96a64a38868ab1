import type { Queryable } from "#activities/keys/port.ts";
import { readLimitUsd } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** Money a gateway holds of one budget window; amounts in the unit of the budget. */
export type LeaseView = {
	readonly gatewayId: string;
	readonly epoch: string;
	readonly teamId: string;
	readonly budget: string;
	readonly unit: string;
	readonly grantedAmount: string;
	readonly returnedAmount: string;
	readonly postedAmount: string;
	/** Granted, neither posted nor returned. */
	readonly pendingAmount: string;
	readonly overrunAmount: string;
	/** null for the pseudo gateways "opening" and "verify", and for a batch, which is never silent. */
	readonly silentMs: number | null;
	/** null = still open; else drained, adopted, lump or resolved. */
	readonly closedHow: string | null;
};

const LEASES = `
	SELECT l.gateway_id AS "gatewayId", l.epoch, coalesce(b.team_id, '@organization') AS "teamId",
	       concat_ws(' ', b.dimension, nullif(b.dimension_value, '')) || ', ' || b.window_kind AS budget, b.unit,
	       l.granted AS "grantedAmount", l.returned AS "returnedAmount", l.posted AS "postedAmount", (l.granted - l.returned - l.posted)::text AS "pendingAmount", l.overrun AS "overrunAmount",
	       CASE g.kind WHEN 'gateway' THEN floor(extract(epoch FROM clock_timestamp() - g.last_seen_at) * 1000)::float8 END AS "silentMs", g.closed_how AS "closedHow"
	FROM tollgate.lease l
	JOIN tollgate.budget_window w ON w.id = l.window_id
	JOIN tollgate.budget b ON b.id = w.budget_id
	LEFT JOIN tollgate.gateway_epoch g ON g.gateway_id = l.gateway_id AND g.epoch = l.epoch
	WHERE $1 OR l.granted - l.returned - l.posted > 0
	ORDER BY l.gateway_id, l.epoch, l.window_id
	LIMIT 5000`;

/** Leases that hold money; with `isAll` every lease, 5,000 at most. */
export async function listLeases(database: Queryable, filter: { readonly isAll: boolean }): Promise<LeaseView[]> {
	return (await database.query<LeaseView>(LEASES, [filter.isAll])).rows;
}

export type LeaseResolution = {
	readonly gatewayId: string;
	readonly epoch: string;
	/** What the calls of this epoch that nobody can name really cost, in dollars; "0" gives everything back. */
	readonly spentUsd: string;
};

/** What of the epoch's unnamed charges remains, as entries. */
export type ResolvedLease = {
	readonly gatewayId: string;
	readonly epoch: string;
	readonly lumps: readonly { readonly entryKey: string; readonly amountNanoUsd: string }[];
};

const EPOCH = `
	SELECT kind, closed_how, last_seen_at > clock_timestamp() - interval '60 seconds' AND closed_at IS NULL AS is_alive
	FROM tollgate.gateway_epoch WHERE gateway_id = $1 AND epoch = $2`;
const END_AS_LUMP = "SELECT tollgate.lump_epoch($1, $2, $3)";
const LUMP_KEYS = "SELECT entry_key FROM tollgate.entry WHERE kind = 'lump' AND gateway_id = $1 AND epoch = $2 ORDER BY entry_key";
const REDUCE = "SELECT tollgate.reduce_lump($1, $2, $3, $4)";
const REMAINING = `
	SELECT coalesce(detail->>'lump', entry_key) AS "entryKey", sum(amount_nano_usd)::text AS "amountNanoUsd" FROM tollgate.entry
	WHERE gateway_id = $1 AND epoch = $2 AND attempt_id IS NULL AND kind IN ('lump', 'adjustment') GROUP BY 1 ORDER BY 1`;
const RECORD = "SELECT tollgate.record_change('lease', $1, $2, $3)";

/**
 * Ends an epoch that a person knows to be over: what is left on its leases becomes a lump, and the lump goes
 * down to what was really spent. Several teams' lumps are each brought to at most that amount.
 * @throws CostControlError "admin.not_found", "admin.conflict" while the gateway lives or for a batch, "admin.invalid" for the amount.
 */
export async function resolveLease(database: Queryable, resolution: LeaseResolution, adminName: string): Promise<ResolvedLease> {
	const spent = readLimitUsd(resolution.spentUsd, "spent");
	if (spent.kind === "invalid") throw new CostControlError("admin.invalid", `spent: ${spent.problems[0]?.problem}`, { details: { field: "spent" } });
	const { gatewayId, epoch } = resolution;
	const state = (await database.query<{ kind: "gateway" | "batch"; closed_how: string | null; is_alive: boolean }>(EPOCH, [gatewayId, epoch])).rows[0];
	if (!state) throw new CostControlError("admin.not_found", `There is no gateway epoch ${gatewayId}/${epoch}.`);
	if (state.kind === "batch")
		throw new CostControlError("admin.conflict", `${gatewayId} is a batch, whose items can be named: cancel it, and what it holds comes back with its end.`);
	if (state.is_alive)
		throw new CostControlError("admin.conflict", `Gateway ${gatewayId}/${epoch} was heard of within the last 60 s: stop it, or let it finish its calls.`);
	if (state.closed_how !== "drained" && state.closed_how !== "adopted") await database.query(END_AS_LUMP, [gatewayId, epoch, `resolved by ${adminName}`]);
	const lumps = (await database.query<{ entry_key: string }>(LUMP_KEYS, [gatewayId, epoch])).rows;
	for (const lump of lumps) await database.query(REDUCE, [lump.entry_key, spent.value.toString(), "lease resolve", adminName]);
	await database.query(RECORD, [`${gatewayId}/${epoch}`, adminName, JSON.stringify({ action: "resolved", spentNanoUsd: spent.value.toString() })]);
	const remaining = await database.query<{ entryKey: string; amountNanoUsd: string }>(REMAINING, [gatewayId, epoch]);
	return { gatewayId, epoch, lumps: remaining.rows };
}
