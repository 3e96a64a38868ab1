import type { ClientBase } from "pg";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { CALLS_WITH_CHARGES, type CallRow, costOfCall } from "./judge-provider-log.ts";
import { PriceLines } from "./price-lines.ts";
import { loadProviderLog, type ProviderLog } from "./provider-log.ts";
import { billedTokens } from "./reprice.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Reconciliation with the provider's log: what was charged without knowing is brought to what was
 * billed, and what the log does not hold is released once no such call can still be running. The log must
 * be complete for the time it covers: whoever asks for this vouches for it.
 */
type Target = { readonly key: string; readonly costNanoUsd: bigint; readonly tokens: bigint | null; readonly reason: string };
export type ResolutionPlan = {
	readonly attempts: readonly Target[];
	readonly lumps: readonly Target[];
	/** Charges and lumps that stay as they are because their calls may still be running. */
	readonly tooYoung: number;
};
export type Resolved = { readonly adjusted: number; readonly released: number };

/** A provider logs a call when it ends. `at`, PostgreSQL's time of the charge, is later than that of the reservation. */
const UNRESOLVED_WITHOUT_CALL = `
	WITH longest AS MATERIALIZED (
		SELECT team_id, tollgate.longest_call_ms($1, team_id) AS ms FROM (SELECT DISTINCT team_id FROM tollgate.attempt WHERE outcome <> 'settled') t
	)
	SELECT a.attempt_id, a.at > clock_timestamp() - (l.ms + 60000) * interval '1 millisecond' AS is_young
	FROM tollgate.attempt a JOIN longest l USING (team_id)
	WHERE a.outcome <> 'settled' AND NOT EXISTS (SELECT 1 FROM verification_log g WHERE g.attempt_id = a.attempt_id)
	  AND NOT EXISTS (SELECT 1 FROM tollgate.entry r WHERE r.kind = 'adjustment' AND r.detail->>'resolves' = a.attempt_id)
	ORDER BY a.attempt_id`;

/** The lumps of an epoch; the calls of one epoch cannot be told apart by team, so several lumps share one sum. */
const LUMPS = `
	SELECT e.entry_key, e.gateway_id, e.epoch, coalesce(NOT tollgate.is_past_its_time(g.last_seen_at, l.ms), false) AS is_young
	FROM tollgate.entry e CROSS JOIN (SELECT tollgate.longest_call_ms($1) AS ms) l LEFT JOIN tollgate.gateway_epoch g USING (gateway_id, epoch)
	WHERE e.kind = 'lump' ORDER BY e.gateway_id, e.epoch, e.entry_key`;
type LumpRow = { entry_key: string; gateway_id: string; epoch: string; is_young: boolean };

/** What has to be adjusted, read in one snapshot. Only unresolved rows are held in memory. */
export async function planResolution(snapshot: Snapshot, log: ProviderLog): Promise<ResolutionPlan> {
	await loadProviderLog(snapshot, log, () => undefined);
	const prices = new PriceLines(snapshot);
	const attempts = new Map<string, Target>();
	// null: a call in it cannot be priced, so the lump stays as it is.
	const spentInLump = new Map<string, bigint | null>();
	for await (const call of snapshot.rows<CallRow>(CALLS_WITH_CHARGES)) {
		const needsCost = call.outcome === null ? call.lump !== null : call.outcome !== "settled";
		if (!needsCost || call.attempt_id === null) continue;
		const cost = await costOfCall(call, prices);
		const lump = `${call.gateway_id}/${call.epoch}`;
		if (call.outcome === null) {
			const spent = spentInLump.get(lump);
			spentInLump.set(lump, "problem" in cost || spent === null ? null : (spent ?? 0n) + cost.nanoUsd);
		} else if (!("problem" in cost)) {
			attempts.set(call.attempt_id, {
				key: call.attempt_id,
				costNanoUsd: cost.nanoUsd,
				tokens: billedTokens(call) ?? null,
				reason: `provider log line ${call.line}`,
			});
		}
	}
	let tooYoung = 0;
	for await (const row of snapshot.rows<{ attempt_id: string; is_young: boolean }>(UNRESOLVED_WITHOUT_CALL, [DEFAULT_TEAM_POLICY.maxCallMs])) {
		if (row.is_young) tooYoung += 1;
		else attempts.set(row.attempt_id, { key: row.attempt_id, costNanoUsd: 0n, tokens: 0n, reason: "not in the provider log" });
	}
	const lumps: Target[] = [];
	for await (const row of snapshot.rows<LumpRow>(LUMPS, [DEFAULT_TEAM_POLICY.maxCallMs])) {
		const known = spentInLump.get(`${row.gateway_id}/${row.epoch}`);
		const spent = known === undefined ? 0n : known;
		if (row.is_young) tooYoung += 1;
		else if (spent !== null) lumps.push({ key: row.entry_key, costNanoUsd: spent, tokens: null, reason: "provider log" });
	}
	return { attempts: [...attempts.values()], lumps, tooYoung };
}

/** Posts the adjustments, one statement each; safe to repeat after an interruption. */
export async function postResolution(client: ClientBase, plan: ResolutionPlan, adminName: string): Promise<Resolved> {
	let [adjusted, released] = [0, 0];
	for (const target of plan.attempts) {
		const key = await post(client, "SELECT tollgate.adjust_attempt($1, $2, $3, $4, $5) AS key", [
			target.key,
			target.costNanoUsd.toString(),
			target.tokens?.toString() ?? null,
			target.reason,
			adminName,
		]);
		if (key !== null && target.costNanoUsd > 0n) adjusted += 1;
		if (key !== null && target.costNanoUsd === 0n) released += 1;
	}
	for (const target of plan.lumps) {
		const key = await post(client, "SELECT tollgate.reduce_lump($1, $2, $3, $4) AS key", [target.key, target.costNanoUsd.toString(), target.reason, adminName]);
		if (key !== null) adjusted += 1;
	}
	if (adjusted + released > 0) await client.query("SELECT tollgate.record_change('adjustment', 'verify', $1, $2)", [adminName, { adjusted, released }]);
	return { adjusted, released };
}

async function post(client: ClientBase, sql: string, values: readonly (string | null)[]): Promise<string | null> {
	return (await client.query<{ key: string | null }>(sql, [...values])).rows[0]?.key ?? null;
}
