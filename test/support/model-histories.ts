import type { Amounts } from "#domain/budget/lease-book.ts";
import { idleOf, type ModelStep, type ModelWindow, type ReservationModel } from "#domain/budget/reservation-model.ts";
import type { Unit } from "#domain/budget/window-lease.ts";

/** Random histories of the pure model, and what must hold after each of their steps (I1, I3, I4). */
const GATEWAYS_MAX = 4;
const UNITS: readonly Unit[] = ["nano_usd", "tokens", "input_tokens", "output_tokens", "steps"];

export type Random = (below: number) => number;

/** xorshift32: reproducible from a seed, and cheap enough for millions of steps. */
export function randomFrom(seed: number): Random {
	let state = (seed * 2_654_435_761 + 1) | 0 || 1;
	return (below) => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % below;
	};
}

/** Two or three windows of any unit. A step is one at a time, so that few of them are a tight limit. */
export function randomWindows(random: Random): Pick<ModelWindow, "unit" | "limit">[] {
	return Array.from({ length: 2 + random(2) }, (_, index) => {
		const unit = UNITS[random(UNITS.length)]!;
		return { unit, limit: randomLimit(unit, random) + BigInt(index === 0 || unit === "steps" ? 0 : 100) };
	});
}

function randomLimit(unit: Unit, random: Random): bigint {
	return BigInt(random(unit === "steps" ? 20 : 200));
}

export function randomStep(model: ReservationModel, random: Random): ModelStep {
	const live = model.epochs.flatMap(({ life }, index) => (life === "alive" ? [index] : []));
	if (live.length === 0) return { kind: "boot" };
	const open = model.reservations.flatMap(({ endings }, index) => (endings.length === 0 ? [index] : []));
	const crashed = model.epochs.flatMap(({ life }, index) => (life === "crashed" ? [index] : []));
	// Mostly what can work, sometimes what cannot: the dead, the ended, the unknown.
	const isWild = random(8) === 0;
	const epoch = isWild ? random(model.epochs.length + 1) : live[random(live.length)]!;
	const reservation = isWild || open.length === 0 ? random(model.reservations.length + 1) : open[random(open.length)]!;
	const roll = random(100);
	if (roll < 4 && live.length < GATEWAYS_MAX) return { kind: "boot" };
	if (roll < 25) return randomGrant(model, epoch, random);
	if (roll < 47) return { kind: "reserve", epoch, amounts: isWild ? randomAmounts(random, 25) : reservable(model, epoch, random) };
	// A step stays a step, whatever it costs.
	if (roll < 62) return { kind: "settle", reservation, cost: { ...randomAmounts(random, 30), steps: model.reservations[reservation]?.amounts.steps ?? 0n } };
	if (roll < 67) return { kind: "release", reservation };
	if (roll < 71) return { kind: "expire", reservation };
	if (roll < 75) return { kind: "return", epoch };
	if (roll < 86) return { kind: "deliver", flight: random(Math.max(model.flights.length, 1)), isDuplicate: random(3) === 0 };
	if (roll < 90) return { kind: "crash", epoch, isJournalLost: random(2) === 0 };
	if (roll < 95) return { kind: "recover", epoch: isWild || crashed.length === 0 ? random(model.epochs.length) : crashed[random(crashed.length)]! };
	if (roll < 98) return { kind: "clearOverrun", window: random(model.windows.length) };
	return randomSetLimit(model, random);
}

function randomSetLimit(model: ReservationModel, random: Random): ModelStep {
	const window = random(model.windows.length);
	const isOfSteps = model.windows[window]!.unit === "steps";
	return { kind: "setLimit", window, limit: BigInt(random(isOfSteps ? 30 : 300)), isFrozen: random(8) === 0 };
}

function randomAmounts(random: Random, below: number): Amounts {
	const tokens = random(below);
	return { nanoUsd: BigInt(random(below)), tokens: BigInt(tokens), outputTokens: BigInt(random(tokens + 1)), steps: BigInt(random(2)) };
}

/** What is idle in every window, at most 24 in each unit. */
function reservable(model: ReservationModel, epoch: number, random: Random): Amounts {
	const most = (unit: Unit): number =>
		model.windows.reduce((least, window, index) => (window.unit === unit ? Math.min(least, Number(idleOf(model, epoch, index))) : least), 24);
	const output = random(1 + Math.min(most("output_tokens"), most("tokens")));
	const input = random(1 + Math.min(most("input_tokens"), most("tokens") - output));
	const steps = BigInt(random(1 + Math.min(1, most("steps"))));
	return { nanoUsd: BigInt(random(1 + most("nano_usd"))), tokens: BigInt(input + output), outputTokens: BigInt(output), steps };
}

function randomGrant(model: ReservationModel, epoch: number, random: Random): ModelStep {
	const needs = Array.from({ length: 1 + random(3) }, () => randomAmounts(random, 60));
	const lookahead = model.windows.map(() => BigInt(random(3) === 0 ? random(40) : 0));
	return { kind: "grant", epoch, needs, lookahead, isReplyLost: random(4) === 0 };
}

/** What is still open comes to its end, one step at a time. */
export function closingStep(model: ReservationModel): ModelStep | undefined {
	const reservation = model.reservations.findIndex(({ epoch, endings }) => endings.length === 0 && model.epochs[epoch]?.life === "alive");
	if (reservation >= 0) return { kind: "expire", reservation };
	if (model.flights.length > 0) return { kind: "deliver", flight: 0, isDuplicate: false };
	const alive = model.epochs.findIndex(({ life }) => life === "alive");
	if (alive >= 0) return { kind: "crash", epoch: alive, isJournalLost: false };
	const crashed = model.epochs.findIndex(({ life }) => life === "crashed");
	return crashed >= 0 ? { kind: "recover", epoch: crashed } : undefined;
}

function fail(what: string, step: ModelStep | "finish"): never {
	throw new Error(`${what} after ${JSON.stringify(step, (_, value) => (typeof value === "bigint" ? `${value}` : value))}`);
}

export function checkStep(before: ReservationModel, after: ReservationModel, step: ModelStep | "finish"): void {
	for (let index = 0; index < after.windows.length; index++) {
		const window = after.windows[index]!;
		if (window.granted > before.windows[index]!.granted && window.granted > window.limit) fail("I1: a grant above the limit", step);
		let held = 0n;
		let posted = 0n;
		for (const { rows } of after.epochs) {
			const row = rows[index]!;
			if (row.granted - row.returned - row.posted < 0n) fail("I1: a lease below zero", step);
			held += row.granted - row.returned;
			posted += row.posted;
		}
		if (held !== window.granted) fail("I3: the window's counter is not the sum of its leases", step);
		let booked = 0n;
		for (const entry of after.entries.values()) booked += entry.posted[index]!;
		if (booked !== posted) fail("I3: posted is not the fold of the entries", step);
	}
	for (const { posted, overrun } of after.entries.values())
		if (overrun.some((amount) => amount < 0n) || posted.some((amount) => amount < 0n)) fail("I3: a negative entry", step);
	for (const { endings } of after.reservations) if (endings.length > 1) fail("I4: a reservation ended twice", step);
}

export function checkEnd(model: ReservationModel): void {
	model.reservations.forEach(({ endings, epoch }, id) => {
		if (endings.length !== 1) fail("I4: a reservation without end", "finish");
		const isBooked = model.entries.has(`attempt/${id}`) || model.entries.has(`lump/${epoch}`);
		if (endings[0] !== "voided" && !isBooked) fail("I4: a charge that is not in the books", "finish");
		if (endings[0] === "voided" && model.entries.has(`attempt/${id}`)) fail("I4: a released reservation in the books", "finish");
	});
	for (const { rows, life } of model.epochs) {
		if (life !== "closed") fail("I4: an epoch left open", "finish");
		if (rows.some((row) => row.granted - row.returned - row.posted !== 0n)) fail("I4: money left pending", "finish");
	}
}
