import type { GroupSpend, SpanTotal } from "#domain/reports/facts.ts";
import type { ReportSource } from "./source.ts";

/** What was spent, by span: in all, by team, by model and by feature. */
const MEASURES = "sum(x.amount_nano_usd)::text, sum(x.calls)::text, sum(x.unresolved_nano_usd)::text";

type WireTotal = readonly [span: number, nanoUsd: string, calls: string, unresolvedNanoUsd: string];
type WireGroup = readonly [name: string | null, ...WireTotal];

export const TOTALS: ReportSource<"totals"> = {
	name: "totals",
	sql: () => `(SELECT coalesce(jsonb_agg(jsonb_build_array(span, nano, calls, unresolved)), '[]')
		FROM (SELECT x.span, ${named(MEASURES)} FROM sums x GROUP BY x.span) g)`,
	read: (wire) => bySpan(wire as readonly WireTotal[]),
};

export const TEAMS: ReportSource<"teams"> = { ...groupsBy("teams", "regexp_replace(s.debit_account, '^team/', '')"), isFor: ({ teamId }) => teamId === null };
export const MODELS = groupsBy("models", "nullif(s.model, '')");
export const FEATURES = groupsBy("features", "nullif(s.feature, '')");

function groupsBy<Name extends "teams" | "models" | "features">(name: Name, expression: string): ReportSource<Name> {
	return {
		name,
		sql: () => `(SELECT coalesce(jsonb_agg(jsonb_build_array(name, span, nano, calls, unresolved)), '[]') FROM (
			SELECT ${expression} AS name, x.span, ${named(MEASURES)} FROM sums x JOIN slice s ON s.id = x.slice_id GROUP BY 1, 2) g)`,
		read: (wire) => readGroups(wire as readonly WireGroup[]),
	};
}

function named(measures: string): string {
	const [nano, calls, unresolved] = measures.split(", ");
	return `${nano} AS nano, ${calls} AS calls, ${unresolved} AS unresolved`;
}

function bySpan(rows: readonly WireTotal[]): readonly SpanTotal[] {
	const spans = Math.max(0, ...rows.map(([span]) => span + 1));
	return Array.from({ length: spans }, (_, span) => {
		const [, nanoUsd = "0", calls = "0", unresolvedNanoUsd = "0"] = rows.find((row) => row[0] === span) ?? [];
		return { nanoUsd: BigInt(nanoUsd), calls: BigInt(calls), unresolvedNanoUsd: BigInt(unresolvedNanoUsd) };
	});
}

function readGroups(rows: readonly WireGroup[]): readonly GroupSpend[] {
	const groups = new Map<string | null, WireTotal[]>();
	for (const [name, ...total] of rows) {
		const known = groups.get(name);
		if (known === undefined) groups.set(name, [total]);
		else known.push(total);
	}
	return [...groups].map(([name, totals]) => {
		const spans = bySpan(totals);
		return { name, nanoUsd: spans.map(({ nanoUsd }) => nanoUsd), calls: spans.map(({ calls }) => calls), unresolvedNanoUsd: spans[0]?.unresolvedNanoUsd ?? 0n };
	});
}
