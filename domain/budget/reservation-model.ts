import { assert } from "../assert.ts";
import { type Amounts, amountIn } from "./lease-book.ts";
import type { Unit } from "./window-lease.ts";

/**
 * The money path as a pure model: what PostgreSQL's rows, a gateway's memory and its journal do under
 * reserve / settle / release / expire and under crash, duplicate, loss and reorder. Every call meets every
 * window of the model, each in its own unit. It says what is right; the SQL functions and the lease book are held to it by tests.
 */
export type ModelWindow = {
	readonly unit: Unit;
	/** The lower of limit and restricting threshold. */
	readonly limit: bigint;
	readonly granted: bigint;
	readonly isFrozen: boolean;
	/** Overrun a person has cleared; anything above it stops the grants of the window. */
	readonly overrunCleared: bigint;
};

/** PostgreSQL's lease row: absolute amounts that only grow. */
export type LeaseRow = { readonly granted: bigint; readonly returned: bigint; readonly posted: bigint; readonly overrun: bigint };

/** What the gateway knows of its own lease. `consumed` is the cost of what ended here, flushed or not. */
export type LeaseMemory = { readonly granted: bigint; readonly returned: bigint; readonly consumed: bigint };

export type ModelEpoch = {
	readonly life: "alive" | "crashed" | "closed";
	readonly isJournalLost: boolean;
	readonly rows: readonly LeaseRow[];
	readonly memory: readonly LeaseMemory[];
};

/** How a reservation ended: posted (settled), voided (released) or expired and charged at its amount. */
export type Ending = "posted" | "voided" | "expired";
export type ModelReservation = { readonly epoch: number; readonly amounts: Amounts; readonly endings: readonly Ending[] };

/** A ledger entry, per window: `posted` out of the lease, `overrun` beside it. */
export type ModelEntry = { readonly posted: readonly bigint[]; readonly overrun: readonly bigint[] };

/** On its way to PostgreSQL; may arrive late, twice, out of order or, with the process, never. */
export type Flight =
	| ({ readonly kind: "flush"; readonly epoch: number; readonly key: string } & ModelEntry)
	| { readonly kind: "return"; readonly epoch: number; readonly returnTo: readonly bigint[] };

export type ReservationModel = {
	readonly windows: readonly ModelWindow[];
	readonly epochs: readonly ModelEpoch[];
	readonly reservations: readonly ModelReservation[];
	readonly entries: ReadonlyMap<string, ModelEntry>;
	readonly flights: readonly Flight[];
	/** Rows written to journals that are intact; what a crash cannot take away. */
	readonly journal: ReadonlyMap<string, Extract<Flight, { kind: "flush" }>>;
};

export type ModelStep =
	| { readonly kind: "boot" }
	| {
			readonly kind: "grant";
			readonly epoch: number;
			/** One per waiting call, in order. */
			readonly needs: readonly Amounts[];
			/** Per window: what the authority adds where room is left. */
			readonly lookahead: readonly bigint[];
			/** Per window: room kept for earlier claims of others; empty for the last ask. */
			readonly claimed?: readonly bigint[];
			readonly isReplyLost: boolean;
	  }
	| { readonly kind: "reserve"; readonly epoch: number; readonly amounts: Amounts }
	| { readonly kind: "settle"; readonly reservation: number; readonly cost: Amounts }
	| { readonly kind: "release"; readonly reservation: number }
	| { readonly kind: "expire"; readonly reservation: number }
	| { readonly kind: "return"; readonly epoch: number }
	| { readonly kind: "deliver"; readonly flight: number; readonly isDuplicate: boolean }
	| { readonly kind: "crash"; readonly epoch: number; readonly isJournalLost: boolean }
	| { readonly kind: "recover"; readonly epoch: number }
	| { readonly kind: "setLimit"; readonly window: number; readonly limit: bigint; readonly isFrozen: boolean }
	| { readonly kind: "clearOverrun"; readonly window: number };

export function newModel(limits: readonly Pick<ModelWindow, "unit" | "limit">[]): ReservationModel {
	const windows = limits.map(({ unit, limit }) => ({ unit, limit, granted: 0n, isFrozen: false, overrunCleared: 0n }));
	return { windows, epochs: [], reservations: [], entries: new Map(), flights: [], journal: new Map() };
}

/** A step that does not apply (an unknown id, a dead gateway, no money) leaves the model as it is. */
export function stepModel(model: ReservationModel, step: ModelStep): ReservationModel {
	switch (step.kind) {
		case "boot":
			return boot(model);
		case "grant":
			return grant(model, step);
		case "reserve":
			return reserve(model, step.epoch, step.amounts);
		case "settle":
			return end(model, step.reservation, "posted", step.cost);
		case "release":
			return end(model, step.reservation, "voided");
		case "expire":
			return end(model, step.reservation, "expired", model.reservations[step.reservation]?.amounts);
		case "return":
			return returnIdle(model, step.epoch);
		case "deliver":
			return deliver(model, step.flight, step.isDuplicate);
		case "crash":
			return changeEpoch(model, step.epoch, "alive", (epoch) => ({ ...epoch, life: "crashed", isJournalLost: step.isJournalLost }));
		case "recover":
			return recover(model, step.epoch);
		case "setLimit":
			return changeWindow(model, step.window, { limit: step.limit, isFrozen: step.isFrozen });
		case "clearOverrun":
			return changeWindow(model, step.window, { overrunCleared: overrunOf(model, step.window) });
	}
}

/** Everything that is still open comes to its end: drains, deliveries, adoptions and sweeps. */
export function finishModel(model: ReservationModel): ReservationModel {
	let current = model;
	current.reservations.forEach((_, reservation) => {
		current = stepModel(current, { kind: "expire", reservation });
	});
	current.epochs.forEach((_, epoch) => {
		current = stepModel(current, { kind: "return", epoch });
	});
	while (current.flights.length > 0) current = stepModel(current, { kind: "deliver", flight: 0, isDuplicate: false });
	current.epochs.forEach((_, epoch) => {
		current = stepModel(current, { kind: "crash", epoch, isJournalLost: false });
		current = stepModel(current, { kind: "recover", epoch });
	});
	return current;
}

/** Idle money of a live gateway in one window: what it holds beyond its open reservations. */
export function idleOf(model: ReservationModel, epochIndex: number, windowIndex: number): bigint {
	const memory = at(at(model.epochs, epochIndex).memory, windowIndex);
	return memory.granted - memory.returned - memory.consumed - openAmount(model, epochIndex, at(model.windows, windowIndex).unit);
}

function boot(model: ReservationModel): ReservationModel {
	const rows = model.windows.map(() => ({ granted: 0n, returned: 0n, posted: 0n, overrun: 0n }));
	const memory = model.windows.map(() => ({ granted: 0n, returned: 0n, consumed: 0n }));
	return { ...model, epochs: [...model.epochs, { life: "alive", isJournalLost: false, rows, memory }] };
}

/**
 * Serves the needs in order, all windows or none per call. "Raise to": idle money and what an earlier grant gave
 * while its reply was lost count first, so repeating changes nothing. Every reply, a refusing one too, carries the rows.
 */
function grant(
	model: ReservationModel,
	{ epoch: epochIndex, needs, lookahead, claimed = [], isReplyLost }: Extract<ModelStep, { kind: "grant" }>,
): ReservationModel {
	const epoch = model.epochs[epochIndex];
	if (epoch?.life !== "alive") return model;
	const served = servedBy(model, epochIndex, needs, claimed);
	const windows = model.windows.map((window, index) => {
		const used = needs.reduce((sum, need, call) => (served[call] ? sum + amountIn(window.unit, need) : sum), 0n);
		const granted = window.granted + atLeastZero(used - ownMoney(model, epochIndex, index));
		const room = isBlocked(model, index) ? 0n : atLeastZero(window.limit - granted);
		return { ...window, granted: granted + lesser(room, lookahead[index] ?? 0n) };
	});
	const rows = epoch.rows.map((row, index) => ({ ...row, granted: row.granted + at(windows, index).granted - at(model.windows, index).granted }));
	const memory = isReplyLost ? epoch.memory : epoch.memory.map((known, index) => ({ ...known, granted: at(rows, index).granted }));
	return { ...model, windows, epochs: replaceAt(model.epochs, epochIndex, { ...epoch, rows, memory }) };
}

/** Which of the needs a grant serves: one that does not fit never blocks a smaller one behind it. */
export function servedBy(model: ReservationModel, epochIndex: number, needs: readonly Amounts[], claimed: readonly bigint[] = []): boolean[] {
	const left = model.windows.map(({ limit, granted }, index) => ownMoney(model, epochIndex, index) + atLeastZero(limit - granted - (claimed[index] ?? 0n)));
	return needs.map((need) => {
		const amounts = model.windows.map(({ unit }) => amountIn(unit, need));
		const fits = amounts.every((amount, index) => amount === 0n || (!isBlocked(model, index) && amount <= at(left, index)));
		if (fits) for (const [index, amount] of amounts.entries()) left[index] = at(left, index) - amount;
		return fits;
	});
}

/** Idle money, and what was granted beyond what the gateway knows. */
function ownMoney(model: ReservationModel, epochIndex: number, windowIndex: number): bigint {
	const { rows, memory } = at(model.epochs, epochIndex);
	return idleOf(model, epochIndex, windowIndex) + at(rows, windowIndex).granted - at(memory, windowIndex).granted;
}

function isBlocked(model: ReservationModel, windowIndex: number): boolean {
	const { isFrozen, overrunCleared } = at(model.windows, windowIndex);
	return isFrozen || overrunOf(model, windowIndex) > overrunCleared;
}

function overrunOf(model: ReservationModel, windowIndex: number): bigint {
	return model.epochs.reduce((sum, { rows }) => sum + at(rows, windowIndex).overrun, 0n);
}

function reserve(model: ReservationModel, epochIndex: number, amounts: Amounts): ReservationModel {
	if (model.epochs[epochIndex]?.life !== "alive") return model;
	if (model.windows.some(({ unit }, index) => idleOf(model, epochIndex, index) < amountIn(unit, amounts))) return model;
	return { ...model, reservations: [...model.reservations, { epoch: epochIndex, amounts, endings: [] }] };
}

/** In each window cost above the reservation takes idle money first; the remainder is overrun, beside the lease. Without a cost it is void. */
function end(model: ReservationModel, id: number, ending: Ending, cost?: Amounts): ReservationModel {
	const reservation = model.reservations[id];
	const epoch = reservation === undefined ? undefined : model.epochs[reservation.epoch];
	if (reservation === undefined || epoch?.life !== "alive" || reservation.endings.length > 0) return model;
	const ended = { ...model, reservations: replaceAt(model.reservations, id, { ...reservation, endings: [...reservation.endings, ending] }) };
	if (cost === undefined) return ended;
	const costs = model.windows.map(({ unit }) => amountIn(unit, cost));
	const posted = model.windows.map(({ unit }, index) => {
		const most = amountIn(unit, reservation.amounts) + idleOf(model, reservation.epoch, index);
		return lesser(most, at(costs, index));
	});
	const memory = epoch.memory.map((known, index) => ({ ...known, consumed: known.consumed + at(posted, index) }));
	const overrun = costs.map((amount, index) => amount - at(posted, index));
	const flight = { kind: "flush", epoch: reservation.epoch, key: `attempt/${id}`, posted, overrun } as const;
	return {
		...ended,
		epochs: replaceAt(model.epochs, reservation.epoch, { ...epoch, memory }),
		flights: [...model.flights, flight],
		journal: new Map(model.journal).set(flight.key, flight),
	};
}

function returnIdle(model: ReservationModel, epochIndex: number): ReservationModel {
	const epoch = model.epochs[epochIndex];
	if (epoch?.life !== "alive") return model;
	const memory = epoch.memory.map((known, index) => ({ ...known, returned: known.returned + idleOf(model, epochIndex, index) }));
	const flight: Flight = { kind: "return", epoch: epochIndex, returnTo: memory.map(({ returned }) => returned) };
	return { ...model, epochs: replaceAt(model.epochs, epochIndex, { ...epoch, memory }), flights: [...model.flights, flight] };
}

function deliver(model: ReservationModel, index: number, isDuplicate: boolean): ReservationModel {
	const flight = model.flights[index];
	if (flight === undefined) return model;
	const rest = isDuplicate ? model : { ...model, flights: model.flights.filter((_, other) => other !== index) };
	return flight.kind === "flush" ? book(rest, flight) : takeBack(rest, flight.epoch, flight.returnTo);
}

/** One entry per key. After the lump of a lost journal, a late row moves out of the lump and adds nothing. */
function book(model: ReservationModel, { key, epoch: epochIndex, posted, overrun }: Extract<Flight, { kind: "flush" }>): ReservationModel {
	if (model.entries.has(key)) return model;
	const entries = new Map(model.entries).set(key, { posted, overrun });
	const lumpKey = `lump/${epochIndex}`;
	const lump = model.entries.get(lumpKey);
	if (lump !== undefined) entries.set(lumpKey, { ...lump, posted: lump.posted.map((amount, index) => amount - at(posted, index)) });
	const booked = changeRows(model, epochIndex, (row, index) => ({
		...row,
		posted: lump === undefined ? row.posted + at(posted, index) : row.posted,
		overrun: row.overrun + at(overrun, index),
	}));
	return { ...booked, entries };
}

/** "Return to": absolute, never below what is known, never into what is posted. */
function takeBack(model: ReservationModel, epochIndex: number, returnTo: readonly bigint[]): ReservationModel {
	const { rows } = at(model.epochs, epochIndex);
	const returned = rows.map((row, index) => greater(row.returned, lesser(at(returnTo, index), row.granted - row.posted)));
	const windows = model.windows.map((window, index) => ({ ...window, granted: window.granted - (at(returned, index) - at(rows, index).returned) }));
	return changeRows({ ...model, windows }, epochIndex, (row, index) => ({ ...row, returned: at(returned, index) }));
}

/** Adoption of an intact journal, or the sweep of a lost one. */
function recover(model: ReservationModel, epochIndex: number): ReservationModel {
	const epoch = model.epochs[epochIndex];
	if (epoch?.life !== "crashed") return model;
	const recovered = epoch.isJournalLost
		? postLump(expireOpen(model, epochIndex, false), epochIndex)
		: replayJournal(expireOpen(model, epochIndex, true), epochIndex);
	return changeEpoch(recovered, epochIndex, "crashed", (closed) => ({ ...closed, life: "closed" }));
}

/** A reservation without outcome may have run, so it is spent. */
function expireOpen(model: ReservationModel, epochIndex: number, isNamed: boolean): ReservationModel {
	const journal = new Map(model.journal);
	const overrun = model.windows.map(() => 0n);
	const reservations = model.reservations.map((reservation, id): ModelReservation => {
		if (reservation.epoch !== epochIndex || reservation.endings.length > 0) return reservation;
		const posted = model.windows.map(({ unit }) => amountIn(unit, reservation.amounts));
		if (isNamed) journal.set(`attempt/${id}`, { kind: "flush", epoch: epochIndex, key: `attempt/${id}`, posted, overrun });
		return { ...reservation, endings: ["expired"] };
	});
	return { ...model, reservations, journal };
}

function replayJournal(model: ReservationModel, epochIndex: number): ReservationModel {
	let current = model;
	for (const row of model.journal.values()) if (row.epoch === epochIndex) current = book(current, row);
	return takeBack(
		current,
		epochIndex,
		at(current.epochs, epochIndex).rows.map((row) => row.granted - row.posted),
	);
}

function postLump(model: ReservationModel, epochIndex: number): ReservationModel {
	const rests = at(model.epochs, epochIndex).rows.map((row) => row.granted - row.returned - row.posted);
	const entries = new Map(model.entries).set(`lump/${epochIndex}`, { posted: rests, overrun: rests.map(() => 0n) });
	return { ...changeRows(model, epochIndex, (row, index) => ({ ...row, posted: row.posted + at(rests, index) })), entries };
}

function openAmount(model: ReservationModel, epochIndex: number, unit: Unit): bigint {
	let sum = 0n;
	for (const { epoch, amounts, endings } of model.reservations) if (epoch === epochIndex && endings.length === 0) sum += amountIn(unit, amounts);
	return sum;
}

function changeEpoch(model: ReservationModel, index: number, life: ModelEpoch["life"], change: (epoch: ModelEpoch) => ModelEpoch): ReservationModel {
	const epoch = model.epochs[index];
	return epoch?.life === life ? { ...model, epochs: replaceAt(model.epochs, index, change(epoch)) } : model;
}

function changeWindow(model: ReservationModel, index: number, change: Partial<ModelWindow>): ReservationModel {
	return { ...model, windows: model.windows.map((window, other) => (other === index ? { ...window, ...change } : window)) };
}

function changeRows(model: ReservationModel, index: number, change: (row: LeaseRow, window: number) => LeaseRow): ReservationModel {
	const epoch = at(model.epochs, index);
	return { ...model, epochs: replaceAt(model.epochs, index, { ...epoch, rows: epoch.rows.map(change) }) };
}

function replaceAt<Item>(items: readonly Item[], index: number, item: Item): Item[] {
	const copy = [...items];
	copy[index] = item;
	return copy;
}

/** An index that comes from the model itself always has its item. */
function at<Item>(items: readonly Item[], index: number): Item {
	const item = items[index];
	assert(item !== undefined, `no item ${index}`);
	return item;
}

function lesser(left: bigint, right: bigint): bigint {
	return right < left ? right : left;
}

function greater(left: bigint, right: bigint): bigint {
	return left > right ? left : right;
}

function atLeastZero(amount: bigint): bigint {
	return amount > 0n ? amount : 0n;
}
