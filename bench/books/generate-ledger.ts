import type pg from "pg";
import { createRandom } from "../statistics/random.ts";

/**
 * A ledger as a company has it after some time, from a seed: twenty teams of different size, each with features, users, keys and agent runs, growing by a
 * third of a percent a day, quiet on weekends, with a wild day now and then, and with a model that is changed for a cheaper one after two thirds of the time.
 */
export type LedgerPlan = { readonly attempts: number; readonly days: number; readonly seed: number };

const GROWTH_PER_DAY = 1.0033;
const WEEKDAYS = [0.35, 1, 1.05, 1.1, 1.05, 0.95, 0.4] as const;
const SPIKE_SHARE = 0.015;
const SPIKE = 2.5;
const CHUNK_ENTRIES = 500;
const CALLS_PER_RUN = 20;
const DAY_MS = 86_400_000;

/** Midnights (UTC), the last one yesterday's, and the calls of each day. */
export function planDays({ attempts, days, seed }: LedgerPlan, nowMs: number): readonly { readonly startsAt: string; readonly calls: number }[] {
	const random = createRandom(seed);
	const today = Math.floor(nowMs / DAY_MS);
	const weights = Array.from({ length: days }, (_, index) => {
		const day = today - days + index;
		const weekday = WEEKDAYS[(day + 4) % 7] ?? 1;
		return { day, weight: GROWTH_PER_DAY ** index * weekday * (0.9 + 0.2 * random()) * (random() < SPIKE_SHARE ? SPIKE : 1) };
	});
	const total = weights.reduce((sum, { weight }) => sum + weight, 0);
	return weights.map(({ day, weight }) => ({ startsAt: new Date(day * DAY_MS).toISOString(), calls: Math.max(1, Math.round((attempts * weight) / total)) }));
}

/** Fills a migrated, empty database; entries stand in chunks, without the hashes that verify would look at. Returns how many calls there are. */
export async function generateLedger(client: pg.Client, plan: LedgerPlan, onDay: (done: number, calls: number) => void): Promise<number> {
	const days = planDays(plan, Date.now());
	await client.query("SET synchronous_commit = off");
	await client.query("SELECT setseed($1)", [(plan.seed % 1000) / 1000]);
	await client.query("INSERT INTO tollgate.team (id) SELECT 'team-' || n FROM generate_series(0, 19) n");
	await openMonths(client, days[0]?.startsAt ?? "");
	const switchAt = days[Math.floor((days.length * 2) / 3)]?.startsAt ?? "";
	let calls = 0;
	for (const [index, day] of days.entries()) {
		await client.query({ name: "runs", text: RUNS, values: [day.startsAt, Math.ceil((day.calls * 0.4) / CALLS_PER_RUN)] });
		await client.query({ name: "calls", text: CALLS, values: [day.startsAt, day.calls, calls, switchAt] });
		calls += day.calls;
		onDay(index + 1, calls);
	}
	await client.query(
		`INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash)
		 SELECT 'books', 1, seq, $1, '', '' FROM generate_series(1, ceil($2::numeric / $1)::bigint) seq`,
		[CHUNK_ENTRIES, calls],
	);
	await client.query("ANALYZE");
	return calls;
}

/** ensure_partitions makes those of the future; these are the ones before. */
async function openMonths(client: pg.Client, firstDay: string): Promise<void> {
	const { rows } = await client.query<{ suffix: string; from: string; to: string }>(
		`SELECT to_char(m, '_YYYY_MM') AS suffix, (m AT TIME ZONE 'UTC')::text AS from, ((m + interval '1 month') AT TIME ZONE 'UTC')::text AS to
		 FROM generate_series(date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC'), date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month', interval '1 month') m`,
		[firstDay],
	);
	for (const { suffix, from, to } of rows)
		for (const table of ["attempt", "entry"])
			await client.query(`CREATE TABLE tollgate.${table}${suffix} PARTITION OF tollgate.${table} FOR VALUES FROM ('${from}') TO ('${to}')`);
}

const RUNS = `
	INSERT INTO tollgate.run (number, id, team_id, key_id, origin, root_number, path) OVERRIDING SYSTEM VALUE
	SELECT n, 'run-' || n, 'team-' || n % 20, 'key_' || n % 20, 'header', n, ARRAY[n]
	FROM (SELECT coalesce(max(number), 0) AS last FROM tollgate.run) r, generate_series(r.last + 1, r.last + $2::bigint) n
	WHERE $1::timestamptz IS NOT NULL`;

/**
 * Team and user by a square, so that some are large. A user works on two features; four calls of ten are steps of that day's runs, each of one user and
 * feature.
 */
const CALLS = `
	WITH run AS (SELECT max(number) AS last FROM tollgate.run),
	draw AS MATERIALIZED (
		SELECT n + $3::bigint AS n, $1::timestamptz + interval '1 second' * least(86399, greatest(0, 46800 + 14400 * random_normal()))::int AS at,
		       CASE WHEN random() < 0.4 THEN (SELECT last FROM run) - (n / 50) END AS run, floor(20 * random() ^ 2)::int AS team, floor(2 * random())::int AS which,
		       floor(100 * random() ^ 2)::int AS person, random() AS model, random() AS place, exp(6.5 + 0.8 * random_normal())::bigint AS input, exp(5.2 + 0.7 * random_normal())::bigint AS output
		FROM generate_series(1, $2::bigint) n
	), call AS MATERIALIZED (
		SELECT d.n, d.at, 'books-1-' || d.n AS attempt_id, coalesce(d.run % 20, d.team) AS team, coalesce(d.run % 5, (d.person + d.which) % 5) AS feature, coalesce(d.run % 100, d.person) AS person, d.place, d.input, d.output, d.run,
		       CASE WHEN d.model < 0.5 THEN CASE WHEN d.at < $4::timestamptz THEN 'gpt-4o' ELSE 'gpt-4.1-mini' END WHEN d.model < 0.8 THEN 'gpt-4o-mini' WHEN d.model < 0.95 THEN 'claude-sonnet-4-5' ELSE 'o3' END AS model
		FROM draw d
	), priced AS MATERIALIZED (
		SELECT c.*, (c.input * p.input + c.output * p.output)::bigint AS cost, CASE c.model WHEN 'claude-sonnet-4-5' THEN 'anthropic' ELSE 'openai' END AS provider
		FROM call c JOIN (VALUES ('gpt-4o', 2500, 10000), ('gpt-4.1-mini', 400, 1600), ('gpt-4o-mini', 150, 600), ('claude-sonnet-4-5', 3000, 15000), ('o3', 2000, 8000)) p (model, input, output) ON p.model = c.model
	), attempts AS (
		INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, feature, user_id, environment, provider, deployment, protocol, endpoint,
			model, priced_model, priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, output_tokens, window_ids, run_ids, task_kind)
		SELECT attempt_id, at, at, 'req_' || n, 'books', 1, 'team-' || team, 'key_' || team, 'feature-' || feature, 'user-' || team || '-' || person, CASE WHEN place < 0.9 THEN 'production' ELSE 'staging' END,
		       provider, provider, provider, 'chat.completions', model, model, '{standard}', 'settled', cost, input + output, cost, input + output, 1, at, input, output, '{}', CASE WHEN run IS NOT NULL THEN ARRAY[run] END,
		       CASE WHEN run IS NOT NULL THEN 'tools' WHEN output <= 16 THEN 'classification' WHEN input <= 2000 AND output <= 200 THEN 'short_answer'
		            WHEN output <= 500 AND input >= 4 * output THEN 'summary' ELSE 'long' END
		FROM priced
	)
	INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
	SELECT attempt_id, at, 'charge', attempt_id, 'books', 1, (n - 1) / ${CHUNK_ENTRIES} + 1, 'team/team-' || team, 'provider/' || provider, cost, 1 FROM priced`;
