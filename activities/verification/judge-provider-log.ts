import { PriceLines } from "./price-lines.ts";
import { loadProviderLog, type ProviderLog } from "./provider-log.ts";
import type { Findings } from "./report.ts";
import { hasPriceOf, type PricedCall, type RawUsage, reprice, type StoredPriceLine } from "./reprice.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * Matches every billed call with what pays for it (money-path §10): one settled entry of equal cost,
 * one unresolved or estimated charge that covers it, or the lump of its gateway and epoch.
 */
export type CallRow = {
	line: number;
	attempt_id: string | null;
	gateway_id: string | null;
	epoch: string | null;
	at: Date;
	protocol: string;
	model: string;
	service_tier: string | null;
	usage: RawUsage;
	is_late: boolean;
	age_ms: string;
	outcome: "settled" | "unresolved" | "estimated" | "quarantined" | null;
	provider: string | null;
	deployment: string | null;
	priced_model: string | null;
	priced_tiers: readonly string[] | null;
	/** Hosted calls as booked; only a settled attempt has them. */
	tool_calls: Readonly<Record<string, number>> | null;
	price_version: string | null;
	prices_as_of: Date | null;
	charged: string | null;
	is_epoch_open: boolean | null;
	/** Of an item of a batch: its outcome is not known yet, and its money is held; null for any other call. */
	is_item_open: boolean | null;
	/** Its epoch ended without a journal, or is silent past its time: only a lump can pay for it, or a person. */
	is_beyond_settling: boolean;
	lump: string | null;
};

const MINUTE_MS = 60_000;
const NEWEST_VERSION = "9223372036854775807";

/** Charges and their adjustments per attempt; lumps and theirs per gateway and epoch. $1: the longest call in ms. */
export const CALLS_WITH_CHARGES = `
	WITH charged AS (
		SELECT attempt_id, sum(amount_nano_usd) AS amount FROM tollgate.entry WHERE attempt_id IS NOT NULL GROUP BY attempt_id
	), lump AS (
		SELECT gateway_id, epoch, sum(amount_nano_usd) AS amount
		FROM tollgate.entry WHERE attempt_id IS NULL AND kind IN ('lump', 'adjustment') GROUP BY gateway_id, epoch
	), attempt AS (
		SELECT DISTINCT ON (attempt_id) attempt_id, outcome, provider, deployment, priced_model, priced_tiers, tool_calls, price_version, prices_as_of FROM tollgate.attempt ORDER BY attempt_id, at
	)
	SELECT g.line, g.attempt_id, g.gateway_id, g.epoch, g.at, g.protocol, g.model, g.service_tier, g.usage, g.is_late,
	       extract(epoch FROM clock_timestamp() - g.at) * 1000 AS age_ms,
	       a.outcome, a.provider, a.deployment, a.priced_model, a.priced_tiers, a.tool_calls, a.price_version, a.prices_as_of, c.amount AS charged,
	       e.closed_at IS NULL AND e.gateway_id IS NOT NULL AS is_epoch_open, CASE e.kind WHEN 'batch' THEN i.n IS NOT NULL AND i.outcome IS NULL END AS is_item_open,
	       coalesce(e.closed_how IN ('lump', 'resolved') OR (e.kind = 'gateway' AND e.closed_at IS NULL AND tollgate.is_past_its_time(e.last_seen_at, $1)), false) AS is_beyond_settling,
	       l.amount AS lump
	FROM verification_log g
	LEFT JOIN attempt a ON a.attempt_id = g.attempt_id
	LEFT JOIN charged c ON c.attempt_id = g.attempt_id
	LEFT JOIN tollgate.gateway_epoch e ON e.gateway_id = g.gateway_id AND e.epoch = g.epoch
	LEFT JOIN lump l ON l.gateway_id = g.gateway_id AND l.epoch = g.epoch
	LEFT JOIN tollgate.batch b ON e.kind = 'batch' AND b.number = substring(g.gateway_id FROM '^batch([0-9]{1,18})$')::bigint
	LEFT JOIN tollgate.batch_item i ON i.batch_number = b.number AND i.n = (substring(g.attempt_id FROM '-([0-9]{1,18})$')::bigint - 1) % nullif(b.items, 0) + 1
	-- What is archived was judged before it left.
	WHERE NOT EXISTS (SELECT 1 FROM tollgate.entry_key k WHERE k.entry_key = g.attempt_id AND k.archived_month IS NOT NULL)
	ORDER BY g.line`;

const SENT_TWICE = `
	SELECT attempt_id, min(line) AS first_line, max(line) AS last_line, count(*) AS lines
	FROM verification_log WHERE attempt_id IS NOT NULL GROUP BY attempt_id HAVING count(*) > 1 ORDER BY 2`;

// Counting tokens is free: the provider bills, and logs, nothing.
const SETTLED_WITHOUT_CALL = `
	SELECT a.attempt_id FROM tollgate.attempt a
	WHERE a.outcome = 'settled' AND NOT (a.endpoint = 'count_tokens' AND a.cost_nano_usd = 0)
	  AND NOT EXISTS (SELECT 1 FROM verification_log g WHERE g.attempt_id = a.attempt_id)
	ORDER BY a.attempt_id`;

/** Returns the number of billed calls in the log. */
export async function judgeProviderLog(snapshot: Snapshot, findings: Findings, options: { log: ProviderLog; longestCallMs: number }): Promise<number> {
	const billedCalls = await loadProviderLog(snapshot, options.log, (line) =>
		findings.note(`Line ${line} of the provider's log is torn; its call is not judged.`),
	);
	const prices = new PriceLines(snapshot);
	const lumps = new Map<string, { left: bigint; claimed: bigint }>();
	let open = 0;
	for await (const call of snapshot.rows<CallRow>(CALLS_WITH_CHARGES, [options.longestCallMs])) {
		if (call.outcome !== null) await judgeAgainstAttempt(call, prices, findings);
		else if (call.lump !== null) await takeFromLump(call, { prices, findings, lumps });
		else if (call.is_late || isOpen(call, options.longestCallMs)) open += 1;
		else findings.add("lost", `provider log line ${call.line}, attempt ${call.attempt_id}`, lostBecause(call));
	}
	for (const twice of await snapshot.all<{ attempt_id: string; first_line: number; last_line: number; lines: string }>(`${SENT_TWICE} LIMIT 1000`)) {
		findings.add(
			"duplicated",
			`attempt ${twice.attempt_id}`,
			`the provider's log holds it ${twice.lines} times (lines ${twice.first_line} to ${twice.last_line})`,
		);
	}
	for await (const row of snapshot.rows<{ attempt_id: string }>(SETTLED_WITHOUT_CALL)) {
		findings.add("unbilled", `attempt ${row.attempt_id}`, "settled, but the provider's log holds no such call");
	}
	if (open > 0) findings.note(`${open} call(s) in the provider's log are still open in a gateway or its journal; they are judged once settled.`);
	return billedCalls;
}

/** A call is in the ledger soon after its end; an item of a batch when the whole batch is back. */
function isOpen({ is_epoch_open, is_item_open, age_ms }: CallRow, longestCallMs: number): boolean {
	return is_item_open ?? (is_epoch_open === true && Number(age_ms) <= longestCallMs + MINUTE_MS);
}

export type CallCost = { readonly nanoUsd: bigint } | { readonly problem: string; readonly isUnusable: boolean };

/** What a logged call costs by the second implementation, or why it cannot be said. */
export async function costOfCall(call: CallRow, prices: PriceLines): Promise<CallCost> {
	const book = { version: call.price_version ?? NEWEST_VERSION, provider: call.provider, at: call.prices_as_of ?? call.at };
	const reserved = call.priced_model === null ? undefined : await prices.find({ ...book, model: call.priced_model });
	// An answer may repeat the name that only the deployment knows.
	const named = (await prices.find({ ...book, model: call.model })) ?? (call.deployment?.endsWith(`/${call.model}`) ? reserved : undefined);
	const logged = { protocol: call.protocol, serviceTier: call.service_tier, usage: call.usage, hostedCalls: call.tool_calls ?? undefined };
	if (named && hasPriceOf(logged, named)) return priceAt(logged, named);
	// An answer that names an unpriced model or tier costs the dearest of what was reserved for.
	const line = reserved ?? named;
	return line
		? priceAt({ ...logged, dearestOf: call.priced_tiers ?? Object.keys(line.tiers) }, line)
		: { problem: `no price line for ${call.model} at version ${call.price_version ?? "newest"}`, isUnusable: false };
}

function priceAt(call: PricedCall, line: StoredPriceLine): CallCost {
	const priced = reprice(call, line);
	return priced.kind === "priced" ? { nanoUsd: priced.nanoUsd } : { problem: priced.problem, isUnusable: priced.kind === "unusable" };
}

async function judgeAgainstAttempt(call: CallRow, prices: PriceLines, findings: Findings): Promise<void> {
	const row = `attempt ${call.attempt_id}`;
	if (call.charged === null) {
		findings.add("lost", row, `provider log line ${call.line} is billed, the attempt is ${call.outcome}, but no entry pays for it`);
		return;
	}
	const cost = await costOfCall(call, prices);
	if ("problem" in cost) {
		if (call.outcome === "settled") findings.add("cost", row, `settled at ${call.charged}, but the logged call cannot be priced: ${cost.problem}`);
		return;
	}
	const charged = BigInt(call.charged);
	if (call.outcome === "settled" && cost.nanoUsd !== charged)
		findings.add("cost", row, `settled at ${charged} nano-USD, the provider's log (line ${call.line}) says ${cost.nanoUsd}`);
	if (call.outcome !== "settled" && cost.nanoUsd > charged)
		findings.add("cost", row, `${call.outcome} at ${charged} nano-USD does not cover the ${cost.nanoUsd} of provider log line ${call.line}`);
}

type LumpContext = { prices: PriceLines; findings: Findings; lumps: Map<string, { left: bigint; claimed: bigint }> };

async function takeFromLump(call: CallRow, { prices, findings, lumps }: LumpContext): Promise<void> {
	const name = `${call.gateway_id}/${call.epoch}`;
	const lump = lumps.get(name) ?? { left: BigInt(call.lump ?? 0), claimed: 0n };
	lumps.set(name, lump);
	const cost = await costOfCall(call, prices);
	if ("problem" in cost && cost.isUnusable) {
		// Its reservation is in the lump, and what it cost nobody can say.
		findings.note(`Line ${call.line} of the provider's log, in the lump of ${name}, is not compared by price: ${cost.problem}.`);
		return;
	}
	if ("problem" in cost) {
		findings.add("cost", `provider log line ${call.line}, attempt ${call.attempt_id}`, `in the lump of ${name}, but cannot be priced: ${cost.problem}`);
		return;
	}
	lump.claimed += cost.nanoUsd;
	if (lump.claimed > lump.left)
		findings.add(
			"lost",
			`provider log line ${call.line}, attempt ${call.attempt_id}`,
			`the lump of ${name} holds ${lump.left} nano-USD, its logged calls cost ${lump.claimed} so far; ${HOW_TO_POST}`,
		);
}

const HOW_TO_POST = "calls of a team without a budget in money leave nothing on a lease; --resolve posts what they cost";

function lostBecause(call: CallRow): string {
	if (call.attempt_id === null) return "billed without an attempt id: it did not come through a gateway";
	if (call.gateway_id === null) return "billed under an id that no gateway gives";
	if (call.is_beyond_settling)
		return `billed, no entry pays for it, and gateway epoch ${call.gateway_id}/${call.epoch} ended without its journal, leaving no lump that holds it; ${HOW_TO_POST}`;
	if (call.is_epoch_open === null || !call.is_epoch_open)
		return `billed, no entry pays for it, and gateway epoch ${call.gateway_id}/${call.epoch} is over or unknown`;
	return `billed ${Math.round(Number(call.age_ms) / 1000)} s ago and still not in the ledger`;
}
