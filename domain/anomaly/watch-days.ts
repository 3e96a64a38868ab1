import { clip, median } from "../statistics/robust.ts";
import { type DayExpectation, expectAmount } from "./expect-amount.ts";

/**
 * Days on which a series cost more than it should have: one dear day (robust z), or a level that has crept up (CUSUM of z, Page 1954). Each is told once: a
 * level that stays where it moved is accepted after a week, up or down, and expected from then on; until then only a day that is dear even beside it is told.
 * What became cheaper is no anomaly.
 */
export type Anomaly = {
	/** Index into the amounts. */
	readonly index: number;
	readonly kind: "spike" | "drift";
	/** First day of it; of a spike the day itself. */
	readonly since: number;
	/** In the unit of the amounts. */
	readonly expected: number;
	readonly z: number;
};

const HISTORY_DAYS = 14;
const SPIKE_Z = 2.8;
const SPIKE_SHARE = 0.2;
/** Of a usual day of the series: what is dear on a Sunday without spend need not matter. */
const USUAL_SHARE = 0.03;
const CUSUM_SLACK = 0.5;
const CUSUM_LIMIT = 6;
const Z_CLIPPED = 4;
const QUIET_Z = 1.5;
const ACCEPTED_DAYS = 7;

/** `excessMin`: an excess of less is not worth telling, in the unit of the amounts. */
export function watchDays(amounts: readonly number[], firstDay: number, excessMin = 0): readonly Anomaly[] {
	const begun = amounts.findIndex((amount) => amount > 0);
	if (begun < 0) return [];
	const watch = new Watch({ amounts, firstDay, begun, excessMin });
	for (let index = begun + HISTORY_DAYS; index < amounts.length; index++) watch.judge(index);
	return watch.found;
}

type Episode = { readonly first: number; readonly alarmed: number; readonly zs: number[] };

type Series = { readonly amounts: readonly number[]; readonly firstDay: number; readonly begun: number; readonly excessMin: number };

/** Goes through the days once, from the first on. */
class Watch {
	readonly found: Anomaly[] = [];
	readonly #series: Series;
	readonly #left = new Set<number>();
	#start: number;
	#scale = 0;
	#up = { sum: 0, since: 0 };
	#down = { sum: 0, since: 0 };
	/** What was told and is neither over nor accepted. */
	#episode: Episode | undefined;
	readonly #zs = new Map<number, number>();

	constructor(series: Series) {
		this.#series = series;
		this.#start = series.begun;
	}

	judge(index: number): void {
		const day = expectAmount(this.#series.amounts, { firstDay: this.#series.firstDay, index, start: this.#start, left: this.#left, scaleMin: this.#scale });
		if (day === null) return;
		this.#zs.set(index, day.z);
		if (this.#episode === undefined) this.#watch(index, day);
		else this.#follow(this.#episode, index, day);
		this.#accept(index, day);
	}

	#watch(index: number, day: DayExpectation): void {
		const isCreeping = this.#up.sum >= CUSUM_LIMIT / 2 && day.z < 2 * SPIKE_Z;
		this.#up = added(this.#up, index, day.z);
		this.#down = added(this.#down, index, -day.z);
		const excess = (this.#series.amounts[index] ?? 0) - day.expected;
		const isDear = excess > this.#series.excessMin && excess > USUAL_SHARE * day.usual;
		const isSpike = isDear && day.z > SPIKE_Z && excess > SPIKE_SHARE * day.expected;
		if (!isSpike && !(isDear && this.#up.sum >= CUSUM_LIMIT)) return;
		// A level that has been creeping up for days has not begun today.
		const kind = isSpike && !isCreeping ? "spike" : "drift";
		const since = kind === "spike" ? index : this.#up.since;
		this.found.push({ index, kind, since, expected: day.expected, z: day.z });
		this.#episode = { first: since, alarmed: index, zs: [day.z] };
		for (let one = since; one <= index; one++) this.#left.add(one);
	}

	#follow(episode: Episode, index: number, day: DayExpectation): void {
		if (day.z < QUIET_Z) {
			this.#episode = undefined;
			this.#up = { sum: 0, since: index + 1 };
			return;
		}
		const excess = (this.#series.amounts[index] ?? 0) - day.expected;
		if (day.z > Math.max(...episode.zs) + SPIKE_Z && excess > this.#series.excessMin)
			this.found.push({ index, kind: "spike", since: index, expected: day.expected, z: day.z });
		episode.zs.push(day.z);
		this.#left.add(index);
	}

	/** After a week at another level. */
	#accept(index: number, { scale }: DayExpectation): void {
		const first = this.#episode?.first ?? (this.#down.sum >= CUSUM_LIMIT ? this.#down.since : undefined);
		if (first === undefined || index - first + 1 < ACCEPTED_DAYS) return;
		if (this.#episode !== undefined && index - this.#episode.alarmed + 1 < ACCEPTED_DAYS) return;
		const recent = Array.from({ length: ACCEPTED_DAYS }, (_, back) => this.#zs.get(index - back) ?? 0);
		const middle = median(recent);
		if (this.#episode === undefined ? middle > -QUIET_Z : middle < QUIET_Z) return;
		this.#start = first;
		this.#scale = scale;
		for (let one = first; one <= index; one++) this.#left.delete(one);
		this.#episode = undefined;
		this.#up = { sum: 0, since: index + 1 };
		this.#down = { sum: 0, since: index + 1 };
	}
}

function added({ sum, since }: { readonly sum: number; readonly since: number }, index: number, z: number): { sum: number; since: number } {
	const next = Math.max(0, sum + clip(z, Z_CLIPPED) - CUSUM_SLACK);
	return { sum: next, since: sum === 0 ? index : since };
}
