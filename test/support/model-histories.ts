import { idleOf, type ModelStep, type ReservationModel } from "#domain/budget/reservation-model.ts";

/** Random histories of the pure model, and what must hold after each of their steps (I1, I3, I4). */
const GATEWAYS_MAX = 4;

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
	if (roll < 47) return { kind: "reserve", epoch, amount: BigInt(random(isWild ? 25 : 1 + reservable(model, epoch))) };
	if (roll < 62) return { kind: "settle", reservation, cost: BigInt(random(30)) };
	if (roll < 67) return { kind: "release", reservation };
	if (roll < 71) return { kind: "expire", reservation };
	if (roll < 75) return { kind: "return", epoch };
	if (roll < 86) return { kind: "deliver", flight: random(Math.max(model.flights.length, 1)), isDuplicate: random(3) === 0 };
	if (roll < 90) return { kind: "crash", epoch, isJournalLost: random(2) === 0 };
	if (roll < 95) return { kind: "recover", epoch: isWild || crashed.length === 0 ? random(model.epochs.length) : crashed[random(crashed.length)]! };
	if (roll < 98) return { kind: "clearOverrun", window: random(model.windows.length) };
	return { kind: "setLimit", window: random(model.windows.length), limit: BigInt(random(300)), isFrozen: random(8) === 0 };
}

/** Idle in every window, at most 24. */
function reservable(model: ReservationModel, epoch: number): number {
	return model.windows.reduce((least, _, index) => Math.min(least, Number(idleOf(model, epoch, index))), 24);
}

function randomGrant(model: ReservationModel, epoch: number, random: Random): ModelStep {
	const needs = Array.from({ length: 1 + random(3) }, () => BigInt(random(60)));
	const lookahead = model.windows.map(() => BigInt(random(3) === 0 ? random(40) : 0));
	return { kind: "grant", epoch, needs, lookahead, isReplyLost: random(4) === 0 };
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
	for (const entry of after.entries.values()) if (entry.overrun < 0n || entry.posted.some((amount) => amount < 0n)) fail("I3: a negative entry", step);
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
