import type { AnswerToDeliver } from "#activities/batches/deferred-port.ts";
import type { JobStore } from "#activities/batches/job/job-port.ts";
import { bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { ItemEnding } from "#activities/batches/lines/item-endings.ts";
import type { BatchHedge, BatchRecord, BatchStore, FileRecord, ItemBooking, ItemToSend, PartDetail } from "#activities/batches/port.ts";
import { assert } from "#domain/assert.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import type { BatchState, HeldItem, ItemOutcome } from "#domain/batching/batch.ts";
import { isFinalBatch, mayMove, mayMovePart } from "#domain/batching/batch-moves.ts";
import { isCertain, type PartRecord, type PartState } from "#domain/batching/batch-part.ts";
import { decideBooking } from "#domain/batching/decide-booking.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

type Answer = { readonly httpStatus: number; readonly answerBlobKey: string };
export type ItemRow = HeldItem &
	Pick<ItemToSend, "bodyBlobKey" | "deadlineMs" | "mayGoRealTime"> & {
		tryNumber: number;
		part: number | null;
		outcome: ItemOutcome | null;
		outcomeTry: number;
		isCharged?: boolean;
		/** Of the newest try. */
		lane?: Lane;
		sentTry?: number;
		answer?: Answer;
	};
type BatchRow = { record: BatchRecord; items: ItemRow[]; parts: PartRecord[]; isHoldClosed: boolean };

/** A ledger entry of a try. */
export type MemoryEntry = { readonly attemptId: string; readonly n: number; readonly costNanoUsd: bigint; readonly reason: "unresolved" | "duplicate" | null };

export type MemoryBatch = Pick<BatchRecord, "batchId" | "protocol"> &
	Partial<Pick<BatchRecord, "rules" | "deadlineMs" | "origin">> & {
		readonly items: number;
		/** Default 1 each. */
		readonly embeddingInputsOf?: (n: number) => number;
	};

export const BOUND_NANO_USD = 100n;

/** What migrations/0024 does, for tests of the job: batches in memory, with the same moves, bookings and money. `nowMs` is the clock. */
export class MemoryBatchStore implements JobStore, Pick<BatchStore, "createFile" | "readFile" | "toTell" | "endings"> {
	readonly entries: MemoryEntry[] = [];
	readonly files = new Map<string, FileRecord>();
	private readonly rows = new Map<string, BatchRow>();
	private readonly nowMs: () => number;
	private numbers = 0;

	constructor(nowMs: () => number) {
		this.nowMs = nowMs;
	}

	/** A batch whose money is held, over the input file that `inputFileOf` names; a collected one over the bodies of its items (`deferredIdOf`). */
	add({ batchId, protocol, items, origin = "caller", deadlineMs = null, embeddingInputsOf = () => 1, ...given }: MemoryBatch): BatchRecord {
		const isCollected = origin === "collected";
		const rules = given.rules ?? { mayResubmit: isCollected, mayRelane: isCollected };
		const number = String(++this.numbers);
		const inputFileId = isCollected ? null : inputFileOf(batchId);
		const attribution = isCollected ? null : { keyId: "k1", feature: null, userId: null, environment: null, asserted: null, claimed: null };
		const unset = { outputFileId: null, errorFileId: null, metadata: null, runningSinceMs: null, finalizingSinceMs: null, endedAtMs: null };
		const record: BatchRecord = {
			...{ batchId, number, protocol, items, rules, deadlineMs, inputFileId, attribution, ...unset, cancelAskedAtMs: null, problem: null },
			...{ teamId: "search", origin, state: "held", version: "1", priceVersion: 1, pricesAsOfMs: 0, createdAtMs: this.nowMs() },
			endpoint: protocol === "openai" ? "chat.completions" : "messages",
			...{ model: "m-1", deployment: `${protocol}/m-1`, provider: protocol },
			counts: { open: items, succeeded: 0, errored: 0, expired: 0, cancelled: 0 },
			heldNanoUsd: (BOUND_NANO_USD * BigInt(items)).toString(),
			settledNanoUsd: "0",
		};
		const rows = Array.from({ length: items }, (_, index): ItemRow => {
			const bound = { boundNanoUsd: BOUND_NANO_USD, boundTokens: 20, boundInputTokens: 10, bytes: 50, tiers: ["batch" as const] };
			const customId = isCollected ? deferredIdOf(index + 1) : `c-${index + 1}`;
			return {
				...{ n: index + 1, customId, ...bound },
				...(isCollected && { bodyBlobKey: bodyKey("search", customId), deadlineMs: null, mayGoRealTime: true }),
				embeddingInputs: embeddingInputsOf(index + 1),
				tryNumber: 0,
				part: null,
				outcome: null,
				outcomeTry: 0,
			};
		});
		this.rows.set(batchId, { record, items: rows, parts: [], isHoldClosed: false });
		if (inputFileId === null) return record;
		const file = { fileId: inputFileId, teamId: "search", keyId: "k1", purpose: "batch" as const, filename: "in.jsonl", bytes: 1, lines: items };
		this.files.set(inputFileId, { ...file, blobKey: `search/files/${inputFileId}.jsonl`, createdAtMs: 0, expiresAtMs: null });
		return record;
	}

	/** What is held for it still: nothing once its holder is closed. */
	heldNanoUsd(batchId: string): bigint {
		const row = this.row(batchId);
		return row.isHoldClosed ? 0n : BOUND_NANO_USD * BigInt(row.items.filter(({ outcome }) => outcome === null).length);
	}

	outcomes(batchId: string): (ItemOutcome | null)[] {
		return this.row(batchId).items.map(({ outcome }) => outcome);
	}

	/** Without an outcome. */
	openItems(batchId: string): ItemRow[] {
		return this.row(batchId).items.filter(({ outcome }) => outcome === null);
	}

	/** What its caller reads of each item; undefined: nothing yet. */
	answers(batchId: string): (Answer | undefined)[] {
		return this.row(batchId).items.map(({ answer }) => answer);
	}

	/** As if it had ended just now. */
	unanswer(batchId: string, n: number): void {
		delete this.row(batchId).items[n - 1]?.answer;
	}

	async unanswered(batchId: string, after: number, most: number): Promise<readonly AnswerToDeliver[]> {
		const { record, items } = this.row(batchId);
		if (record.origin === "caller") return [];
		const ended = items.flatMap(({ n, outcome, outcomeTry, customId, part, bodyBlobKey = "", isCharged = false, answer }) =>
			outcome === null || answer !== undefined || n <= after ? [] : [{ n, tryNumber: outcomeTry, part, deferredId: customId, bodyBlobKey, outcome, isCharged }],
		);
		return ended.slice(0, most);
	}

	async markAnswered(batchId: string, answers: readonly (Answer & { readonly n: number })[]): Promise<void> {
		for (const { n, ...answer } of answers) {
			const item = this.row(batchId).items[n - 1];
			assert(item !== undefined && item.outcome !== null, `item ${n} has not ended`);
			item.answer ??= answer;
		}
	}

	async createFile(file: Omit<FileRecord, "createdAtMs">): Promise<FileRecord> {
		const record = this.files.get(file.fileId) ?? { ...file, createdAtMs: this.nowMs() };
		this.files.set(file.fileId, record);
		return record;
	}

	async readFile(teamId: string, fileId: string): Promise<FileRecord | undefined> {
		const file = this.files.get(fileId);
		return file?.teamId === teamId ? file : undefined;
	}

	async read(batchId: string): Promise<BatchRecord | undefined> {
		return this.rows.get(batchId)?.record;
	}

	async askCancel(batchId: string): Promise<BatchRecord> {
		const { record } = this.row(batchId);
		if (record.cancelAskedAtMs !== null || isFinalBatch(record.state)) return record;
		return this.change(batchId, { cancelAskedAtMs: this.nowMs() });
	}

	async move(batchId: string, to: BatchState, detail: { problem?: string; outputFileId?: string; errorFileId?: string }): Promise<BatchRecord> {
		const { record, isHoldClosed } = this.row(batchId);
		if (!mayMove(record.state, to)) throw new CostControlError("internal.invariant", `a batch that is ${record.state} does not become ${to}`);
		assert(!isFinalBatch(to) || (isHoldClosed && record.counts.open === 0), `a batch is ${to} while it holds money`);
		const since = to === "running" ? { runningSinceMs: record.runningSinceMs ?? this.nowMs() } : isFinalBatch(to) ? { endedAtMs: this.nowMs() } : {};
		return this.change(batchId, { state: to, ...since, ...detail });
	}

	async itemsToSend(batchId: string, after: number, most: number): Promise<readonly ItemToSend[]> {
		const free = this.row(batchId).items.filter(({ n, outcome, part }) => outcome === null && part === null && n > after);
		return free.slice(0, most).map((item) => ({ ...item, tryNumber: item.tryNumber + 1 }));
	}

	async itemsOfPart({ batchId, part }: { batchId: string; part: number }, after: number, most: number): Promise<readonly ItemToSend[]> {
		const carried = this.row(batchId).items.filter((item) => item.outcome === null && item.part === part && item.n > after);
		return carried.slice(0, most).map((item) => ({ ...item }));
	}

	async endings(batchId: string, after: number, most: number): Promise<readonly ItemEnding[]> {
		const ended = this.row(batchId).items.flatMap(({ n, outcome, outcomeTry }) =>
			outcome === null || n <= after ? [] : [{ n, outcome, tryNumber: outcomeTry }],
		);
		return ended.slice(0, most);
	}

	async writePart(part: Omit<PartRecord, "state">, numbers: readonly number[]): Promise<PartRecord> {
		const row = this.row(part.batchId);
		const known = row.parts.find((other) => other.part === part.part);
		if (known !== undefined) return known;
		assert(row.record.state === "held" || row.record.state === "running", `a batch that is ${row.record.state} sends nothing`);
		for (const n of numbers) {
			const item = row.items[n - 1];
			assert(item !== undefined && item.outcome === null && item.part === null, `item ${n} is not free to be sent`);
			item.tryNumber++;
			item.part = part.part;
			item.lane = part.lane ?? "batch";
		}
		const record: PartRecord = { ...part, state: "written" };
		row.parts.push(record);
		return record;
	}

	async movePart(
		{ batchId, part }: { batchId: string; part: number },
		to: PartState,
		{ providerFileId, status, isCertain: isNowCertain = isCertain(this.row(batchId).parts.find((other) => other.part === part) ?? {}) }: PartDetail,
	): Promise<PartRecord> {
		const row = this.row(batchId);
		const at = row.parts.findIndex((other) => other.part === part);
		const record = row.parts[at];
		assert(record !== undefined, `there is no part ${part}`);
		if (!mayMovePart(record.state, to)) throw new CostControlError("internal.invariant", `a part that is ${record.state} does not become ${to}`);
		const { isCertain: _, ...rest } = record;
		const moved: PartRecord = {
			...rest,
			...(!isNowCertain && { isCertain: false }),
			state: to,
			providerFileId: providerFileId ?? record.providerFileId,
			providerBatchId: status?.providerBatchId ?? record.providerBatchId,
			submitBeganAtMs: to === "submitting" ? (record.submitBeganAtMs ?? this.nowMs()) : record.submitBeganAtMs,
			runningSinceMs: to === "running" ? (record.runningSinceMs ?? this.nowMs()) : record.runningSinceMs,
			endedAtMs: to === "ended" ? (record.endedAtMs ?? this.nowMs()) : record.endedAtMs,
		};
		row.parts[at] = moved;
		return moved;
	}

	async parts(batchId: string): Promise<readonly PartRecord[]> {
		return [...this.row(batchId).parts];
	}

	async knownProviderBatches(): Promise<ReadonlyMap<string, { readonly isCertain: boolean }>> {
		const parts = [...this.rows.values()].flatMap((row) => row.parts).toSorted((left, right) => Number(isCertain(left)) - Number(isCertain(right)));
		return new Map(parts.flatMap((part) => (part.providerBatchId === null ? [] : [[part.providerBatchId, { isCertain: isCertain(part) }]])));
	}

	async book(batchId: string, bookings: readonly ItemBooking[]): Promise<readonly number[]> {
		assert(bookings.length <= 500, "at most 500 at once");
		const row = this.row(batchId);
		return bookings.flatMap((booking) => (this.bookOne(row, booking) ? [booking.n] : []));
	}

	async releaseItems({ batchId, part }: { batchId: string; part: number }, as: "again" | "expired" | "cancelled"): Promise<number> {
		const row = this.row(batchId);
		const open = row.items.filter((item) => item.outcome === null && item.part === part);
		for (const item of open) {
			if (as === "again") item.part = null;
			else this.end(row, item, { outcome: as, tryNumber: item.tryNumber }, 0n);
		}
		this.change(batchId, {});
		return open.length;
	}

	/** Nothing is hedged here. */
	async readHedge(): Promise<BatchHedge> {
		return { byMs: null, parts: [] };
	}

	async closeHold(batchId: string): Promise<void> {
		const row = this.row(batchId);
		if (row.record.counts.open > 0) throw new CostControlError("internal.invariant", "items have no outcome");
		row.isHoldClosed = true;
	}

	async toTell(most: number): Promise<readonly BatchRecord[]> {
		const waits = ({ state, cancelAskedAtMs }: BatchRecord) => state === "held" || (state === "running" && cancelAskedAtMs !== null);
		return [...this.rows.values()]
			.map(({ record }) => record)
			.filter(waits)
			.slice(0, most);
	}

	private bookOne(row: BatchRow, booking: ItemBooking): boolean {
		const item = row.items[booking.n - 1];
		assert(item !== undefined, `there is no item ${booking.n}`);
		const { number: batchNumber, items } = row.record;
		const attemptId = attemptIdOf({ batchNumber, items, n: booking.n, tryNumber: booking.tryNumber });
		const isBilled = booking.costNanoUsd !== null;
		const isBooked = this.entries.some((entry) => entry.attemptId === attemptId);
		const decision = decideBooking(item, { tryNumber: booking.tryNumber, outcome: booking.outcome, isBilled, isBooked });
		if (decision === "ignored") return false;
		const isUnresolved = booking.unresolvedReason != null;
		const costNanoUsd = isUnresolved ? item.boundNanoUsd : (booking.costNanoUsd ?? 0n);
		const reason = decision === "duplicate" ? "duplicate" : isUnresolved ? "unresolved" : null;
		if (isBilled) this.entries.push({ attemptId, n: booking.n, costNanoUsd, reason });
		if (decision === "ends") item.isCharged = isBilled;
		if (decision === "ends") this.end(row, item, booking, isBilled ? costNanoUsd : 0n);
		return true;
	}

	private end(row: BatchRow, item: ItemRow, { outcome, tryNumber }: Pick<ItemBooking, "outcome" | "tryNumber">, costNanoUsd: bigint): void {
		assert(item.outcome === null, `item ${item.n} has an outcome already`);
		item.outcome = outcome;
		item.outcomeTry = tryNumber;
		const { counts, heldNanoUsd, settledNanoUsd, batchId } = row.record;
		this.change(batchId, {
			counts: { ...counts, open: counts.open - 1, [outcome]: counts[outcome] + 1 },
			heldNanoUsd: (BigInt(heldNanoUsd) - item.boundNanoUsd).toString(),
			settledNanoUsd: (BigInt(settledNanoUsd) + costNanoUsd).toString(),
		});
	}

	private change(batchId: string, change: Partial<BatchRecord>): BatchRecord {
		const row = this.row(batchId);
		row.record = { ...row.record, ...change, version: (BigInt(row.record.version) + 1n).toString() };
		return row.record;
	}

	private row(batchId: string): BatchRow {
		const row = this.rows.get(batchId);
		if (row === undefined) throw new CostControlError("batch.missing", `there is no batch ${batchId}`);
		return row;
	}
}

/** Of the item at this place of a collected batch. */
export function deferredIdOf(n: number): string {
	return `deferred_${String(n).padStart(24, "0")}`;
}

export function inputFileOf(batchId: string): string {
	return `file-${batchId.slice(batchId.indexOf("_") + 1)}`;
}
