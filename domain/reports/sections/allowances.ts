import { calendarWindow } from "../../budget/window.ts";
import type { ReportFacts } from "../facts.ts";
import { dearestFirst } from "../figures.ts";
import { type Cell, change, columnsOf, money, NONE, type ReportSection, sectionOf, share, text } from "../report.ts";
import type { ReportPeriod } from "../report-period.ts";

/** Of a month, what teams spent beside what their budgets allowed. */
const ROWS_MAX = 30;
const DAY_MS = 86_400_000n;
const WELL_INSIDE_MS = 21_600_000;
const HOURS = 3_600_000n;

type Limit = NonNullable<ReportFacts["allowances"]>[number]["limits"][number];

export function writeAllowances(facts: ReportFacts): ReportSection | null {
	const { period, allowances, teams, teamId, totals } = facts;
	if (period.kind !== "monthly" || allowances === undefined) return null;
	const spentBy = new Map(teamId === null ? (teams ?? []).map(({ name, nanoUsd }) => [name, nanoUsd[0] ?? 0n]) : [[teamId, totals[0]?.nanoUsd ?? 0n]]);
	const allowed = new Map(allowances.map((one) => [one.teamId, allowanceOf(period, one.limits)]));
	const named = [...new Set([...spentBy.keys(), ...allowed.keys()])].flatMap((name) => (name === null ? [] : [name]));
	const rows = named.map((name) => ({ name, spent: spentBy.get(name) ?? 0n, allowance: allowed.get(name) ?? null }));
	if (rows.length === 0) return null;
	const ranked = dearestFirst(
		rows,
		({ spent, allowance }) => spent - (allowance?.nanoUsd ?? spent),
		({ name }) => name,
	);
	const cells = ranked.slice(0, ROWS_MAX).map(({ name, spent, allowance }): readonly Cell[] => {
		if (allowance === null) return [text(name), money(spent), NONE, NONE, NONE, text("no budget that renews")];
		return [
			text(name),
			money(spent),
			money(allowance.nanoUsd),
			share(spent, allowance.nanoUsd),
			change(spent, allowance.nanoUsd),
			text(`from ${allowance.from}`),
		];
	});
	const over = rows.filter(({ spent, allowance }) => allowance !== null && spent > allowance.nanoUsd).length;
	return sectionOf("allowances", "Actual against budget", {
		tables: [
			{
				caption: "Per team, the furthest over its budget first",
				columns: columnsOf("Team", ">Spent", ">Budget", ">Used", ">Against budget", "Budget is"),
				rows: cells,
			},
		],
		notes: [
			...(over === 0 ? [] : [`${over} of ${rows.length} teams spent more than their budgets allow for a month.`]),
			...(ranked.length > ROWS_MAX ? [`${ranked.length - ROWS_MAX} further teams are not shown.`] : []),
		],
	});
}

/** Of several budgets the one that allows least for the whole period; null without one that renews. */
export function allowanceOf(period: ReportPeriod, limits: readonly Limit[]): { readonly nanoUsd: bigint; readonly from: string } | null {
	const allowed = limits.flatMap((limit) => {
		const nanoUsd = allowedIn(period, limit);
		return nanoUsd === null ? [] : [{ nanoUsd, from: `its ${limit.windowKind} budget` }];
	});
	return allowed.reduce<(typeof allowed)[number] | null>((least, one) => (least === null || one.nanoUsd < least.nanoUsd ? one : least), null);
}

/** The limit as it is for a month; of other windows their limit by the days of the period, so that a change of clocks changes nothing. */
function allowedIn(period: ReportPeriod, limit: Limit): bigint | null {
	const days = BigInt(period.endDay - period.firstDay);
	if (limit.windowKind === "month") return limit.limitAmount;
	if (limit.windowKind === "hour") return (limit.limitAmount * BigInt(period.toMs - period.fromMs)) / HOURS;
	const { startsAtMs, endsAtMs } = calendarWindow(limit, period.fromMs + WELL_INSIDE_MS);
	if (endsAtMs === null) return null;
	const windowDays = (BigInt(endsAtMs - startsAtMs) + DAY_MS / 2n) / DAY_MS;
	return (limit.limitAmount * days) / windowDays;
}
