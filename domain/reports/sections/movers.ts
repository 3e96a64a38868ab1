import { beforeLabel, comparableSpans, compareGroups } from "../comparison.ts";
import type { GroupSpend, ReportFacts } from "../facts.ts";
import { dearestFirst } from "../figures.ts";
import { type Cell, change, columnsOf, money, type ReportSection, sectionOf, text } from "../report.ts";

/** What moved most, up or down, in dollars: a large share of little money moves nobody. */
const MOVERS_MAX = 10;

export function writeMovers(facts: ReportFacts): ReportSection | null {
	const comparable = comparableSpans(facts);
	if (facts.period.kind === "daily" || comparable === 0) return null;
	const kinds: readonly (readonly [string, readonly GroupSpend[] | undefined])[] = [
		["Team", facts.teamId === null ? facts.teams : undefined],
		["Model", facts.models],
		["Feature", facts.features],
	];
	const moved = kinds.flatMap(([kind, groups = []]) =>
		compareGroups(groups, comparable).map(({ name, nowNanoUsd, beforeNanoUsd }) => {
			const before = beforeNanoUsd ?? 0n;
			return { kind, name: name ?? `without a ${kind.toLowerCase()}`, now: nowNanoUsd, before, by: nowNanoUsd - before };
		}),
	);
	const movers = dearestFirst(
		moved.filter(({ by }) => by !== 0n),
		({ by }) => (by < 0n ? -by : by),
		({ kind, name }) => `${kind} ${name}`,
	).slice(0, MOVERS_MAX);
	if (movers.length === 0) return null;
	const rows = movers.map(({ kind, name, now, before, by }): readonly Cell[] => [
		text(name),
		text(kind),
		money(by),
		change(now, before),
		money(now),
		money(before),
	]);
	const columns = columnsOf("Name", "Is a", ">Difference", ">Change", ">Spent", `>${beforeLabel(facts)}`);
	return sectionOf("movers", "What moved most", { tables: [{ caption: "Largest differences, in dollars", columns, rows }] });
}
