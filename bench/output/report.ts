import { BARS, judgeBar } from "../judge/bars.ts";
import { FIRST_TOKEN, type Figures, GAP_P99, type Measure, P50, P99 } from "../judge/figures.ts";
import type { LaneVerdict } from "../judge/lane-verdict.ts";
import { TRIED } from "../judge/tried.ts";
import { LANE_TITLES, type LaneName, type LaneStart } from "../lanes/lane.ts";
import type { WindowRecord } from "../rounds/window-record.ts";
import type { Scenario } from "../scenarios.ts";
import { type Estimate, median } from "../statistics/estimate.ts";
import { textTable } from "./text-table.ts";

const HEADROOM_SHARE = 0.6;

export type ReportInput = {
	readonly figures: Figures;
	readonly scenarios: readonly Scenario[];
	readonly records: readonly WindowRecord[];
	readonly starts: readonly LaneStart[];
	readonly verdicts: ReadonlyMap<LaneName, LaneVerdict>;
};

/** Everything measured side by side, as lines: one table per scenario, the lanes and whether they count, the bars. */
export function describeRun(input: ReportInput): string[] {
	return [...input.scenarios.flatMap((scenario) => describeScenario(input, scenario)), ...describeLanes(input), ...describeBars(input.figures)];
}

function describeScenario({ figures, records, starts, verdicts }: ReportInput, scenario: Scenario): string[] {
	const served = starts.flatMap((start) => (start.kind === "served" && scenario.lanes.includes(start.lane.name) ? [start.lane] : []));
	const lanes = served.filter(({ noStreams }) => !(scenario.isStream && noStreams !== undefined)).map(({ name }) => name);
	const columns = columnsOf(scenario);
	const rows = lanes.map((lane) => {
		const windows = records.filter((record) => record.lane === lane && record.scenario === scenario.name);
		const voids = windows.filter(({ voidBecause }) => voidBecause.length > 0);
		const mark = (verdicts.get(lane)?.voidBecause.length ?? 0) > 0 ? `${lane} (VOID)` : lane;
		const core1 = median(windows.map(({ core1Busy }) => core1Busy)) * 100;
		const foreign = median(windows.map(({ core0Foreign }) => core0Foreign)) * 100;
		return [
			mark,
			...columns.map(({ cell }) => cell(figures, lane)),
			core1.toFixed(0),
			foreign.toFixed(0),
			`${windows.length - voids.length}/${windows.length}`,
		];
	});
	const head = ["lane", ...columns.map(({ title }) => title), "core 1 %", "core 0 other %", "good windows"];
	return [`${scenario.name}: ${scenario.title}`, ...textTable(head, rows), ...(scenario.name === "peak" ? describeHeadroom(figures, lanes) : []), ""];
}

/** A rate near what provider and driver reach without a gateway would be their limit and not the gateway's. */
function describeHeadroom(figures: Figures, lanes: readonly LaneName[]): string[] {
	const direct = figures.rate("peak", "direct").median;
	const shares = lanes.filter((lane) => lane !== "direct").map((lane) => figures.rate("peak", lane).median / direct);
	const most = Math.max(...shares.filter((share) => Number.isFinite(share)));
	if (!Number.isFinite(most)) return [];
	const verdict = most > HEADROOM_SHARE ? "too much: the driver may be the limit" : "enough headroom";
	return [`the fastest lane reaches ${(most * 100).toFixed(0)} % of direct: ${verdict}`];
}

type Column = { readonly title: string; readonly cell: (figures: Figures, lane: LaneName) => string };

function columnsOf({ name }: Scenario): readonly Column[] {
	const added = (title: string, measure: Measure): Column => ({
		title: `added ${title}`,
		cell: (figures, lane) => (lane === "direct" ? range(figures.plain(name, lane, measure), 3) : range(figures.added(name, lane, measure), 3)),
	});
	if (name === "peak") {
		return [
			{ title: "calls/s", cell: (figures, lane) => range(figures.rate(name, lane), 0) },
			{ title: "CPU s/1,000", cell: (figures, lane) => (lane === "direct" ? "" : figures.cpu(name, lane).median.toFixed(3)) },
		];
	}
	if (name === "stream") return [added("first token ms", FIRST_TOKEN), added("gap p99 ms", GAP_P99)];
	return [added("p50 ms", P50), added("p99 ms", P99)];
}

function describeLanes({ figures, starts, verdicts }: ReportInput): string[] {
	const rows = starts.map((start) => {
		if (start.kind === "not_served") return [start.name, "", "", "", "", `not served: ${start.reason.split("\n")[0]}`];
		const { name, version, noStreams } = start.lane;
		const verdict = verdicts.get(name);
		const state =
			verdict === undefined
				? ""
				: verdict.voidBecause.length === 0
					? `good${noStreams === undefined ? "" : `; streams not served: ${noStreams.split("\n")[0]}`}`
					: `VOID: ${verdict.voidBecause.join("; ")}`;
		const memory = name === "direct" ? "" : figures.residentMegabytes(name).median.toFixed(0);
		return [name, version, String(verdict?.calls ?? ""), String(verdict?.entries ?? ""), memory, state];
	});
	const titles = starts.map((start) => (start.kind === "served" ? start.lane.name : start.name)).map((name) => `  ${name}: ${LANE_TITLES[name]}`);
	return ["lanes", ...textTable(["lane", "version", "calls", "ledger entries", "memory MB", "counts?"], rows), ...titles, ""];
}

function describeBars(figures: Figures): string[] {
	const rows = BARS.map((bar) => {
		const { figure, verdict } = judgeBar(bar, figures);
		return [bar.name, `${bar.sense === "most" ? "<=" : ">="} ${bar.limit} ${bar.unit}`, range(figure, 2), verdict.replace("_", " ")];
	});
	const isAllMet = rows.every(([, , , verdict]) => verdict === "met" || verdict === "not judged");
	const tried = isAllMet ? [] : ["", "tried so far", ...TRIED.map((words) => `- ${words}`)];
	return ["bars (median over rounds, 95 % interval)", ...textTable(["bar", "limit", "measured", "verdict"], rows), ...tried, ""];
}

/** "0.41 (0.38..0.44)"; a dash where nothing was measured. */
export function range({ median: middle, low, high, rounds }: Estimate, digits: number): string {
	if (rounds === 0) return "-";
	const text = (value: number): string => (Number.isFinite(value) ? value.toFixed(digits) : value > 0 ? "inf" : "-inf");
	return `${text(middle)} (${text(low)}..${text(high)})`;
}
