import { createRandom, type Random } from "#test/faults/random.ts";

/**
 * A world in which lanes are chosen, from one seed: items of several teams with mixed deadlines, and a provider whose batches take as long
 * as one operator saw (70 % below an hour, 20 % up to four hours, 10 % eight hours to a day), longer in the working hours of its customers,
 * and several times as long in one stretch of every run. Every item carries what happens to it in either lane, so that policies that are
 * compared meet the same luck.
 */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
/** A Monday, 00:00 UTC. */
export const STARTS_AT_MS = Date.UTC(2026, 0, 5);

export type LaneItem = {
	readonly n: number;
	readonly team: number;
	readonly arrivedAtMs: number;
	readonly deadlineMs: number | null;
	readonly mayWait: boolean;
	readonly bytes: number;
	readonly boundInputTokens: number;
	readonly boundNanoUsd: bigint;
	readonly realTimeNanoUsd: bigint;
	readonly batchNanoUsd: bigint;
	/** What it is worth that it comes in time. */
	readonly valueNanoUsd: bigint;
	readonly prefix: { readonly key: string; readonly tokens: number } | null;
	/** In real time: how long the call takes, tries after timeouts included. */
	readonly realTimeMs: number;
	/** In a batch: when in its turnaround it is run, from 0 to 1, by the try. */
	readonly runShares: readonly number[];
	/** In a batch: tries that end with a passing error of the provider. */
	readonly failingTries: number;
};

export type LaneWorld = {
	readonly seed: number;
	readonly endsAtMs: number;
	/** In the order they arrive. */
	readonly items: readonly LaneItem[];
	readonly shock: { readonly fromMs: number; readonly untilMs: number; readonly factor: number };
	/** How long a batch takes that is submitted then; more than 24 hours: it expires. `random` is the caller's. */
	readonly turnaroundMs: (submittedAtMs: number, random: Random) => number;
	/** Batches of other teams that the provider runs: when they are submitted, ascending. */
	readonly othersSubmittedAtMs: readonly number[];
};

export type LaneWorldOptions = { readonly seed: number; readonly days?: number; readonly itemsPerDay?: number; readonly othersPerHour?: number };

export const TEAMS = 4;
const DAYS = 21;
const ITEMS_PER_DAY = 1_200;
const OTHERS_PER_HOUR = 60;

export function createLaneWorld({ seed, days = DAYS, itemsPerDay = ITEMS_PER_DAY, othersPerHour = OTHERS_PER_HOUR }: LaneWorldOptions): LaneWorld {
	const random = createRandom(seed);
	const endsAtMs = STARTS_AT_MS + days * DAY_MS;
	const arrivals = Array.from({ length: Math.round(days * itemsPerDay) }, () => arrivalMs(random, days)).sort((left, right) => left - right);
	const fromMs = STARTS_AT_MS + Math.round((0.4 + 0.3 * random.share()) * days * DAY_MS);
	const shock = { fromMs, untilMs: fromMs + random.integer(10, 24) * HOUR_MS, factor: 3 + 3 * random.share() };
	const items = arrivals.map((arrivedAtMs, at) => drawItem(at + 1, arrivedAtMs, random));
	const others = Array.from({ length: Math.round(days * 24 * othersPerHour) }, () => STARTS_AT_MS + random.integer(0, days * DAY_MS - 1));
	return {
		seed,
		endsAtMs,
		items,
		shock,
		turnaroundMs: (submittedAtMs, of) => drawTurnaround(submittedAtMs, shock, of),
		othersSubmittedAtMs: others.sort((left, right) => left - right),
	};
}

/** Three of four items in working hours, half of these in bursts as a loop hands them in. */
function arrivalMs(random: Random, days: number): number {
	const day = random.integer(0, days - 1) * DAY_MS;
	if (random.share() < 0.25) return STARTS_AT_MS + day + random.integer(0, DAY_MS - 1);
	const inDay = 8 * HOUR_MS + random.integer(0, 11 * HOUR_MS);
	const isBurst = random.share() < 0.5;
	return STARTS_AT_MS + day + (isBurst ? Math.floor(inDay / (30 * MINUTE_MS)) * 30 * MINUTE_MS + random.integer(0, 20_000) : inDay);
}

/** Slack by kind of work, with the share of items that have it. Those of the first and the last cannot be on time in any lane. */
const SLACKS: readonly { readonly share: number; readonly fromMs: number; readonly toMs: number }[] = [
	{ share: 0.005, fromMs: 200, toMs: 4_000 },
	{ share: 0.15, fromMs: 2 * MINUTE_MS, toMs: 30 * MINUTE_MS },
	{ share: 0.15, fromMs: 30 * MINUTE_MS, toMs: 3 * HOUR_MS },
	{ share: 0.15, fromMs: 3 * HOUR_MS, toMs: 8 * HOUR_MS },
	{ share: 0.355, fromMs: 8 * HOUR_MS, toMs: 24 * HOUR_MS },
	{ share: 0.17, fromMs: 24 * HOUR_MS, toMs: 72 * HOUR_MS },
	{ share: 0.002, fromMs: -10 * MINUTE_MS, toMs: -1 },
];

function drawDeadline(arrivedAtMs: number, random: Random): number | null {
	let place = random.share();
	for (const { share, fromMs, toMs } of SLACKS) {
		place -= share;
		if (place < 0) return arrivedAtMs + random.integer(fromMs, toMs);
	}
	return null;
}

const LARGEST_BYTES = 200_000;
/** Larger than a batch of this world (lane-simulation.ts). */
const OVERSIZED_BYTES = 700_000;
const NANO_USD_PER_TOKEN = 2_500n;

function drawItem(n: number, arrivedAtMs: number, random: Random): LaneItem {
	const bytes = random.share() < 0.001 ? OVERSIZED_BYTES : Math.min(LARGEST_BYTES, Math.round(logNormal(random, 6_000, 1)));
	const boundInputTokens = Math.ceil(bytes / 4);
	const realTimeNanoUsd = BigInt(boundInputTokens + Math.round(logNormal(random, 1_500, 0.8))) * NANO_USD_PER_TOKEN;
	return {
		n,
		team: random.integer(1, TEAMS),
		arrivedAtMs,
		deadlineMs: drawDeadline(arrivedAtMs, random),
		mayWait: random.share() >= 0.01,
		bytes,
		boundInputTokens,
		boundNanoUsd: realTimeNanoUsd * 2n,
		realTimeNanoUsd,
		batchNanoUsd: (realTimeNanoUsd + 1n) / 2n,
		valueNanoUsd: BigInt(random.integer(1, 1_000)) * 1_000_000n,
		prefix: random.share() < 0.5 ? { key: `prefix-${random.integer(1, 6)}`, tokens: 2_000 } : null,
		realTimeMs: drawRealTimeMs(random),
		runShares: [random.share(), random.share(), random.share(), random.share()],
		failingTries: random.share() < 0.005 ? random.integer(1, 2) : 0,
	};
}

export const REAL_TIME_P99_MS = 60_000;
const REAL_TIME_MEDIAN_MS = 4_000;
/** Makes the 99th percentile the one above. */
const REAL_TIME_SIGMA = Math.log(REAL_TIME_P99_MS / REAL_TIME_MEDIAN_MS) / 2.326;
const REAL_TIME_OUT_MS = 120_000;

/** A call that takes too long is given up and made again, as a client does. */
function drawRealTimeMs(random: Random): number {
	const oneMs = Math.round(logNormal(random, REAL_TIME_MEDIAN_MS, REAL_TIME_SIGMA));
	return oneMs <= REAL_TIME_OUT_MS ? oneMs : REAL_TIME_OUT_MS + drawRealTimeMs(random);
}

function drawTurnaround(submittedAtMs: number, shock: LaneWorld["shock"], random: Random): number {
	const place = random.share();
	const usualMs =
		place < 0.7
			? Math.min(HOUR_MS, logNormal(random, 22 * MINUTE_MS, 0.6))
			: place < 0.9
				? HOUR_MS + random.share() * 3 * HOUR_MS
				: 8 * HOUR_MS + random.share() * 16 * HOUR_MS;
	const isShocked = submittedAtMs >= shock.fromMs && submittedAtMs < shock.untilMs;
	return Math.round(usualMs * hourFactor(submittedAtMs) * (isShocked ? shock.factor : 1));
}

/** Working hours of the provider's customers are slower, nights and weekends quicker. */
function hourFactor(atMs: number): number {
	const day = Math.floor(atMs / DAY_MS) % 7;
	const hour = Math.floor(atMs / HOUR_MS) % 24;
	// Day 0 is a Thursday: 2 and 3 are the weekend.
	if (day === 2 || day === 3) return 0.7;
	return hour >= 13 && hour < 21 ? 1.5 : 0.8;
}

function logNormal(random: Random, median: number, sigma: number): number {
	const uniform = Math.max(random.share(), Number.MIN_VALUE);
	return median * Math.exp(sigma * Math.sqrt(-2 * Math.log(uniform)) * Math.cos(2 * Math.PI * random.share()));
}
