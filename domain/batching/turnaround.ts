import { assert } from "../assert.ts";
import { type Observation, type SurvivalCurve, shareAfter, survivalCurve, timeUntilShare } from "./survival.ts";

/**
 * How long batches of one provider and model take, from those that ended: the last 500 of each hour of the week, none older than 14 days.
 * Batches in flight count for as long as they have run (survival.ts), so that a provider that slows down shows before its batches end.
 *
 * Hours of the week are of UTC and of the submission. An hour with fewer than 100 ended batches is judged by the newest 500 of all hours;
 * with fewer than 100 of those, too, a batch is taken to need the provider's whole window. Where an hour has enough of its own, the larger
 * of the two holds: its own history is a week old, and a slowdown shows in the newest of all hours first. An item wrongly sent in real time
 * loses half its price, one wrongly sent with a batch is paid twice.
 */
export const BATCH_WINDOW_MS = 24 * 3_600_000;
/** Share of batches that may take longer than the quantile. */
export const LATE_SHARE = 0.1;
export const SAMPLES_MIN = 100;
export const SAMPLES_KEPT = 500;
export const SAMPLE_AGE_MS = 14 * BATCH_WINDOW_MS;
/** More than a provider has of ours at a time (2,000 may be made an hour, most end within one); beyond it the first is not counted. */
export const IN_FLIGHT_KEPT = 5_000;
/** A batch whose end was never told is not counted then: no provider goes on beyond its window. */
const FORGOTTEN_AFTER_MS = 2 * BATCH_WINDOW_MS;
const HOUR_MS = 3_600_000;
const HOURS_OF_WEEK = 168;
const ID_LENGTH_MAX = 200;

export type TurnaroundSource = "hour_of_week" | "all_hours" | "default";

/** Plain data. */
export type TurnaroundEstimate = {
	/** Within it all but `lateShare` of batches end; at most the window. */
	readonly quantileMs: number;
	readonly lateShare: number;
	/** Which history decided: of the hour of the week, of all hours, or none. */
	readonly source: TurnaroundSource;
	/** Ended batches that it rests on, and batches in flight beside them. */
	readonly samples: number;
	readonly inFlight: number;
	readonly curve: SurvivalCurve;
};

/** Nothing is known: the window it is. */
export const UNKNOWN_TURNAROUND: TurnaroundEstimate = {
	quantileMs: BATCH_WINDOW_MS,
	lateShare: LATE_SHARE,
	source: "default",
	samples: 0,
	inFlight: 0,
	curve: { timesMs: [], shares: [] },
};

/** `isCensored`: it ran so long and was cancelled, it would have taken longer. */
type EndedBatch = { readonly submittedAtSeconds: number; readonly tookSeconds: number; readonly isCensored: boolean };

type Seen = Pick<TurnaroundEstimate, "samples" | "inFlight" | "curve">;

/** Plain JSON. `ended`, in the order of submission: seconds since the one before, then seconds taken (`-1 - seconds` where it was cancelled). */
export type PackedTurnaround = {
	readonly version: 1;
	readonly ended: readonly number[];
	readonly inFlight: readonly (readonly [batchId: string, submittedAtSeconds: number])[];
};

export class TurnaroundHistory {
	readonly #byHour = new Map<number, EndedBatch[]>();
	/** Of all hours. Both in the order they ended. */
	readonly #latest: EndedBatch[] = [];
	readonly #inFlight = new Map<string, number>();

	/** A second word of the same batch changes nothing. */
	noteSubmitted(batchId: string, atMs: number): void {
		assert(batchId.length <= ID_LENGTH_MAX, "a batch has an id of bounded length");
		if (this.#inFlight.has(batchId)) return;
		this.#inFlight.set(batchId, toSeconds(atMs));
		const [first] = this.#inFlight.keys();
		if (this.#inFlight.size > IN_FLIGHT_KEPT && first !== undefined) this.#inFlight.delete(first);
	}

	/** `isCancelled`: we ended it. One that expired ended at its window, and was not cancelled. A batch that is not known is not counted. */
	noteEnded(batchId: string, { atMs, isCancelled }: { readonly atMs: number; readonly isCancelled: boolean }): void {
		const submittedAtSeconds = this.#inFlight.get(batchId);
		if (submittedAtSeconds === undefined) return;
		this.#inFlight.delete(batchId);
		this.#record({ submittedAtSeconds, tookSeconds: Math.max(0, Math.ceil(atMs / 1_000) - submittedAtSeconds), isCensored: isCancelled });
	}

	/** It never ran: the provider refused it. */
	forget(batchId: string): void {
		this.#inFlight.delete(batchId);
	}

	/** For a batch submitted at `submitAtMs`, by what is known at `nowMs`. Sorts what it looks at: to be kept for a while, not asked per item. */
	estimate(of: { readonly submitAtMs: number; readonly nowMs: number; readonly lateShare?: number }): TurnaroundEstimate {
		const { submitAtMs, nowMs, lateShare = LATE_SHARE } = of;
		const all = this.#look(this.#latest, nowMs);
		if (all.samples < SAMPLES_MIN) return { ...UNKNOWN_TURNAROUND, lateShare, samples: all.samples, inFlight: all.inFlight };
		const byAll = judge(all, "all_hours", lateShare);
		const hour = hourOfWeek(submitAtMs);
		const own = this.#look(this.#byHour.get(hour) ?? [], nowMs, hour);
		if (own.samples < SAMPLES_MIN) return byAll;
		const byHour = judge(own, "hour_of_week", lateShare);
		return byHour.quantileMs >= byAll.quantileMs ? byHour : byAll;
	}

	/** At most 84,000 ended batches and 5,000 in flight, which only an installation with 250 batches in every hour of the week has. */
	pack(): PackedTurnaround {
		const ended = [...this.#byHour.values()].flat().sort(bySubmission);
		let before = 0;
		const numbers = ended.flatMap(({ submittedAtSeconds, tookSeconds, isCensored }) => {
			const gap = submittedAtSeconds - before;
			before = submittedAtSeconds;
			return [gap, isCensored ? -1 - tookSeconds : tookSeconds];
		});
		return { version: 1, ended: numbers, inFlight: [...this.#inFlight] };
	}

	static unpack(packed: PackedTurnaround): TurnaroundHistory {
		assert(packed.version === 1 && packed.ended.length % 2 === 0, "packed turnarounds have a known form");
		const history = new TurnaroundHistory();
		let submittedAtSeconds = 0;
		for (let at = 0; at < packed.ended.length; at += 2) {
			submittedAtSeconds += packed.ended[at] ?? 0;
			const took = packed.ended[at + 1] ?? 0;
			history.#record({ submittedAtSeconds, tookSeconds: took < 0 ? -1 - took : took, isCensored: took < 0 });
		}
		for (const [batchId, atSeconds] of packed.inFlight) history.#inFlight.set(batchId, atSeconds);
		return history;
	}

	#record(batch: EndedBatch): void {
		const hour = hourOfWeek(batch.submittedAtSeconds * 1_000);
		const ofHour = this.#byHour.get(hour) ?? [];
		this.#byHour.set(hour, ofHour);
		insertByEnd(ofHour, batch);
		insertByEnd(this.#latest, batch);
	}

	/**
	 * Of the hour of the week, or of all where none is named. What ended before the oldest that is kept is forgotten: batches that were
	 * submitted earlier are counted from the age on that they had then.
	 */
	#look(ended: readonly EndedBatch[], nowMs: number, hour?: number): Seen {
		const nowSeconds = toSeconds(nowMs);
		const agedOut = nowSeconds - SAMPLE_AGE_MS / 1_000;
		const [oldest] = ended;
		const sinceSeconds = oldest !== undefined && ended.length >= SAMPLES_KEPT ? Math.max(agedOut, endOf(oldest)) : agedOut;
		const observe = (submittedAtSeconds: number, tookSeconds: number, isCensored: boolean): Observation => {
			const watchedFromMs = Math.max(0, sinceSeconds - submittedAtSeconds) * 1_000;
			return { afterMs: tookSeconds * 1_000, isCensored, watchedFromMs };
		};
		const young = ended.filter((batch) => endOf(batch) >= agedOut);
		const running = [...this.#inFlight.values()].filter((atSeconds) => {
			const ageMs = (nowSeconds - atSeconds) * 1_000;
			return ageMs >= 0 && ageMs <= FORGOTTEN_AFTER_MS && (hour === undefined || hourOfWeek(atSeconds * 1_000) === hour);
		});
		const observed = [
			...young.map(({ submittedAtSeconds, tookSeconds, isCensored }) => observe(submittedAtSeconds, tookSeconds, isCensored)),
			...running.map((atSeconds) => observe(atSeconds, nowSeconds - atSeconds, true)),
		];
		return { samples: young.filter(({ isCensored }) => !isCensored).length, inFlight: running.length, curve: survivalCurve(observed) };
	}
}

/** From 0 to 167. Hour 0 is the first of a Thursday, as 1 January 1970 was. */
export function hourOfWeek(atMs: number): number {
	const hour = Math.floor(atMs / HOUR_MS) % HOURS_OF_WEEK;
	return hour < 0 ? hour + HOURS_OF_WEEK : hour;
}

/** Share of batches that have not ended so long after their submission: 1 where nothing is known; none after the window, when the provider ends them. */
export function shareStillRunning({ curve }: Pick<TurnaroundEstimate, "curve">, afterMs: number): number {
	return afterMs >= BATCH_WINDOW_MS ? 0 : shareAfter(curve, afterMs);
}

function judge(seen: Seen, source: TurnaroundSource, lateShare: number): TurnaroundEstimate {
	const quantileMs = Math.min(BATCH_WINDOW_MS, timeUntilShare(seen.curve, lateShare) ?? BATCH_WINDOW_MS);
	return { ...seen, quantileMs, lateShare, source };
}

function toSeconds(atMs: number): number {
	return Math.floor(atMs / 1_000);
}

function endOf({ submittedAtSeconds, tookSeconds }: EndedBatch): number {
	return submittedAtSeconds + tookSeconds;
}

function bySubmission(left: EndedBatch, right: EndedBatch): number {
	return left.submittedAtSeconds - right.submittedAtSeconds || byEnd(left, right);
}

/** A whole order, so that what is kept does not depend on who was told of first. */
function byEnd(left: EndedBatch, right: EndedBatch): number {
	return endOf(left) - endOf(right) || left.submittedAtSeconds - right.submittedAtSeconds || Number(left.isCensored) - Number(right.isCensored);
}

/** Ends come in order but for the time it takes to hear of them. The first is dropped where there are too many. */
function insertByEnd(batches: EndedBatch[], batch: EndedBatch): void {
	let place = batches.length;
	for (let before = batches[place - 1]; before !== undefined && byEnd(before, batch) > 0; before = batches[place - 1]) place -= 1;
	batches.splice(place, 0, batch);
	if (batches.length > SAMPLES_KEPT) batches.shift();
}
