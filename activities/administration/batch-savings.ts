import type { Queryable } from "#activities/keys/port.ts";
import { formatInstant } from "#domain/budget/window.ts";

/** What batches cost beside real time. Amounts are decimal strings of nano-USD. */
type Sums = {
	/** That were billed. */
	readonly items: number;
	/** Of all tries, as the ledger booked them. */
	readonly costNanoUsd: string;
	readonly realTimeNanoUsd: string;
	/** The difference; below zero where tries beside others cost more than was saved. */
	readonly savedNanoUsd: string;
	/** Of items handed in alone: answered after their deadline. */
	readonly lateItems: number;
};
/** `origin`: "caller" of batches that callers made of files, "collected" of items handed in alone. */
export type TeamSavings = Sums & { readonly teamId: string; readonly origin: "caller" | "collected" };
export type BatchSavings = { readonly since: string; readonly until: string; readonly teams: readonly TeamSavings[]; readonly total: Sums };

const DAY_MS = 86_400_000;
const NOW = "SELECT tollgate.to_ms(clock_timestamp())::float8 AS now_ms";

// Each item's columns stand in the index batch_item_billed (0035). What nobody could price in real time saved nothing.
const SAVINGS = `
	WITH late AS (
		SELECT i.team_id, count(*) AS items FROM tollgate.batch_item i
		WHERE i.attribution IS NOT NULL AND i.answered_at > i.deadline AND i.answered_at >= $2 AND ($1::text IS NULL OR i.team_id = $1) GROUP BY i.team_id
	)
	SELECT s.*, (s."realTimeNanoUsd"::numeric - s."costNanoUsd"::numeric)::text AS "savedNanoUsd",
	       CASE s.origin WHEN 'collected' THEN coalesce((SELECT l.items FROM late l WHERE l.team_id = s."teamId"), 0) ELSE 0 END::float8 AS "lateItems"
	FROM (
		SELECT b.team_id AS "teamId", b.origin, sum(i.items)::float8 AS items, sum(b.settled_nano_usd)::text AS "costNanoUsd", sum(i.real_time)::text AS "realTimeNanoUsd"
		FROM tollgate.batch b CROSS JOIN LATERAL (
			SELECT count(*) AS items, coalesce(sum(coalesce(x.real_time_nano_usd, x.cost_nano_usd)), 0) AS real_time
			FROM tollgate.batch_item x WHERE x.batch_number = b.number AND x.cost_nano_usd IS NOT NULL
		) i
		WHERE (b.ended_at >= $2 OR b.ended_at IS NULL) AND (i.items > 0 OR b.settled_nano_usd > 0) AND ($1::text IS NULL OR b.team_id = $1)
		GROUP BY b.team_id, b.origin
	) s ORDER BY 1, 2`;

/** Of batches that ended in the last `days`, and of those that have not ended what they cost so far; by team, and by how they came. */
export async function readBatchSavings(database: Queryable, of: { readonly teamId?: string | undefined; readonly days: number }): Promise<BatchSavings> {
	const untilMs = (await database.query<{ now_ms: number }>(NOW)).rows[0]?.now_ms ?? 0;
	const since = formatInstant(untilMs - of.days * DAY_MS);
	const { rows: teams } = await database.query<TeamSavings>(SAVINGS, [of.teamId ?? null, since]);
	return { since, until: formatInstant(untilMs), teams, total: addSavings(teams) };
}

export function addSavings(parts: readonly Sums[]): Sums {
	const count = (of: (part: Sums) => number): number => parts.reduce((so, part) => so + of(part), 0);
	const amount = (of: (part: Sums) => string): string => parts.reduce((so, part) => so + BigInt(of(part)), 0n).toString();
	return {
		items: count(({ items }) => items),
		costNanoUsd: amount(({ costNanoUsd }) => costNanoUsd),
		realTimeNanoUsd: amount(({ realTimeNanoUsd }) => realTimeNanoUsd),
		savedNanoUsd: amount(({ savedNanoUsd }) => savedNanoUsd),
		lateItems: count(({ lateItems }) => lateItems),
	};
}
