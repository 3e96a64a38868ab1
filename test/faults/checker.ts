import { readFileSync } from "node:fs";
import pg from "pg";
import type { CallRecord } from "./call.ts";
import type { Counts } from "./fault.ts";

/**
 * The black-box checker: reads the provider's log, the ledger and the refusal rows, and nothing else. It shares no code with
 * `tollgate verify`, so that a mistake there hides nothing here; both judge every fault and have to agree.
 */
export type Judgement = { readonly counts: Counts; readonly problems: readonly string[] };

type LogLine = { readonly attemptId: string | null; readonly model: string; readonly serviceTier?: string | null; readonly usage: Usage | null };
type Usage = OpenAiUsage | AnthropicUsage;
type OpenAiUsage = { readonly prompt_tokens: number; readonly completion_tokens: number; readonly prompt_tokens_details?: { readonly cached_tokens?: number } };
type AnthropicUsage = { readonly input_tokens: number; readonly output_tokens: number } & Readonly<
	Partial<Record<"cache_read_input_tokens" | "cache_creation_input_tokens", number | null>>
>;
type AttemptRow = {
	attempt_id: string;
	request_id: string;
	outcome: string;
	priced_model: string;
	price_version: string;
	charged: string | null;
	charges: string;
	is_resolved: boolean;
	/** Counting tokens, which providers neither bill nor log. */
	is_free: boolean;
};
type Books = {
	readonly attempts: readonly AttemptRow[];
	readonly lumps: ReadonlyMap<string, bigint>;
	readonly unresolvedLumps: number;
	readonly refusals: readonly { request_id: string; is_false: boolean }[];
	readonly overspendNanoUsd: bigint;
	readonly pendingAmount: bigint;
	readonly imbalances: readonly string[];
	readonly prices: readonly PriceRow[];
};
type Prices = { input: string; cachedInput: string; output: string };
/** `batch` is null where the model has no price in batches. */
type PriceRow = { version: string; model: string; standard: Prices; batch: Prices | null };

const ATTEMPTS = `
	SELECT a.attempt_id, a.request_id, a.outcome, a.priced_model, a.price_version, e.charged, coalesce(e.charges, 0) AS charges, coalesce(e.is_resolved, false) AS is_resolved,
	       a.endpoint = 'count_tokens' AND a.cost_nano_usd = 0 AS is_free
	FROM tollgate.attempt a LEFT JOIN (
		SELECT attempt_id, sum(amount_nano_usd) AS charged, count(*) FILTER (WHERE kind <> 'adjustment') AS charges, bool_or(detail ? 'resolves') AS is_resolved
		FROM tollgate.entry WHERE attempt_id IS NOT NULL GROUP BY attempt_id
	) e USING (attempt_id)`;

const LUMPS = `
	SELECT gateway_id || '-' || epoch AS epoch, sum(amount_nano_usd) AS amount, count(*) FILTER (WHERE kind = 'lump') AS lumps, count(*) FILTER (WHERE detail ? 'resolves') AS resolved
	FROM tollgate.entry WHERE attempt_id IS NULL AND kind IN ('lump', 'adjustment') GROUP BY 1`;

// Refused although the window had room for it when the refusing grant committed.
const REFUSALS = `
	SELECT r.request_id, r.code = 'budget.exceeded' AND (e.seq IS NULL OR least(e.limit_amount, e.stop_amount) - e.granted_after + r.idle >= r.need) AS is_false
	FROM tollgate.refusal r LEFT JOIN tollgate.window_event e ON e.window_id = r.window_id AND e.seq = r.window_seq WHERE NOT r.is_observed`;

// What the attempts and lumps of a window cost, against the highest limit it ever had. What a provider billed beyond a
// reservation, known at once or found in its log later, is no overspend: it stands beside it, as an overrun or an overhang.
// A window that is observed at the time has no limit: its history says so where it was opened and where its limits changed.
const OVERSPENDS = `
	WITH event AS (
		SELECT e.*, coalesce((
			SELECT x.is_observed FROM tollgate.window_event x WHERE x.window_id = e.window_id AND x.seq <= e.seq AND x.is_observed IS NOT NULL ORDER BY x.seq DESC LIMIT 1
		), false) AS was_observed FROM tollgate.window_event e
	), spent AS (
		SELECT window_id, sum(amount) AS amount FROM (
			SELECT u.window_id, a.cost_nano_usd - a.overrun_nano_usd AS amount FROM tollgate.attempt a CROSS JOIN LATERAL unnest(a.window_ids) AS u (window_id)
			UNION ALL
			SELECT d.key::bigint, CASE e.kind WHEN 'lump' THEN d.value::bigint ELSE least(0, d.value::bigint) END FROM tollgate.entry e CROSS JOIN LATERAL jsonb_each_text(e.detail -> 'windows') AS d WHERE e.kind IN ('lump', 'adjustment')
		) x GROUP BY window_id
	), highest AS (SELECT window_id, max(CASE WHEN was_observed THEN 9223372036854775807 ELSE least(limit_amount, stop_amount) END) AS amount FROM event GROUP BY window_id)
	SELECT coalesce(sum(greatest(0, s.amount - h.amount)), 0) + (
		SELECT coalesce(sum(greatest(0, granted_after - least(limit_amount, stop_amount))), 0) FROM event WHERE kind = 'grant' AND amount > 0 AND NOT was_observed
	) AS overspend FROM spent s JOIN highest h USING (window_id)`;

// Debit and credit of one entry are one amount; what can differ is the attempt's own cost, the posted sum, and the text of a key.
const IMBALANCES = `
	SELECT 'attempt ' || a.attempt_id || ' cost ' || a.cost_nano_usd || ', its entry says ' || coalesce(e.amount_nano_usd::text, 'nothing') AS problem
	FROM tollgate.attempt a LEFT JOIN tollgate.entry e ON e.entry_key = a.attempt_id WHERE e.amount_nano_usd IS DISTINCT FROM a.cost_nano_usd
	UNION ALL
	SELECT 'entry ' || entry_key || ' stands ' || count(*) || ' times' FROM tollgate.entry GROUP BY entry_key HAVING count(*) > 1
	UNION ALL
	SELECT 'window ' || w.id || ' is granted ' || w.granted || ', its leases hold ' || coalesce(sum(l.granted - l.returned), 0)
	FROM tollgate.budget_window w LEFT JOIN tollgate.lease l ON l.window_id = w.id GROUP BY w.id HAVING w.granted <> coalesce(sum(l.granted - l.returned), 0)`;

const PRICES = `
	SELECT version, model, line #> '{tiers,standard,0,prices}' AS standard, line #> '{tiers,batch,0,prices}' AS batch FROM tollgate.price_line`;

/** Judges the books. `records` are what callers were told: whoever was served or refused has to find it in the ledger. */
export async function judge(source: { readonly databaseUrl: string; readonly callLogPath: string }, records: readonly CallRecord[]): Promise<Judgement> {
	const log = readLog(source.callLogPath);
	const books = await readBooks(source.databaseUrl);
	const found = matchLog(log, books);
	const problems = [...found.problems, ...books.imbalances, ...missing(records, books)];
	if (books.pendingAmount !== 0n) problems.push(`${books.pendingAmount} is pending although no gateway runs`);
	const open = (outcome: string): number => books.attempts.filter((attempt) => attempt.outcome === outcome && !attempt.is_resolved).length;
	return {
		counts: {
			calls: log.length,
			admitted: books.attempts.length,
			refused: books.refusals.length,
			overspendNanoUsd: books.overspendNanoUsd,
			falseRefusals: books.refusals.filter(({ is_false }) => is_false).length,
			duplicated: found.duplicated,
			lost: found.lost,
			estimated: open("estimated"),
			unresolved: open("unresolved") + books.unresolvedLumps,
		},
		problems,
	};
}

function readLog(path: string): LogLine[] {
	const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
	return lines.map((line) => JSON.parse(line) as LogLine).filter(({ usage }) => usage !== null);
}

async function readBooks(databaseUrl: string): Promise<Books> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	const rows = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> => (await client.query<Row>(text)).rows;
	try {
		const lumps = await rows<{ epoch: string; amount: string; lumps: string; resolved: string }>(LUMPS);
		const [pending] = await rows<{ amount: string }>("SELECT coalesce(sum(granted - returned - posted), 0) AS amount FROM tollgate.lease");
		return {
			attempts: await rows<AttemptRow>(ATTEMPTS),
			lumps: new Map(lumps.map(({ epoch, amount }) => [epoch, BigInt(amount)])),
			unresolvedLumps: lumps.reduce((sum, row) => sum + (Number(row.resolved) === 0 ? Number(row.lumps) : 0), 0),
			refusals: await rows(REFUSALS),
			overspendNanoUsd: BigInt((await rows<{ overspend: string }>(OVERSPENDS))[0]?.overspend ?? 0),
			pendingAmount: BigInt(pending?.amount ?? 0),
			imbalances: (await rows<{ problem: string }>(IMBALANCES)).map(({ problem }) => problem),
			prices: await rows<PriceRow>(PRICES),
		};
	} finally {
		await client.end();
	}
}

type Found = { duplicated: number; lost: number; readonly problems: string[] };

function matchLog(log: readonly LogLine[], books: Books): Found {
	const found: Found = { duplicated: 0, lost: 0, problems: [] };
	const byId = Map.groupBy(books.attempts, ({ attempt_id }) => attempt_id);
	const left = new Map(books.lumps);
	const seen = new Set<string>();
	for (const line of log) {
		const id = line.attemptId ?? "";
		if (seen.has(id)) found.duplicated += 1;
		seen.add(id);
		const attempt = byId.get(id)?.[0];
		if (attempt === undefined) takeFromLump(line, { left, found, prices: books.prices });
		else compareCost(line, { attempt, found, prices: books.prices });
	}
	for (const [id, attempts] of byId) {
		if (attempts.length > 1 || attempts.some(({ charges }) => Number(charges) !== 1)) found.duplicated += 1;
		if (attempts[0]?.outcome === "settled" && !attempts[0].is_free && !seen.has(id))
			found.problems.push(`attempt ${id} is settled, the provider's log does not hold it`);
	}
	return found;
}

function takeFromLump(line: LogLine, { left, found, prices }: { left: Map<string, bigint>; found: Found; prices: readonly PriceRow[] }): void {
	const epoch = /^(.+-\d+)-\d+$/.exec(line.attemptId ?? "")?.[1] ?? "";
	const rest = (left.get(epoch) ?? 0n) - (costOf(line, prices, undefined) ?? 0n);
	if (!left.has(epoch) || rest < 0n) {
		found.lost += 1;
		found.problems.push(`nothing pays for call ${line.attemptId} of the provider's log`);
	} else left.set(epoch, rest);
}

function compareCost(line: LogLine, { attempt, found, prices }: { attempt: AttemptRow; found: Found; prices: readonly PriceRow[] }): void {
	if (attempt.charged === null) {
		found.lost += 1;
		return;
	}
	const cost = costOf(line, prices, attempt);
	if (cost === undefined) return;
	const charged = BigInt(attempt.charged);
	const isRight = attempt.outcome === "settled" || attempt.is_resolved ? charged === cost : charged >= cost;
	if (!isRight) found.problems.push(`attempt ${attempt.attempt_id} (${attempt.outcome}) is charged ${charged}, the logged call cost ${cost}`);
}

/** Undefined where the log names a model without a price: it then costs the dearest line of the reservation, which `verify` judges. */
function costOf({ model, serviceTier, usage }: LogLine, prices: readonly PriceRow[], attempt: AttemptRow | undefined): bigint | undefined {
	const version = attempt === undefined ? Number.POSITIVE_INFINITY : Number(attempt.price_version);
	const lines = prices.filter((price) => price.model === model && Number(price.version) <= version);
	const line = lines.sort((a, b) => Number(b.version) - Number(a.version))[0];
	const counted = usage === null ? undefined : countTokens(usage);
	const price = serviceTier === "batch" ? line?.batch : line?.standard;
	if (price == null || counted === undefined) return undefined;
	const millionths = counted.fresh * BigInt(price.input) + counted.cached * BigInt(price.cachedInput) + counted.output * BigInt(price.output);
	return (millionths + 999_999n) / 1_000_000n;
}

/** Undefined where tokens were written to a cache, which no call here asks for. */
function countTokens(usage: Usage): { fresh: bigint; cached: bigint; output: bigint } | undefined {
	if ("input_tokens" in usage) {
		if ((usage.cache_creation_input_tokens ?? 0) > 0) return undefined;
		return { fresh: BigInt(usage.input_tokens), cached: BigInt(usage.cache_read_input_tokens ?? 0), output: BigInt(usage.output_tokens) };
	}
	if (usage.prompt_tokens === undefined) return undefined;
	const cached = BigInt(usage.prompt_tokens_details?.cached_tokens ?? 0);
	return { fresh: BigInt(usage.prompt_tokens) - cached, cached, output: BigInt(usage.completion_tokens) };
}

function missing(records: readonly CallRecord[], books: Books): string[] {
	const served = new Set(books.attempts.map(({ request_id }) => request_id));
	const refused = new Set(books.refusals.map(({ request_id }) => request_id));
	return records.flatMap(({ status, requestId, code }) => {
		if (status === 200 && !served.has(requestId ?? "")) return [`request ${requestId} was answered, the ledger does not know it`];
		if (status === 402 && !refused.has(requestId ?? "")) return [`request ${requestId} was refused (${code}), there is no refusal row`];
		return [];
	});
}
