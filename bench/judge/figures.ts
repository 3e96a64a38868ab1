import type { LaneName } from "../lanes/lane.ts";
import { joinParts, type WindowRecord } from "../rounds/window-record.ts";
import type { ScenarioName } from "../scenarios.ts";
import { type Estimate, estimate, estimateFrom, median } from "../statistics/estimate.ts";
import type { Random } from "../statistics/random.ts";

/** What is read from a window. */
export type Measure = { readonly kind: "latency" | "first-token" | "gap"; readonly percentile: number };

export const P50: Measure = { kind: "latency", percentile: 50 };
export const P99: Measure = { kind: "latency", percentile: 99 };
export const FIRST_TOKEN: Measure = { kind: "first-token", percentile: 50 };
export const GAP_P99: Measure = { kind: "gap", percentile: 99 };

/** The windows that count: their good parts, the last of a lane, scenario, round and place. */
export class Figures {
	private readonly parts = new Map<string, WindowRecord>();
	/** Of each scenario: parts of a window, good or void. */
	private readonly partCounts = new Map<string, number>();
	private readonly rounds: readonly number[];
	/** Lanes, and lanes of scenarios, of which there are windows. */
	private readonly ran: ReadonlySet<string>;
	private readonly random: Random;
	private readonly steadySamples: readonly number[];

	/** `steadyMegabytes`: resident memory of a gateway at a fixed rate, where it was measured. */
	constructor(records: readonly WindowRecord[], random: Random, steadyMegabytes: readonly number[] = []) {
		for (const record of records) {
			if (record.voidBecause.length === 0) this.parts.set(keyOf(record), record);
			this.partCounts.set(record.scenario, Math.max(this.partCounts.get(record.scenario) ?? 0, record.part + 1));
		}
		this.ran = new Set(records.flatMap(({ lane, scenario }) => [lane, `${scenario}/${lane}`]));
		this.rounds = [...new Set(records.map(({ round }) => round))].sort((left, right) => left - right);
		this.random = random;
		this.steadySamples = steadyMegabytes;
	}

	/** Memory of a gateway with one budget while calls come at a fixed rate. Nothing where only some lanes were asked for. */
	steadyMegabytes(): Estimate {
		return estimate(this.steadySamples, this.random);
	}

	/** Good windows of a lane in a scenario, one per round at most. */
	of(scenario: WindowRecord["scenario"], lane: LaneName): WindowRecord[] {
		return this.together(scenario, [lane]).flat();
	}

	/** Whether there were windows of the lane at all, good or void; of that scenario, where one is named. */
	hasRun(lane: LaneName, scenario?: ScenarioName): boolean {
		return this.ran.has(scenario === undefined ? lane : `${scenario}/${lane}`);
	}

	/** A percentile as it is, milliseconds. */
	plain(scenario: ScenarioName, lane: LaneName, measure: Measure): Estimate {
		return estimate(
			this.of(scenario, lane).map((record) => readMeasure(record, measure)),
			this.random,
		);
	}

	/** What a lane adds to direct: the difference of a percentile within one round, milliseconds. Not the percentile of differences. */
	added(scenario: ScenarioName, lane: LaneName, measure: Measure): Estimate {
		return estimate(
			this.together(scenario, ["direct", lane]).map((pair) => difference(pair, measure)),
			this.random,
		);
	}

	/** How much more one lane adds than another, medians over the rounds in which both and direct are good. Infinity where the other adds nothing. */
	addedRatio(scenario: ScenarioName, [upper, lower]: readonly [LaneName, LaneName], measure: Measure): Estimate {
		const rounds = this.together(scenario, ["direct", upper, lower]).map((three) => three.map((record) => readMeasure(record, measure)));
		const addedBy = (drawn: readonly number[][], lane: 1 | 2) => median(drawn.map((values) => (values[lane] ?? Number.NaN) - (values[0] ?? Number.NaN)));
		return estimateFrom(rounds, (drawn) => (addedBy(drawn, 2) > 0 ? addedBy(drawn, 1) / addedBy(drawn, 2) : Number.POSITIVE_INFINITY), this.random);
	}

	/** Right answers a second of one lane over those of another. */
	rateRatio(scenario: ScenarioName, [upper, lower]: readonly [LaneName, LaneName]): Estimate {
		const rounds = this.together(scenario, [upper, lower]);
		const rateOf = (drawn: readonly WindowRecord[][], lane: 0 | 1) => median(drawn.map((records) => records[lane]?.answeredPerSecond ?? Number.NaN));
		return estimateFrom(rounds, (drawn) => rateOf(drawn, 0) / rateOf(drawn, 1), this.random);
	}

	rate(scenario: ScenarioName, lane: LaneName): Estimate {
		return estimate(
			this.of(scenario, lane).map(({ answeredPerSecond }) => answeredPerSecond),
			this.random,
		);
	}

	/** CPU seconds of the process under test per 1,000 calls. */
	cpu(scenario: ScenarioName, lane: LaneName): Estimate {
		return estimate(
			this.of(scenario, lane).map(({ cpuSecondsPerThousand }) => cpuSecondsPerThousand),
			this.random,
		);
	}

	/** Largest resident memory after each round, megabytes (10^6). */
	residentMegabytes(lane: LaneName): Estimate {
		const perRound = this.rounds.map((round) =>
			Math.max(...[...this.parts.values()].filter((record) => record.lane === lane && record.round === round).map(({ residentBytes }) => residentBytes ?? 0)),
		);
		return estimate(
			perRound.filter((bytes) => bytes > 0).map((bytes) => bytes / 1e6),
			this.random,
		);
	}

	/** By round the window of each lane, made of the parts in which all of them are good; rounds in which those are fewer than half of the parts are left out. */
	private together(scenario: WindowRecord["scenario"], lanes: readonly LaneName[]): WindowRecord[][] {
		const count = this.partCounts.get(scenario) ?? 0;
		const places = Array.from({ length: count }, (_, part) => part);
		return this.rounds.flatMap((round) => {
			const good = places
				.map((part) => lanes.flatMap((lane) => this.parts.get(keyOf({ scenario, lane, round, part })) ?? []))
				.filter((records) => records.length === lanes.length);
			const [first, ...others] = good;
			if (first === undefined || good.length * 2 < count) return [];
			return [first.map((record, lane) => joinParts([record, ...others.flatMap((records) => records[lane] ?? [])]))];
		});
	}
}

function readMeasure(record: WindowRecord, { kind, percentile }: Measure): number {
	const histogram = kind === "latency" ? record.latency : kind === "gap" ? record.gap : record.firstToken;
	return histogram.percentileMs(percentile);
}

function difference([direct, gateway]: readonly WindowRecord[], measure: Measure): number {
	return direct && gateway ? readMeasure(gateway, measure) - readMeasure(direct, measure) : Number.NaN;
}

function keyOf({ scenario, lane, round, part }: Pick<WindowRecord, "scenario" | "lane" | "round" | "part">): string {
	return `${scenario}/${lane}/${round}/${part}`;
}
