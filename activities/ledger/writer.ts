import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { RunFlushes, RunNote } from "../runs/port.ts";
import type { LedgerJournal } from "./journal.ts";
import type { JournalPosition } from "./journal-places.ts";
import { attemptItem, type LedgerItem, quarantineItem, refusalItem } from "./ledger-row.ts";
import type { AttemptRow, LedgerWriter, RefusalRecord } from "./record.ts";
import { type GatewayEpoch, isRejectedData, isTooSlow, type SettleReply, type SqlConnection, settleChunk, settleQuarantined } from "./settle-chunk.ts";

export type Quarantined = {
	readonly key: string;
	readonly problem: string;
	/** Of the call, where the row is one. */
	readonly requestId?: string;
	readonly team?: string;
	/** False for refusals, and for an attempt whose reservation the database rejects too. */
	readonly isBooked: boolean;
};

export type LedgerWriterOptions = GatewayEpoch & {
	/** A connection of its own: a flush must not wait behind a grant. */
	readonly sql: SqlConnection;
	/** Told what is flushed, and read back from when memory is full. Without one everything stays in memory. */
	readonly journal?: Pick<LedgerJournal, "end" | "positionOf" | "readBack" | "markFlushed" | "markRefusalFlushed">;
	/** What is to be said of agent runs, and to be heard of them, with each chunk. Absent = nothing. */
	readonly runs?: RunFlushes;
	/** Called after every committed chunk. */
	readonly onReply?: (reply: SettleReply) => void;
	/** A row was rejected and stands in quarantine: a person has to look. */
	readonly onQuarantine?: (row: Quarantined) => void;
	/** A flush failed and is tried again. */
	readonly onRetry?: (error: unknown, delayMs: number) => void;
	/** Default 50 ms. */
	readonly chunkMs?: number;
	/** Default 500. */
	readonly chunkRows?: number;
	/** Default 20,000. */
	readonly memoryRows?: number;
};

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;
const NOTES_PER_CHUNK = 200;
const NO_NOTES: readonly RunNote[] = [];
/** Stands for a row where people are told of notes that cannot be stored. */
const NOTES_KEY = "notes of agent runs";

type FlushWaiter = { readonly target: number; readonly resolve: () => void };

/**
 * Queues journaled rows and flushes them, one chunk at a time: every 50 ms, or as soon as 500 are waiting. While
 * PostgreSQL is away rows are kept and tried again; nothing is lost, and beyond 20,000 rows they are read back from the
 * journal instead of held. Enqueue in the same turn in which the outcome was appended to the journal.
 */
export function createLedgerWriter(options: LedgerWriterOptions): LedgerWriter {
	return new ChunkedWriter(options);
}

class ChunkedWriter implements LedgerWriter {
	private readonly options: LedgerWriterOptions;
	private readonly chunkMs: number;
	private readonly chunkRows: number;
	private readonly memoryRows: number;
	private queue: LedgerItem[] = [];
	private enqueued = 0;
	private committed = 0;
	/** Rows that are only in the journal, from `spillFrom` on. */
	private spilled = 0;
	private spillFrom: JournalPosition | undefined;
	private rowLimit: number;
	private retryMs = FIRST_RETRY_MS;
	private timer: NodeJS.Timeout | undefined;
	/** Notes of runs came while a chunk was under way, or did not all fit into it. */
	private hasMoreNotes = false;
	private isFlushing = false;
	private isClosed = false;
	private waiters: FlushWaiter[] = [];

	constructor(options: LedgerWriterOptions) {
		this.options = options;
		this.chunkMs = options.chunkMs ?? 50;
		this.chunkRows = options.chunkRows ?? 500;
		this.memoryRows = options.memoryRows ?? 20_000;
		this.rowLimit = this.chunkRows;
	}

	get pendingRows(): number {
		return this.enqueued - this.committed;
	}

	enqueueAttempt(row: AttemptRow): void {
		if (!this.isSpilled(row.reservation.n)) this.queue.push(attemptItem(row));
		this.noticeRow();
	}

	enqueueRefusal(record: RefusalRecord): void {
		if (!this.isSpilled(record.refusalId)) this.queue.push(refusalItem(record));
		this.noticeRow();
	}

	flush(deadlineMs: number): Promise<void> {
		if (this.pendingRows === 0 && this.notes(1).length === 0) return Promise.resolve();
		return new Promise((resolve, reject) => {
			const waiter: FlushWaiter = {
				target: this.enqueued,
				resolve: () => {
					clearTimeout(deadline);
					resolve();
				},
			};
			const deadline = setTimeout(() => {
				this.waiters = this.waiters.filter((other) => other !== waiter);
				reject(new CostControlError("authority.unreachable", "the ledger does not answer", { details: { pendingRows: this.pendingRows } }));
			}, deadlineMs);
			this.waiters.push(waiter);
			this.schedule(0);
		});
	}

	async close(deadlineMs: number): Promise<void> {
		try {
			do await this.flush(deadlineMs);
			while (this.notes(1).length > 0); // of runs: they do not all fit into one chunk
		} finally {
			this.isClosed = true;
			clearTimeout(this.timer);
		}
	}

	noteRuns(): void {
		this.hasMoreNotes = true;
		this.schedule(this.chunkMs);
	}

	private notes(most: number): readonly RunNote[] {
		return this.options.runs?.takeUntold(most) ?? NO_NOTES;
	}

	/** True when the row is left to the journal. What is spilled stays in order: after everything in memory. */
	private isSpilled(id: number | string): boolean {
		const isFull = this.spillFrom !== undefined || this.queue.length >= this.memoryRows;
		const position = isFull ? this.options.journal?.positionOf(id) : undefined;
		if (position === undefined || (this.spillFrom !== undefined && position < this.spillFrom)) return false;
		this.spillFrom ??= position;
		this.spilled += 1;
		return true;
	}

	private noticeRow(): void {
		this.enqueued += 1;
		if (this.timer === undefined || this.queue.length === this.chunkRows) this.schedule(this.queue.length >= this.chunkRows ? 0 : this.chunkMs);
	}

	/** At most one flush is under way and at most one is planned; only what wants it now comes before the plan. */
	private schedule(delayMs: number): void {
		if (this.isFlushing || this.isClosed) return;
		if (this.timer !== undefined && delayMs > 0) return;
		clearTimeout(this.timer);
		this.timer = setTimeout(() => void this.run(), delayMs);
	}

	private async run(): Promise<void> {
		this.timer = undefined;
		this.isFlushing = true;
		try {
			await this.flushQueue();
			this.retryMs = FIRST_RETRY_MS;
			this.isFlushing = false;
			if (this.queue.length > 0 || this.spilled > 0 || this.hasMoreNotes)
				this.schedule(this.waiters.length > 0 || this.queue.length >= this.chunkRows ? 0 : this.chunkMs);
		} catch (error) {
			this.isFlushing = false;
			this.planRetry(error);
		}
	}

	private planRetry(error: unknown): void {
		if (isTooSlow(error)) this.rowLimit = Math.max(1, this.rowLimit >> 1);
		const delayMs = this.retryMs;
		this.retryMs = Math.min(LONGEST_RETRY_MS, this.retryMs * 2);
		if (!this.isClosed) this.timer = setTimeout(() => void this.run(), delayMs);
		this.options.onRetry?.(error, delayMs);
	}

	/** Flushes whole chunks while there are any; a part of one that failed goes back to the front. */
	private async flushQueue(): Promise<void> {
		do {
			this.refill();
			const groups = [this.queue.splice(0, this.rowLimit)];
			try {
				while (groups.length > 0) await this.flushGroup(groups);
			} catch (error) {
				this.queue.unshift(...groups.reverse().flat());
				throw error;
			}
			this.rowLimit = Math.min(this.chunkRows, this.rowLimit * 2);
		} while (this.queue.length >= this.chunkRows || (this.queue.length + this.spilled > 0 && this.waiters.length > 0));
	}

	/** Sends the last group; one that the database rejects is replaced by its halves until the bad row stands alone. */
	private async flushGroup(groups: LedgerItem[][]): Promise<void> {
		const group = groups.at(-1) ?? [];
		const [first] = group;
		const notes = this.notes(NOTES_PER_CHUNK);
		this.hasMoreNotes = notes.length === NOTES_PER_CHUNK;
		let report: (() => void) | undefined;
		try {
			if (first || notes.length > 0) {
				const reply = await settleChunk(this.options.sql, this.options, group, notes);
				report = () => this.tell(reply, notes);
			}
		} catch (error) {
			if (!first || !isRejectedData(error)) throw error;
			if (group.length > 1) {
				const middle = group.length >> 1;
				groups.splice(-1, 1, group.slice(middle), group.slice(0, middle));
				return;
			}
			const row = await this.quarantine(first, error);
			report = () => this.options.onQuarantine?.(row);
		}
		groups.pop();
		this.markCommitted(group);
		report?.();
	}

	private tell(reply: SettleReply, notes: readonly RunNote[]): void {
		if (notes.length > 0) this.options.runs?.told(notes);
		if (reply.notesProblem !== null) this.options.onQuarantine?.({ key: NOTES_KEY, problem: reply.notesProblem, isBooked: false });
		if (reply.runs.length > 0) this.options.runs?.totals(reply.runs);
		this.options.onReply?.(reply);
	}

	private async quarantine(item: LedgerItem, cause: unknown): Promise<Quarantined> {
		const problem = cause instanceof Error ? cause.message : String(cause);
		const row = quarantineItem(item, problem);
		let isBooked = row.bookedJson !== undefined;
		try {
			await settleQuarantined(this.options.sql, this.options, row);
		} catch (error) {
			if (!isRejectedData(error)) throw error;
			await settleQuarantined(this.options.sql, this.options, { ...row, bookedJson: undefined });
			isBooked = false;
		}
		return { key: item.key, problem, requestId: row.requestId, team: row.team, isBooked };
	}

	private markCommitted(items: readonly LedgerItem[]): void {
		this.committed += items.length;
		for (const item of items) {
			if (item.kind === "attempt") this.options.journal?.markFlushed(item.id);
			else this.options.journal?.markRefusalFlushed(item.id);
		}
		const done = this.waiters.filter((waiter) => waiter.target <= this.committed);
		if (done.length === 0) return;
		this.waiters = this.waiters.filter((waiter) => waiter.target > this.committed);
		for (const waiter of done) waiter.resolve();
	}

	/** Fetches spilled rows when memory is nearly empty; at the end of the journal new rows stay in memory again. */
	private refill(): void {
		const { journal } = this.options;
		if (this.spillFrom === undefined || !journal || this.queue.length >= this.chunkRows) return;
		const { attempts, refusals, next } = journal.readBack(this.spillFrom, this.chunkRows * 2);
		this.queue.push(...attempts.map(attemptItem), ...refusals.map(refusalItem));
		const found = attempts.length + refusals.length;
		this.enqueued += Math.max(0, found - this.spilled);
		this.spilled = Math.max(0, this.spilled - found);
		this.spillFrom = next;
		if (next < journal.end) return;
		// What is spilled and no longer there was queued twice and is committed.
		this.committed += this.spilled;
		this.spilled = 0;
		this.spillFrom = undefined;
	}
}
