import { createRandom, type Random } from "#test/faults/random.ts";
import { type Fault, type FaultKind, type JudgedSeries, monthOf, type World } from "./series.ts";

/**
 * Series of teams that never were, of one seed. What is drawn for each: level over five orders of magnitude, noise of 5 to 15 % of a day with now and then a
 * wilder one, weekdays of its own (with and without weekends), and what its world says. Nothing here knows how forecasts or anomalies are found.
 */
const HISTORY_DAYS = { fewest: 60, most: 180 };
const FIRST_DAY = { lowest: 19_723, highest: 20_453 }; // 2024 and 2025
const WATCHED_DAYS = 150;

type Life = { readonly level: number; readonly noise: number; readonly weekdays: readonly number[]; readonly growth: number };

/** Of which the last month is to be forecast from `origin`, the number of days known. */
export type ForecastSeries = JudgedSeries & { readonly origin: number };

export function drawForecastSeries(world: World, seed: number): ForecastSeries {
	const random = createRandom(seed);
	const monthDay = random.integer(FIRST_DAY.lowest, FIRST_DAY.highest);
	const month = monthOf(monthDay);
	const origin = month.startsOn + random.integer(8, 22);
	const age = world === "short" ? random.integer(3, 13) : origin - month.startsOn + random.integer(HISTORY_DAYS.fewest, HISTORY_DAYS.most);
	const firstDay = origin - age;
	const life = drawLife(random, world === "growing" ? 0.003 + 0.005 * random.share() : 0);
	const stepAt = age - random.integer(5, 45);
	const factor = world !== "step" ? 1 : random.share() < 0.75 ? 1.3 + 0.9 * random.share() : 0.45 + 0.25 * random.share();
	const dearDays = 0.015 * random.share();
	const amountsNanoUsd = drawDays(
		random,
		life,
		{ firstDay, days: month.endsOn - firstDay },
		(index) => (random.share() < dearDays ? 1.5 + 1.5 * random.share() : 1) * (index >= stepAt ? factor : 1),
	);
	return { name: `${world}-${seed}`, world, firstDay, amountsNanoUsd, faults: [], origin: age };
}

/** With one planted fault of that kind, or none. */
export function drawWatchedSeries(kind: FaultKind | undefined, seed: number): JudgedSeries {
	const random = createRandom(seed);
	const firstDay = random.integer(FIRST_DAY.lowest, FIRST_DAY.highest);
	const life = drawLife(random, random.share() < 0.5 ? 0 : 0.006 * random.share());
	const first = random.integer(35, WATCHED_DAYS - 35);
	const fault = kind === undefined ? undefined : drawFault(random, kind, first);
	const amountsNanoUsd = drawDays(random, life, { firstDay, days: WATCHED_DAYS }, (index) => fault?.factor(index) ?? 1);
	return { name: `${kind ?? "quiet"}-${seed}`, world: undefined, firstDay, amountsNanoUsd, faults: fault === undefined ? [] : [fault] };
}

function drawFault(random: Random, kind: FaultKind, first: number): Fault & { readonly factor: (index: number) => number } {
	if (kind === "spike") {
		const factor = 2 + 2 * random.share();
		return { kind, first, last: first, factor: (index) => (index === first ? factor : 1) };
	}
	if (kind === "step") {
		const factor = 1.45 + random.share();
		return { kind, first, last: WATCHED_DAYS - 1, factor: (index) => (index >= first ? factor : 1) };
	}
	const aDay = 0.025 + 0.02 * random.share();
	const last = first + 20;
	return { kind, first, last, factor: (index) => (index < first ? 1 : (1 + aDay) ** (Math.min(index, last) - first + 1)) };
}

function drawLife(random: Random, growth: number): Life {
	const weekend = random.share() < 0.15 ? 0 : 0.1 + 0.9 * random.share();
	const weekdays = Array.from({ length: 7 }, (_, weekday) => (weekday === 0 || weekday === 6 ? weekend : 1) * (0.85 + 0.3 * random.share()));
	return { level: 1e9 * 10 ** (5 * random.share()), noise: 0.05 + 0.1 * random.share(), weekdays, growth };
}

function drawDays(
	random: Random,
	life: Life,
	{ firstDay, days }: { readonly firstDay: number; readonly days: number },
	factorOf: (index: number) => number,
): bigint[] {
	return Array.from({ length: days }, (_, index) => {
		const weekday = (firstDay + index + 4) % 7;
		const wildness = random.share() < 0.05 ? 1.6 : 1;
		const amount = life.level * (life.weekdays[weekday] ?? 1) * (1 + life.growth) ** index * Math.exp(life.noise * wildness * normal(random)) * factorOf(index);
		return BigInt(Math.round(amount));
	});
}

function normal(random: Random): number {
	return Math.sqrt(-2 * Math.log(1 - random.share())) * Math.cos(2 * Math.PI * random.share());
}
