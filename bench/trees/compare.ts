import { range } from "../output/report.ts";
import { textTable } from "../output/text-table.ts";
import type { WindowRecord } from "../rounds/window-record.ts";
import { type Estimate, estimate, estimateFrom, median } from "../statistics/estimate.ts";
import type { Random } from "../statistics/random.ts";

type Record = Pick<WindowRecord<string>, "lane" | "round" | "voidBecause" | "latency" | "cpuSecondsPerThousand" | "answeredPerSecond">;

/** What of a window is compared. */
const FIGURES: readonly { readonly title: string; readonly isAdded: boolean; readonly of: (record: Record) => number }[] = [
	{ title: "added p50", isAdded: true, of: ({ latency }) => latency.percentileMs(50) },
	{ title: "added p99", isAdded: true, of: ({ latency }) => latency.percentileMs(99) },
	{ title: "CPU a call", isAdded: false, of: ({ cpuSecondsPerThousand }) => cpuSecondsPerThousand },
	{ title: "calls a second", isAdded: false, of: ({ answeredPerSecond }) => answeredPerSecond },
];

/** How each lane stands to the first tree's: ratios of medians over the rounds in which both, and direct, are good. */
export function compareTrees(records: readonly Record[], lanes: readonly [string, ...string[]], random: Random): string[] {
	const rounds = goodRounds(records);
	const [base, ...others] = lanes;
	const plain = lanes.map((lane) => {
		const windows = records.filter((record) => record.lane === lane);
		const good = windows.filter(({ voidBecause }) => voidBecause.length === 0);
		const cell = (of: (record: Record) => number, digits: number) => range(estimate(good.map(of), random), digits);
		const latencies = [50, 99].map((percentile) => cell(({ latency }) => latency.percentileMs(percentile), 3));
		return [lane, ...latencies, cell(({ cpuSecondsPerThousand }) => cpuSecondsPerThousand * 1_000, 0), `${good.length}/${windows.length}`];
	});
	const ratios = others
		.filter((lane) => lane !== "direct")
		.map((lane) => [lane, ...FIGURES.map((figure) => range(ratioOf(rounds, { upper: lane, lower: base, figure }, random), 3))]);
	return [
		...textTable(["lane", "p50 ms", "p99 ms", "CPU us", "good windows"], plain),
		"",
		...textTable([`over ${base}`, ...FIGURES.map(({ title }) => title)], ratios),
	];
}

type Compared = { readonly upper: string; readonly lower: string; readonly figure: (typeof FIGURES)[number] };

function ratioOf(rounds: readonly ReadonlyMap<string, Record>[], { upper, lower, figure }: Compared, random: Random): Estimate {
	const values = rounds.flatMap((round) => {
		const [above, below, direct] = [round.get(upper), round.get(lower), round.get("direct")];
		if (above === undefined || below === undefined || direct === undefined) return [];
		const nothing = figure.isAdded ? figure.of(direct) : 0;
		return [{ upper: figure.of(above) - nothing, lower: figure.of(below) - nothing }];
	});
	return estimateFrom(values, (drawn) => median(drawn.map((each) => each.upper)) / median(drawn.map((each) => each.lower)), random);
}

/** By round the good window of each lane. */
function goodRounds(records: readonly Record[]): readonly ReadonlyMap<string, Record>[] {
	const rounds = new Map<number, Map<string, Record>>();
	for (const record of records) {
		const round = rounds.get(record.round) ?? new Map<string, Record>();
		rounds.set(record.round, round);
		if (record.voidBecause.length === 0) round.set(record.lane, record);
	}
	return [...rounds.values()];
}
