import { attemptItem, type LedgerItem, quarantineItem } from "#activities/ledger/ledger-row.ts";
import type { OutcomeRecord, ReservationRecord } from "#activities/ledger/record.ts";
import { isRejectedData, type SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { NOTHING } from "#activities/request/amounts.ts";
import type { TraceContext } from "#activities/telemetry/port.ts";
import { assert } from "#domain/assert.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import type { ItemOutcome } from "#domain/batching/batch.ts";
import { decideBooking } from "#domain/batching/decide-booking.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import { HoldTally } from "#domain/batching/hold-tally.ts";
import type { Amounts } from "#domain/budget/lease-book.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { PriceTier } from "#domain/pricing/price-book.ts";
import type { Attribution, BatchRecord, BookedTry, ItemBooking } from "../port.ts";
import { askBatches } from "./ask-batches.ts";

const BOOKS = "SELECT tollgate.batch_books($1, $2::integer[], $3::integer[]) AS reply";
const BOOK = "SELECT tollgate.book_batch($1, $2, $3::json, $4::json, $5::json, $6::integer[]) AS reply";

/** As settle_chunk takes at most. */
const BOOKINGS_MAX = 500;

/** Why an item is unresolved whose row was rejected; as the ledger says it of a call. */
const REJECTED = "rejected_by_ledger";

/** As `tollgate.batch_books` answers. */
type Books = {
	readonly record: BatchRecord;
	readonly heldAtMs: number;
	/** Of the items asked for. `idle`: what its holder has there beyond the bounds of items without an outcome. */
	readonly windows: readonly { readonly windowId: string; readonly unit: "nano_usd" | "tokens"; readonly idle: string }[];
	readonly items: readonly BookedItem[];
	/** Of the tries asked for those that are in the ledger. */
	readonly booked: readonly (readonly [n: number, tryNumber: number])[];
};

type BookedItem = {
	readonly n: number;
	readonly tryNumber: number;
	readonly outcome: ItemOutcome | null;
	readonly boundNanoUsd: string;
	readonly boundTokens: number;
	readonly tiers: readonly PriceTier[];
	/** Of an item that was handed in alone: its own windows, who pays, when it was held and how it is asked for; else as its batch says. */
	readonly windows?: readonly string[];
	readonly attribution?: Attribution;
	readonly heldAtMs?: number;
	readonly requestId?: string;
	readonly traceContext?: TraceContext | null;
	/** Its bound is held once more, for a try beside one that may still be billed. */
	readonly isSecondHeld?: boolean;
};

type Ending = {
	readonly n: number;
	readonly try: number;
	readonly outcome: ItemOutcome;
	readonly cost_nano_usd: string | null;
	readonly real_time_nano_usd?: string;
	readonly lane?: Lane;
};

/** `seconds`: items whose second bound is spent, or free, with a try beside the one that ended them. */
type Plan = { readonly rows: LedgerItem[]; readonly endings: Ending[]; readonly seconds: number[]; readonly fresh: BookedTry[] };

/**
 * Books results of items. What they do is decided on the books as they were read, and written only where nothing was written since; else it is
 * decided anew. A result that PostgreSQL rejects for what it says is set aside and holds nobody else up. Answers the tries that were new.
 */
export async function bookItems(sql: SqlConnection, batchId: string, bookings: readonly ItemBooking[]): Promise<readonly BookedTry[]> {
	assert(bookings.length <= BOOKINGS_MAX, `at most ${BOOKINGS_MAX} results are booked at once`);
	if (bookings.length === 0) return [];
	const asked = [batchId, bookings.map(({ n }) => n), bookings.map(({ tryNumber }) => tryNumber)];
	for (;;) {
		const books = await askBatches<Books | null>(sql, "batch_books", BOOKS, asked);
		if (books === null) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
		const plan = planBooking(books, bookings);
		if (plan.fresh.length === 0) return [];
		try {
			if (await write(sql, books, plan)) return plan.fresh;
		} catch (error) {
			if (!isRejectedData(error)) throw error;
			const middle = bookings.length >> 1;
			if (middle > 0) return [...(await bookItems(sql, batchId, bookings.slice(0, middle))), ...(await bookItems(sql, batchId, bookings.slice(middle)))];
			const setAsideAs = await setAside(sql, books, { bookings, plan, cause: error });
			if (setAsideAs !== undefined) return setAsideAs;
		}
	}
}

function write(sql: SqlConnection, { record }: Books, { rows, endings, seconds }: Omit<Plan, "fresh">, quarantined = ""): Promise<boolean> {
	const rowsJson = `[${rows.map(({ json }) => json).join()}]`;
	return askBatches(sql, "book_batch", BOOK, [record.batchId, record.version, rowsJson, JSON.stringify(endings), `[${quarantined}]`, seconds]);
}

type Rejected = { readonly bookings: readonly ItemBooking[]; readonly plan: Plan; readonly cause: unknown };

/**
 * Books a rejected result at the bound of its item, without what the provider said, and keeps its row in quarantine. Where even that is rejected
 * nothing is booked, as of a call: the quarantine says so.
 */
async function setAside(sql: SqlConnection, books: Books, { bookings, plan, cause }: Rejected): Promise<readonly BookedTry[] | undefined> {
	const [row] = plan.rows;
	// What is not billed says nothing that could be at fault.
	if (row === undefined) throw cause;
	const { quarantineJson } = quarantineItem(row, cause instanceof Error ? cause.message : String(cause));
	const atBounds = planBooking(books, bookings.map(withoutAnswer));
	try {
		return (await write(sql, books, atBounds, quarantineJson)) ? atBounds.fresh : undefined;
	} catch (error) {
		if (!isRejectedData(error)) throw error;
		const unbilled = { ...plan, rows: [], endings: plan.endings.map((ending) => ({ ...ending, cost_nano_usd: null })) };
		if (!(await write(sql, books, unbilled, quarantineJson))) return undefined;
		return plan.fresh.map((tried) => ({ ...tried, outcome: null }));
	}
}

function withoutAnswer({ n, tryNumber, outcome }: ItemBooking): ItemBooking {
	const nothing = { costNanoUsd: 0n, costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	return { n, tryNumber, outcome, ...nothing, unresolvedReason: REJECTED };
}

function planBooking(books: Books, bookings: readonly ItemBooking[]): Plan {
	const plan: Plan = { rows: [], endings: [], seconds: [], fresh: [] };
	const tally = new HoldTally(books.windows.map((window) => ({ ...window, idle: BigInt(window.idle) })));
	const items = new Map(books.items.map((item) => [item.n, item]));
	const booked = new Set(books.booked.map(([n, tryNumber]) => `${n}/${tryNumber}`));
	for (const result of bookings) {
		const item = items.get(result.n);
		assert(item !== undefined, `batch ${books.record.batchId} has no item ${result.n}`);
		const booking = atBound(result, item);
		const { n, tryNumber, outcome, costNanoUsd } = booking;
		const name = `${n}/${tryNumber}`;
		const decision = decideBooking(item, { tryNumber, outcome, isBilled: costNanoUsd !== null, isBooked: booked.has(name), isLost: booking.isLost === true });
		if (decision === "ignored") continue;
		const isSecond = decision === "duplicate" && item.isSecondHeld === true;
		const reserved = decision === "ends" || isSecond ? { ...NOTHING, nanoUsd: BigInt(item.boundNanoUsd), tokens: BigInt(item.boundTokens) } : NOTHING;
		const cost = { ...NOTHING, nanoUsd: costNanoUsd ?? 0n, tokens: costNanoUsd === null ? 0n : BigInt(booking.costTokens) };
		const overruns = tally.settle(reserved, cost, item.windows);
		const reservation = reservationOf(books, { item, tryNumber, reserved });
		const entry = costNanoUsd === null ? null : outcomeOf({ ...booking, costNanoUsd }, reservation, { overruns, decision });
		if (entry !== null) {
			booked.add(name);
			plan.rows.push(attemptItem({ reservation, outcome: entry }));
		}
		if (decision === "ends") {
			plan.endings.push(endingOf(booking));
			items.set(n, { ...item, outcome });
		} else if (isSecond) {
			plan.seconds.push(n);
			items.set(n, { ...item, isSecondHeld: false });
		}
		const isDuplicate = decision === "duplicate";
		plan.fresh.push({ batch: books.record, booking, reservation, outcome: entry, isDuplicate, traceContext: item.traceContext ?? null });
	}
	return plan;
}

function atBound(booking: ItemBooking, item: BookedItem): ItemBooking {
	if ((booking.unresolvedReason ?? null) === null) return booking;
	return { ...booking, costNanoUsd: BigInt(item.boundNanoUsd), costTokens: item.boundTokens, usage: null };
}

function endingOf({ n, tryNumber, outcome, costNanoUsd, realTimeNanoUsd = null, lane }: ItemBooking): Ending {
	const inRealTime = realTimeNanoUsd === null ? {} : { real_time_nano_usd: realTimeNanoUsd.toString() };
	return { n, try: tryNumber, outcome, cost_nano_usd: costNanoUsd?.toString() ?? null, ...inRealTime, ...(lane === undefined ? {} : { lane }) };
}

type Reserved = { readonly item: BookedItem; readonly tryNumber: number; readonly reserved: Amounts };

/** As a call of the key would have it that pays; request id `<batch id>/<n>`, or the item's own, so that it can be asked for by its line. */
function reservationOf({ record, heldAtMs, windows }: Books, { item, tryNumber, reserved }: Reserved): ReservationRecord {
	const { teamId, provider, deployment, protocol, endpoint, model } = record;
	const attribution = item.attribution ?? record.attribution;
	assert(attribution !== null, `nobody pays for item ${item.n} of batch ${record.batchId}`);
	const own = item.windows === undefined ? undefined : new Set(item.windows);
	return {
		type: "reservation",
		n: item.n,
		attemptId: attemptIdOf({ batchNumber: record.number, items: record.items, n: item.n, tryNumber }),
		requestId: item.requestId ?? `${record.batchId}/${item.n}`,
		reservedAtMs: item.heldAtMs ?? heldAtMs,
		...attribution,
		...{ teamId, provider, deployment, protocol, endpoint, model },
		pricedModel: record.pricedModel ?? model,
		pricedTiers: item.tiers,
		priceVersion: record.priceVersion,
		pricesAsOfMs: record.pricesAsOfMs,
		reservedNanoUsd: reserved.nanoUsd.toString(),
		reservedTokens: Number(reserved.tokens),
		clampedOutputTokens: null,
		windows: windows.filter(({ windowId }) => own === undefined || own.has(windowId)).map(({ windowId, unit }) => ({ id: windowId, unit })),
	};
}

type Billed = ItemBooking & { readonly costNanoUsd: bigint };
type Booked = { readonly overruns: ReadonlyMap<string, bigint>; readonly decision: "ends" | "duplicate" };

function outcomeOf(booking: Billed, { windows, priceVersion }: ReservationRecord, { overruns, decision }: Booked): OutcomeRecord {
	const { n, costNanoUsd, costTokens, usage, answeredModel, serviceTier, providerRequestId, httpStatus, unresolvedReason = null, alert = null } = booking;
	const inMoney = windows.map(({ id, unit }) => (unit === "nano_usd" ? (overruns.get(id) ?? 0n) : 0n));
	const why = unresolvedReason ?? alert;
	return {
		type: "outcome",
		n,
		outcome: unresolvedReason === null ? "settled" : "unresolved",
		reason: decision === "ends" ? why : ["duplicate", ...(why === null ? [] : [why])].join(": "),
		costNanoUsd: costNanoUsd.toString(),
		costTokens,
		overrunNanoUsd: inMoney.reduce((largest, overrun) => (overrun > largest ? overrun : largest), 0n).toString(),
		windowOverruns: Object.fromEntries([...overruns].map(([windowId, overrun]) => [windowId, overrun.toString()])),
		...{ usage, answeredModel, serviceTier, priceVersion, providerRequestId, httpStatus },
		durationMs: null,
	};
}
