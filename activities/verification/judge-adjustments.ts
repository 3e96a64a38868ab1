import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * An adjustment is the one entry that can take money back, so each must give its grounds: an attempt whose cost nobody
 * knew, or a lump. None may take more than is left there, and what it says of the windows must follow from its amount.
 * That the windows' lease rows moved by as much is judged with the other counters (judge-counters.ts).
 */
type Amounts = Readonly<Record<string, string>>;
type Unit = "nano_usd" | "tokens" | "input_tokens" | "output_tokens" | "steps";

type AttemptAdjustment = {
	entry_key: string;
	attempt_id: string;
	gateway_id: string;
	epoch: string;
	amount_nano_usd: string;
	charged_after: string;
	tokens: string | null;
	tokens_after: string | null;
	/** Output tokens among those. */
	output: string | null;
	output_after: string | null;
	resolves: string | null;
	windows: unknown;
	overruns: unknown;
	outcome: string | null;
	is_of_attempt: boolean | null;
	units: Readonly<Record<string, Unit>>;
};

/** What an adjustment says of tokens; `absent` where it says nothing. */
const movedTokens = (field: string, absent: string) =>
	`CASE WHEN e.kind <> 'adjustment' THEN 0 WHEN NOT e.detail ? '${field}' THEN ${absent} WHEN pg_input_is_valid(e.detail->>'${field}', 'bigint') THEN (e.detail->>'${field}')::numeric END`;

/** In the order of the chain of 'verify', each with what its attempt is charged after it. */
const OF_ATTEMPTS = `
	SELECT * FROM (
		SELECT e.entry_key, e.kind, e.attempt_id, e.gateway_id, e.epoch, e.amount_nano_usd, t.tokens, t.output, e.detail->>'resolves' AS resolves,
		       e.detail->'windows' AS windows, coalesce(e.detail->'overruns', '{}') AS overruns, a.outcome,
		       (e.debit_account, e.credit_account) = ('team/' || a.team_id, 'provider/' || a.provider) AS is_of_attempt,
		       sum(e.amount_nano_usd) OVER earlier AS charged_after, a.cost_tokens + sum(t.tokens) OVER earlier AS tokens_after,
		       coalesce(a.cost_output_tokens, 0) + sum(t.output) OVER earlier AS output_after,
		       coalesce((SELECT jsonb_object_agg(w.id::text, b.unit) FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id
		                 WHERE w.id = ANY (a.window_ids)), '{}') AS units
		FROM tollgate.entry e
		LEFT JOIN (SELECT DISTINCT ON (attempt_id) * FROM tollgate.attempt ORDER BY attempt_id, at) a USING (attempt_id)
		CROSS JOIN LATERAL (SELECT ${movedTokens("tokens", "NULL")} AS tokens, ${movedTokens("outputTokens", "0")} AS output) t
		WHERE e.attempt_id IN (SELECT attempt_id FROM tollgate.entry WHERE kind = 'adjustment')
		WINDOW earlier AS (PARTITION BY e.attempt_id ORDER BY e.kind = 'adjustment', e.chunk_seq, e.entry_key)
	) x WHERE kind = 'adjustment' ORDER BY entry_key`;

type LumpEntry = {
	entry_key: string;
	kind: "lump" | "adjustment";
	lump_key: string;
	gateway_id: string;
	epoch: string;
	accounts: string;
	amount_nano_usd: string;
	resolves: string | null;
	windows: unknown;
	units: Readonly<Record<string, Unit>>;
	/** A lump that holds nothing but one team-wide window of money, those of runs aside, is what that window holds; null for any other. */
	only_window: string | null;
};

/** Every lump, followed by its adjustments in the order of the chain. */
const OF_LUMPS = `
	WITH overrun AS MATERIALIZED (SELECT DISTINCT gateway_id, epoch FROM tollgate.attempt WHERE overrun_nano_usd > 0)
	SELECT e.entry_key, e.kind, coalesce(CASE WHEN e.kind = 'adjustment' THEN e.detail->>'lump' END, e.entry_key) AS lump_key, e.gateway_id, e.epoch,
	       e.debit_account || ' ' || e.credit_account AS accounts, e.amount_nano_usd, e.detail->>'resolves' AS resolves, coalesce(e.detail->'windows', '{}') AS windows,
	       coalesce((SELECT jsonb_object_agg(w.id::text, b.unit) FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id
	                 WHERE jsonb_typeof(e.detail->'windows') = 'object' AND e.detail->'windows' ? w.id::text), '{}') AS units,
	       -- Of an overrun, the amount is charged whole and the window only in part.
	       CASE WHEN NOT EXISTS (SELECT 1 FROM overrun o WHERE (o.gateway_id, o.epoch) = (e.gateway_id, e.epoch)) THEN (
	         SELECT min(w.id)::text FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id
	         WHERE jsonb_typeof(e.detail->'windows') = 'object' AND e.detail->'windows' ? w.id::text
	           AND b.dimension <> 'run'
	         HAVING count(*) = 1 AND bool_and(b.unit = 'nano_usd' AND b.dimension = 'team')) END AS only_window
	FROM tollgate.entry e
	WHERE e.attempt_id IS NULL AND e.kind IN ('lump', 'adjustment')
	ORDER BY gateway_id, epoch, lump_key, e.kind <> 'lump', e.chunk_seq, e.entry_key`;

/** What late settles took out of lumps is what their own chunk charged, per account; a lump of no team's account covers any team's. */
const LATE_SETTLES = `
	WITH taken AS (
		SELECT gateway_id, epoch, chunk_seq, debit_account, sum(-amount_nano_usd) AS amount FROM tollgate.entry
		WHERE kind = 'adjustment' AND attempt_id IS NULL AND NOT detail ? 'resolves' GROUP BY 1, 2, 3, 4
	), charged AS (
		SELECT e.gateway_id, e.epoch, e.chunk_seq, e.debit_account, sum(greatest(0, e.amount_nano_usd - a.overrun_nano_usd)) AS amount
		FROM tollgate.entry e JOIN tollgate.attempt a ON a.attempt_id = e.entry_key
		WHERE (e.gateway_id, e.epoch, e.chunk_seq) IN (SELECT gateway_id, epoch, chunk_seq FROM taken) GROUP BY 1, 2, 3, 4
	)
	SELECT t.gateway_id, t.epoch, t.chunk_seq, t.debit_account AS account, t.amount AS taken, coalesce(c.amount, 0) AS charged
	FROM taken t LEFT JOIN charged c USING (gateway_id, epoch, chunk_seq, debit_account)
	WHERE t.debit_account NOT IN ('organization', 'team/@unknown') AND t.amount > coalesce(c.amount, 0)
	UNION ALL
	SELECT t.gateway_id, t.epoch, t.chunk_seq, 'all accounts', t.amount, coalesce(c.amount, 0)
	FROM (SELECT gateway_id, epoch, chunk_seq, sum(amount) AS amount FROM taken GROUP BY 1, 2, 3) t
	LEFT JOIN (SELECT gateway_id, epoch, chunk_seq, sum(amount) AS amount FROM charged GROUP BY 1, 2, 3) c USING (gateway_id, epoch, chunk_seq)
	WHERE t.amount > coalesce(c.amount, 0)
	ORDER BY 1, 2, 3, 4`;

const RELEASED_OVERRUNS = `
	SELECT l.window_id, -l.overrun AS lowered, coalesce(x.amount, 0) AS named
	FROM tollgate.lease l
	LEFT JOIN (
		SELECT d.key, sum(d.value::numeric) AS amount FROM tollgate.entry e CROSS JOIN LATERAL jsonb_each_text(e.detail->'overruns') AS d
		WHERE e.kind = 'adjustment' AND jsonb_typeof(e.detail->'overruns') = 'object' AND pg_input_is_valid(d.value, 'numeric') GROUP BY d.key
	) x ON x.key = l.window_id::text
	WHERE l.gateway_id = 'verify' AND -l.overrun <> coalesce(x.amount, 0)
	ORDER BY l.window_id`;

export async function judgeAdjustments(snapshot: Snapshot, findings: Findings): Promise<void> {
	for await (const row of snapshot.rows<AttemptAdjustment>(OF_ATTEMPTS)) {
		const problem = attemptProblem(row);
		if (problem) findings.add("entry", `entry ${row.entry_key}`, problem);
	}
	let lump: LumpState | undefined;
	for await (const row of snapshot.rows<LumpEntry>(OF_LUMPS)) {
		if (row.kind === "lump") lump = openLump(row);
		else if (lump?.key !== row.lump_key || lump.epoch !== epochOf(row))
			findings.add("entry", `entry ${row.entry_key}`, `takes ${row.amount_nano_usd} out of ${row.lump_key}, which is no lump of ${epochOf(row)}`);
		else {
			const problem = takeFromLump(lump, row);
			if (problem) findings.add("entry", `entry ${row.entry_key}`, problem);
		}
	}
	for await (const row of snapshot.rows<Record<string, string>>(LATE_SETTLES)) {
		findings.add(
			"entry",
			`chunk ${row["gateway_id"]}/${row["epoch"]}/${row["chunk_seq"]}`,
			`took ${row["taken"]} out of the lumps of ${row["account"]}, but charged only ${row["charged"]}`,
		);
	}
	for await (const row of snapshot.rows<Record<string, string>>(RELEASED_OVERRUNS)) {
		findings.add("counter", `lease verify/1 window ${row["window_id"]}`, `lowers the overrun by ${row["lowered"]}, its adjustments by ${row["named"]}`);
	}
}

function attemptProblem(row: AttemptAdjustment): string | undefined {
	const amount = BigInt(row.amount_nano_usd);
	if (row.outcome === null) return `gives ${amount} to attempt ${row.attempt_id}, which does not exist`;
	if (row.outcome === "settled") return `adjusts attempt ${row.attempt_id}, whose cost was known`;
	if (epochOf(row) !== "verify/1" || row.resolves !== row.attempt_id) return "is no resolution of its attempt";
	if (!row.is_of_attempt) return `is posted between other accounts than attempt ${row.attempt_id}`;
	if (BigInt(row.charged_after) < 0n) return `leaves attempt ${row.attempt_id} charged ${row.charged_after}`;
	if (row.tokens === null || row.tokens_after === null || BigInt(row.tokens_after) < 0n)
		return `leaves attempt ${row.attempt_id} with ${row.tokens_after} tokens`;
	if (row.output === null || row.output_after === null || BigInt(row.output_after) < 0n || BigInt(row.output_after) > BigInt(row.tokens_after))
		return `leaves attempt ${row.attempt_id} with ${row.output_after} output tokens of ${row.tokens_after}`;
	const moved = { nanoUsd: amount, tokens: BigInt(row.tokens), outputTokens: BigInt(row.output) };
	const [windows, overruns] = [readAmounts(row.windows), readAmounts(row.overruns)];
	if (!windows || !overruns) return "names no amounts per window";
	for (const id of new Set([...Object.keys(row.units), ...Object.keys(windows)])) {
		const unit = row.units[id];
		if (unit === undefined) return `moves window ${id}, in which attempt ${row.attempt_id} was not reserved`;
		const expected = movedIn(unit, moved);
		if (amountOf(windows, id) !== expected) return `is of ${expected} ${unit}, but moves window ${id} by ${amountOf(windows, id)}`;
	}
	const wrong = Object.keys(overruns).find((id) => amountOf(overruns, id) <= 0n || amountOf(overruns, id) > -amountOf(windows, id));
	return wrong === undefined ? undefined : `lowers the overrun of window ${wrong} by ${overruns[wrong]}, more than it gives back`;
}

function movedIn(unit: Unit, moved: { readonly nanoUsd: bigint; readonly tokens: bigint; readonly outputTokens: bigint }): bigint {
	if (unit === "nano_usd") return moved.nanoUsd;
	if (unit === "tokens") return moved.tokens;
	if (unit === "steps") return 0n; // whatever it cost, it was one
	return unit === "output_tokens" ? moved.outputTokens : moved.tokens - moved.outputTokens;
}

type LumpState = {
	readonly key: string;
	readonly epoch: string;
	readonly accounts: string;
	rest: bigint;
	readonly units: LumpEntry["units"];
	readonly onlyWindow: string | null;
	readonly windows: Map<string, bigint>;
};

function openLump(row: LumpEntry): LumpState {
	const windows = new Map(Object.entries(readAmounts(row.windows) ?? {}).map(([id, amount]) => [id, BigInt(amount)]));
	return {
		key: row.entry_key,
		epoch: epochOf(row),
		accounts: row.accounts,
		rest: BigInt(row.amount_nano_usd),
		units: row.units,
		onlyWindow: row.only_window,
		windows,
	};
}

/** Takes an adjustment out of what the lump holds; says what is wrong with it. */
function takeFromLump(lump: LumpState, row: LumpEntry): string | undefined {
	const amount = BigInt(row.amount_nano_usd);
	const windows = readAmounts(row.windows);
	if (!windows) return "names no amounts per window";
	if (amount > 0n) return `adds ${amount} to ${lump.key}`;
	if (row.accounts !== lump.accounts) return `is posted between other accounts than ${lump.key}`;
	if (row.resolves !== null && row.resolves !== lump.key) return `says it resolves ${row.resolves}`;
	lump.rest += amount;
	if (lump.rest < 0n) return `leaves ${lump.key} at ${lump.rest}`;
	const stranger = Object.keys(windows).find((id) => !lump.windows.has(id));
	if (stranger !== undefined) return `moves window ${stranger}, of which ${lump.key} holds nothing`;
	for (const [id, before] of lump.windows) {
		const moved = amountOf(windows, id);
		const after = before + moved;
		if (moved > 0n || after < 0n) return `leaves ${lump.key} with ${after} of window ${id}`;
		if (row.resolves !== null && !isResolvedTo(lump, { before, after, amount, unit: lump.units[id] })) {
			return `brings ${lump.key} to ${lump.rest}, but window ${id} from ${before} to ${after}`;
		}
		lump.windows.set(id, after);
	}
	const held = lump.onlyWindow === null ? lump.rest : lump.windows.get(lump.onlyWindow);
	return lump.rest === held ? undefined : `leaves ${lump.key} at ${lump.rest}, but window ${lump.onlyWindow} at ${held}`;
}

/** A lump is brought down to what was spent of it, and each of its money windows too; other units follow only when nothing was spent. */
function isResolvedTo(lump: LumpState, window: { before: bigint; after: bigint; amount: bigint; unit: Unit | undefined }): boolean {
	const { before, after, amount, unit } = window;
	if (after === before && amount === 0n) return true;
	if (unit !== "nano_usd") return after === before ? lump.rest > 0n : after === 0n && lump.rest === 0n;
	// Where the amount stays, more was spent than the lump held: how much, only the windows know.
	if (amount === 0n) return after >= lump.rest;
	return after === (before < lump.rest ? before : lump.rest);
}

function epochOf(row: { readonly gateway_id: string; readonly epoch: string }): string {
	return `${row.gateway_id}/${row.epoch}`;
}

/** undefined where it is no object of decimal strings. */
function readAmounts(value: unknown): Amounts | undefined {
	if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
	const isReadable = Object.values(value).every((amount) => typeof amount === "string" && /^-?\d{1,19}$/.test(amount));
	return isReadable ? (value as Amounts) : undefined;
}

function amountOf(amounts: Amounts, windowId: string): bigint {
	return BigInt(amounts[windowId] ?? 0);
}
