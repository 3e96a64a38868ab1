import type { Queryable } from "#activities/keys/port.ts";
import { assert } from "#domain/assert.ts";
import { comparedPeriods } from "#domain/reports/comparison.ts";
import type { ReportFacts } from "#domain/reports/facts.ts";
import { type ReportPeriod, spanOfDays } from "#domain/reports/report-period.ts";
import { coverSpan, type Span } from "#domain/spend/spans.ts";
import { BATCHES } from "./sources/batches.ts";
import { BUDGETS } from "./sources/budgets.ts";
import { DEAREST_CALLS, REFUSALS } from "./sources/calls.ts";
import { DECISIONS } from "./sources/decisions.ts";
import { ALLOWANCES, EXPECTATIONS } from "./sources/expectations.ts";
import { instant, type ReportScope, type ReportSource } from "./sources/source.ts";
import { FEATURES, MODELS, TEAMS, TOTALS } from "./sources/spend.ts";

/** Another source is another line. */
const SOURCES: readonly ReportSource[] = [TOTALS, TEAMS, MODELS, FEATURES, EXPECTATIONS, DEAREST_CALLS, REFUSALS, BUDGETS, BATCHES, ALLOWANCES, DECISIONS];

/** How many days are drawn; of a month its own. */
const DAYS_DRAWN = { daily: 28, weekly: 35, monthly: 0 } as const;

type WirePart = { readonly span: number; readonly from: string; readonly to: string; readonly isWhole: boolean };
type Gathered = { readonly facts: Readonly<Record<string, unknown>> };

/** Everything a report is written from, in one statement and so in one snapshot. What the ledger booked is counted before (count-dear-calls.ts). */
export async function gatherFacts(database: Queryable, scope: ReportScope): Promise<ReportFacts> {
	const { period, teamId } = scope;
	const { text, values } = factsSql(scope);
	const { rows } = await database.query<Gathered>(text, values);
	const facts = rows[0]?.facts;
	assert(facts !== undefined, "a statement without a condition answers with a row");
	const read = SOURCES.filter((source) => source.isFor?.(scope) ?? true).map((source) => [source.name, source.read(facts[source.name], scope)] as const);
	const { chunks, bookedUpToMs } = facts["cut"] as { readonly chunks: string; readonly bookedUpToMs: number | null };
	const drawn = new Map((facts["days"] as readonly (readonly [day: number, nanoUsd: string])[]).map(([day, nanoUsd]) => [day, BigInt(nanoUsd)]));
	const days = daysDrawn(period).map((day) => ({ day, nanoUsd: drawn.get(day) ?? 0n }));
	return {
		...(Object.fromEntries(read) as Pick<ReportFacts, "totals">),
		...{ period, teamId, days, cut: { chunks, bookedUpToMs }, firstBookedMs: facts["firstBookedMs"] as number | null },
	};
}

/** When the first booking of a team, or of anybody, was; null = never. */
export async function readFirstBooking(database: Queryable, teamId: string | null): Promise<number | null> {
	const { rows } = await database.query<{ at: number | null }>(
		`SELECT ${FIRST_BOOKED(teamId === null ? "NULL" : "$1")}::float8 AS at`,
		teamId === null ? [] : [teamId],
	);
	return rows[0]?.at ?? null;
}

const FIRST_BOOKED = (team: string): string =>
	team === "NULL"
		? `(SELECT tollgate.to_ms(min(h.starts_at)) FROM tollgate.spend_hour h WHERE h.starts_at < (
			SELECT min(d.starts_at) + interval '24 hours' FROM tollgate.spend_utc_day d WHERE d.starts_at < (SELECT min(m.starts_at) + interval '31 days' FROM tollgate.spend_utc_month m)))`
		: `(SELECT tollgate.to_ms(min(h.starts_at)) FROM tollgate.spend_slice s CROSS JOIN LATERAL (
			SELECT x.starts_at FROM tollgate.spend_hour x WHERE x.slice_id = s.id ORDER BY x.starts_at LIMIT 1) h WHERE s.debit_account = 'team/' || ${team}::text)`;

function factsSql(scope: ReportScope): { readonly text: string; readonly values: unknown[] } {
	const { period, teamId } = scope;
	const values: unknown[] = [];
	const put = (value: unknown): string => `$${values.push(value)}`;
	const team = teamId === null ? "NULL" : put(teamId);
	const spans = partsOf(comparedPeriods(period).map((one, span) => [span, one]));
	const days = partsOf(daysDrawn(period).map((day) => [day, spanOfDays(day, day + 1, period.timeZone)]));
	const parts = SOURCES.filter((source) => source.isFor?.(scope) ?? true).map(({ name, sql }) => `'${name}', ${sql(scope, put)}`);
	const text = `
		WITH slice AS MATERIALIZED (
			SELECT s.* FROM tollgate.spend_slice s WHERE s.dimension = '' ${teamId === null ? "" : `AND s.debit_account = 'team/' || ${team}::text`}
		), sums AS MATERIALIZED (
			SELECT p.span, x.slice_id, sum(x.calls) AS calls, sum(x.amount_nano_usd) AS amount_nano_usd, sum(x.unresolved_nano_usd) AS unresolved_nano_usd
			FROM ${sumsOver(put(JSON.stringify(spans)), teamId !== null)} GROUP BY 1, 2
		), drawn AS MATERIALIZED (
			SELECT p.span, sum(x.amount_nano_usd) AS amount_nano_usd FROM ${sumsOver(put(JSON.stringify(days)), teamId !== null)} GROUP BY 1
		)
		SELECT jsonb_build_object(${[
			`'cut', (SELECT jsonb_build_object('chunks', coalesce(sum(c.chunk_seq), 0)::text, 'bookedUpToMs', tollgate.to_ms(max(k.at)))
				FROM tollgate.spend_counted c LEFT JOIN tollgate.chunk k ON k.gateway_id = c.gateway_id AND k.epoch = c.epoch AND k.chunk_seq = c.chunk_seq)`,
			`'firstBookedMs', ${FIRST_BOOKED(team)}`,
			"'days', (SELECT coalesce(jsonb_agg(jsonb_build_array(span, amount_nano_usd::text)), '[]') FROM drawn)",
			...parts,
		].join(",\n")}) AS facts`;
	return { text, values };
}

/** Rows `p` (parts of spans) and `x` (sums in them, of combinations), of all slices by time, or of one team's slices by their own. */
function sumsOver(parts: string, isOfTeam: boolean): string {
	const own = (table: string): string => (isOfTeam ? `AND ${table}.slice_id = s.id` : `AND ${table}.slice_id IN (SELECT id FROM slice)`);
	return `jsonb_to_recordset(${parts}::jsonb) AS p (span integer, "from" timestamptz, "to" timestamptz, "isWhole" boolean) ${isOfTeam ? "CROSS JOIN slice s" : ""}
		CROSS JOIN LATERAL (
			SELECT h.slice_id, h.calls, h.amount_nano_usd, h.unresolved_nano_usd FROM tollgate.spend_hour h
			WHERE NOT p."isWhole" AND h.starts_at >= p."from" AND h.starts_at < p."to" ${own("h")}
			UNION ALL
			SELECT d.slice_id, d.calls, d.amount_nano_usd, d.unresolved_nano_usd FROM tollgate.spend_utc_day d
			WHERE p."isWhole" AND d.starts_at >= p."from" AND d.starts_at < p."to" ${own("d")}
		) x`;
}

/** Whole days of UTC in the middle of a span, hours at its ends. */
function partsOf(spans: readonly (readonly [number, Span])[]): readonly WirePart[] {
	return spans.flatMap(([span, { fromMs, toMs }]) => {
		const { whole, before, after } = coverSpan({ fromMs, toMs }, "day");
		const parts: readonly (readonly [Span, boolean])[] = [
			[before, false],
			[whole, true],
			[after, false],
		];
		return parts.flatMap(([part, isWhole]) => (part.fromMs < part.toMs ? [{ span, from: instant(part.fromMs), to: instant(part.toMs), isWhole }] : []));
	});
}

function daysDrawn({ kind, firstDay, endDay }: ReportPeriod): readonly number[] {
	const from = Math.min(firstDay, endDay - DAYS_DRAWN[kind]);
	return Array.from({ length: endDay - from }, (_, index) => from + index);
}
