import { beforeLabel, type Compared, comparableSpans, compareGroups } from "../comparison.ts";
import { expectationOf, expectFrom } from "../expectation.ts";
import type { GroupSpend, ReportFacts } from "../facts.ts";
import { dearestFirst, sumOf } from "../figures.ts";
import { type Cell, change, columnsOf, count, money, NONE, type ReportSection, type ReportTable, sectionOf, share, text } from "../report.ts";

/** What was spent by team, by model and by feature, with what it was before. The last row is the sum of all, those that are not shown one by one included. */
const ROWS_MAX = 15;
/** No team has such an id. */
const ALL = "@all";

export function writeTeams(facts: ReportFacts): ReportSection | null {
	if (facts.teamId !== null || facts.teams === undefined || facts.teams.length === 0) return null;
	const table = facts.expectations === undefined ? tableBy("Team", facts.teams, facts) : teamsAgainstExpected(facts.teams, facts, facts.expectations);
	return sectionOf("teams", "By team", { tables: [table] });
}

export function writeModels(facts: ReportFacts): ReportSection | null {
	return facts.models === undefined || facts.models.length === 0 ? null : sectionOf("models", "By model", { tables: [tableBy("Model", facts.models, facts)] });
}

export function writeFeatures(facts: ReportFacts): ReportSection | null {
	return facts.features === undefined || facts.features.length === 0
		? null
		: sectionOf("features", "By feature", { tables: [tableBy("Feature", facts.features, facts)] });
}

function tableBy(label: string, groups: readonly GroupSpend[], facts: ReportFacts): ReportTable {
	const { ranked, comparable, whole } = rank(groups, facts);
	// What a phone shows first stands first.
	const row = (name: string, group: Compared): readonly Cell[] => [
		...[text(name), money(group.nowNanoUsd), change(group.nowNanoUsd, group.beforeNanoUsd), money(group.beforeNanoUsd)],
		...[share(group.nowNanoUsd, whole), count(group.calls[0] ?? 0n)],
	];
	return {
		caption: `Spent by ${label.toLowerCase()}`,
		columns: columnsOf(label, ">Spent", ">Change", `>${comparable === 0 ? "Before" : beforeLabel(facts)}`, ">Share", ">Calls"),
		...withOthers(ranked, label, row),
	};
}

/** Of each team what was expected of the day, and how far it is from that. */
function teamsAgainstExpected(groups: readonly GroupSpend[], facts: ReportFacts, expectations: NonNullable<ReportFacts["expectations"]>): ReportTable {
	const known = new Map(expectations.map((one) => [one.teamId, one]));
	const { ranked, comparable } = rank(groups, facts);
	const expectedOf = ({ name, nanoUsd }: Compared): bigint | null => {
		if (name === ALL) return expectationOf(facts, null)?.amountNanoUsd ?? null;
		const of = known.get(name);
		return of === undefined ? null : (expectFrom(facts, of, nanoUsd)?.amountNanoUsd ?? null);
	};
	const row = (name: string, group: Compared): readonly Cell[] => {
		const expected = expectedOf(group);
		const compared = expected === null ? [NONE, NONE] : [change(group.nowNanoUsd, expected), money(expected)];
		return [text(name), money(group.nowNanoUsd), ...compared, change(group.nowNanoUsd, group.beforeNanoUsd), count(group.calls[0] ?? 0n)];
	};
	return {
		caption: "Spent by team, against what was expected of the day",
		columns: columnsOf("Team", ">Spent", ">Against expected", ">Expected", `>Against ${comparable === 0 ? "before" : beforeLabel(facts)}`, ">Calls"),
		...withOthers(ranked, "Team", row),
	};
}

function rank(groups: readonly GroupSpend[], facts: ReportFacts) {
	const comparable = comparableSpans(facts);
	const compared = compareGroups(groups, comparable);
	// What was spent before and is not any more tells something too; what is nothing on both sides does not.
	const shown = compared.filter(({ nowNanoUsd, beforeNanoUsd, calls }) => nowNanoUsd !== 0n || (calls[0] ?? 0n) > 0n || (beforeNanoUsd ?? 0n) > 0n);
	const ranked = dearestFirst(
		shown,
		({ nowNanoUsd }) => nowNanoUsd,
		({ name }) => name ?? "",
	);
	return { ranked, comparable, whole: sumOf(ranked.map(({ nowNanoUsd }) => nowNanoUsd)) };
}

function withOthers(ranked: readonly Compared[], label: string, row: (name: string, group: Compared) => readonly Cell[]): Pick<ReportTable, "rows" | "total"> {
	const others = ranked.slice(ROWS_MAX);
	const rows = ranked.slice(0, ROWS_MAX).map((group) => row(group.name ?? `without a ${label.toLowerCase()}`, group));
	return {
		rows: others.length === 0 ? rows : [...rows, row(`${others.length} others`, sumGroups(others))],
		total: row("All", { ...sumGroups(ranked), name: ALL }),
	};
}

/** Of no team, so nothing is expected of it. */
function sumGroups(groups: readonly Compared[]): Compared {
	const before = groups.flatMap(({ beforeNanoUsd }) => (beforeNanoUsd === null ? [] : [beforeNanoUsd]));
	return {
		name: "@others",
		nanoUsd: [],
		calls: [sumOf(groups.map(({ calls }) => calls[0] ?? 0n))],
		unresolvedNanoUsd: 0n,
		nowNanoUsd: sumOf(groups.map(({ nowNanoUsd }) => nowNanoUsd)),
		beforeNanoUsd: groups.length === before.length && before.length > 0 ? sumOf(before) : null,
	};
}
