import type { ClientBase } from "pg";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import { CALLS_WITH_CHARGES, type CallRow, costOfCall } from "./judge-provider-log.ts";
import { PriceLines } from "./price-lines.ts";
import { loadProviderLog, type ProviderLog } from "./provider-log.ts";
import { billedOutputTokens, billedTokens } from "./reprice.ts";
import { readLongestCallMs, type Snapshot } from "./snapshot.ts";

/**
 * Reconciliation with the provider's log: what was charged without knowing is brought to what was
 * billed, and what the log does not hold is released once no such call can still be running. The log must
 * be complete for the time it covers: whoever asks for this vouches for it.
 */
type Target = { readonly key: string; readonly costNanoUsd: bigint; readonly tokens: bigint | null; readonly outputTokens?: bigint; readonly reason: string };
/** Calls of an epoch that ended without a journal. `spentNanoUsd`: what all its logged calls cost that are not in the ledger by name. */
type Found = { readonly gatewayId: string; readonly epoch: string; readonly spentNanoUsd: bigint; readonly attemptIds: readonly string[] };
export type ResolutionPlan = {
	readonly attempts: readonly Target[];
	readonly lumps: readonly Target[];
	readonly found: readonly Found[];
	readonly longestCallMs: number;
	/** Charges and lumps that stay as they are because their calls may still be running. */
	readonly tooYoung: number;
};
/** `posted`: entries for calls that no lease and no lump held. */
export type Resolved = { readonly adjusted: number; readonly released: number; readonly posted: number };

const BY_LOG = "provider log";

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

/**
 * The lumps of an epoch; the calls of one epoch cannot be told apart by team, so several lumps share one sum. One that was
 * reconciled before is left alone: this log may no longer hold its calls.
 */
const LUMPS = `
	SELECT e.entry_key, e.gateway_id, e.epoch, coalesce(NOT tollgate.is_past_its_time(g.last_seen_at, $1), false) AS is_young
	FROM tollgate.entry e LEFT JOIN tollgate.gateway_epoch g USING (gateway_id, epoch)
	WHERE e.kind = 'lump' AND NOT EXISTS (SELECT 1 FROM tollgate.entry r
	  WHERE (r.kind = 'adjustment' OR r.entry_key = e.entry_key) AND r.detail->>'resolves' = e.entry_key AND r.detail->>'reason' = '${BY_LOG}')
	ORDER BY e.gateway_id, e.epoch, e.entry_key`;
type LumpRow = { entry_key: string; gateway_id: string; epoch: string; is_young: boolean };

type LoggedCosts = { readonly attempts: Map<string, Target>; readonly epochs: Map<string, EpochCosts> };
/** `spent` null: a call cannot be priced, so the epoch's lumps stay as they are. */
type EpochCosts = { readonly gatewayId: string; readonly epoch: string; readonly held: bigint; spent: bigint | null; readonly attemptIds: string[] };

/** What has to be adjusted, read in one snapshot. Only unresolved rows are held in memory. */
export async function planResolution(snapshot: Snapshot, log: ProviderLog): Promise<ResolutionPlan> {
	await loadProviderLog(snapshot, log, () => undefined);
	const longestCallMs = await readLongestCallMs(snapshot);
	const { attempts, epochs } = await readCosts(snapshot, longestCallMs);
	let tooYoung = 0;
	for await (const row of snapshot.rows<{ attempt_id: string; is_young: boolean }>(UNRESOLVED_WITHOUT_CALL, [DEFAULT_TEAM_POLICY.maxCallMs])) {
		if (row.is_young) tooYoung += 1;
		else attempts.set(row.attempt_id, { key: row.attempt_id, costNanoUsd: 0n, tokens: 0n, reason: "not in the provider log" });
	}
	const lumps: Target[] = [];
	for await (const row of snapshot.rows<LumpRow>(LUMPS, [longestCallMs])) {
		const costs = epochs.get(`${row.gateway_id}/${row.epoch}`);
		const spent = costs === undefined ? 0n : costs.spent;
		if (row.is_young) tooYoung += 1;
		else if (spent !== null) lumps.push({ key: row.entry_key, costNanoUsd: spent, tokens: null, reason: BY_LOG });
	}
	const found = [...epochs.values()].flatMap(({ spent, held, ...epoch }) => (spent !== null && spent > held ? [{ ...epoch, spentNanoUsd: spent }] : []));
	return { attempts: [...attempts.values()], lumps, found, longestCallMs, tooYoung };
}

async function readCosts(snapshot: Snapshot, longestCallMs: number): Promise<LoggedCosts> {
	const prices = new PriceLines(snapshot);
	const costs: LoggedCosts = { attempts: new Map(), epochs: new Map() };
	for await (const call of snapshot.rows<CallRow>(CALLS_WITH_CHARGES, [longestCallMs])) {
		if (call.attempt_id === null || call.outcome === "settled") continue;
		if (call.outcome === null && call.lump === null && !call.is_beyond_settling) continue;
		const cost = await costOfCall(call, prices);
		if (call.outcome === null) addToEpoch(costs.epochs, call, "problem" in cost ? null : cost.nanoUsd);
		else if (!("problem" in cost)) {
			const reason = `provider log line ${call.line}`;
			const outputTokens = billedOutputTokens(call);
			costs.attempts.set(call.attempt_id, {
				key: call.attempt_id,
				costNanoUsd: cost.nanoUsd,
				tokens: billedTokens(call) ?? null,
				...(outputTokens !== undefined && { outputTokens }),
				reason,
			});
		}
	}
	return costs;
}

function addToEpoch(epochs: Map<string, EpochCosts>, call: CallRow, costNanoUsd: bigint | null): void {
	const [gatewayId, epoch] = [call.gateway_id ?? "", call.epoch ?? ""];
	const costs = epochs.get(`${gatewayId}/${epoch}`) ?? { gatewayId, epoch, held: BigInt(call.lump ?? 0), spent: 0n, attemptIds: [] };
	epochs.set(`${gatewayId}/${epoch}`, costs);
	costs.spent = costs.spent === null || costNanoUsd === null ? null : costs.spent + costNanoUsd;
	costs.attemptIds.push(call.attempt_id ?? "");
}

/** Posts the adjustments, one statement each; safe to repeat after an interruption. */
export async function postResolution(client: ClientBase, plan: ResolutionPlan, adminName: string): Promise<Resolved> {
	let [adjusted, released, posted] = [0, 0, 0];
	for (const target of plan.attempts) {
		const key = await post(client, "SELECT tollgate.adjust_attempt($1, $2, $3, $4, $5, $6) AS key", [
			target.key,
			target.costNanoUsd.toString(),
			target.tokens?.toString() ?? null,
			target.reason,
			adminName,
			target.outputTokens?.toString() ?? null,
		]);
		if (key !== null && target.costNanoUsd > 0n) adjusted += 1;
		if (key !== null && target.costNanoUsd === 0n) released += 1;
	}
	for (const target of plan.lumps) {
		const key = await post(client, "SELECT tollgate.reduce_lump($1, $2, $3, $4) AS key", [target.key, target.costNanoUsd.toString(), target.reason, adminName]);
		if (key !== null) adjusted += 1;
	}
	for (const { gatewayId, epoch, spentNanoUsd, attemptIds } of plan.found) {
		const values = [gatewayId, epoch, spentNanoUsd.toString(), attemptIds, BY_LOG, adminName, plan.longestCallMs];
		const key = await post(client, "SELECT tollgate.post_found_calls($1, $2, $3, $4, $5, $6, $7) AS key", values);
		if (key !== null) posted += 1;
	}
	const resolved = { adjusted, released, posted };
	if (adjusted + released + posted > 0) await client.query("SELECT tollgate.record_change('adjustment', 'verify', $1, $2)", [adminName, resolved]);
	return resolved;
}

async function post(client: ClientBase, sql: string, values: readonly unknown[]): Promise<string | null> {
	return (await client.query<{ key: string | null }>(sql, [...values])).rows[0]?.key ?? null;
}
