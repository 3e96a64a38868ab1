import { closeSync, fdatasync, fsyncSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { assert } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { readProcessStart } from "../process/identity.ts";
import { stringifyClean } from "./clean-text.ts";
import { type FsyncMode, gatewayFolder, type JournalHeader, segmentFile } from "./journal-files.ts";
import { encodeFrame, type FramesEnd, readFrame, readFrames } from "./journal-frame.ts";
import { JournalPlaces, type JournalPosition, offsetOf, positionIn, segmentOf } from "./journal-places.ts";
import { readMachineBootId } from "./machine-boot-id.ts";
import type { AttemptRow, Journal, JournalRecord, OutcomeRecord, RefusalRecord, ReservationRecord } from "./record.ts";

export type ReadBack = { readonly attempts: readonly AttemptRow[]; readonly refusals: readonly RefusalRecord[]; readonly next: JournalPosition };

/** The journal as its writer uses it: it knows what is not flushed yet, and gives it back. */
export type LedgerJournal = Journal & {
	/**
	 * Resolves when everything appended so far is on the disk; undefined when there is nothing to wait for (fsync mode
	 * `off`). Await it before sending.
	 */
	whenDurable(): Promise<void> | undefined;
	/** The attempt's ledger row is committed. Segments whose attempts are all resolved and flushed are deleted, oldest first. */
	markFlushed(n: number): void;
	markRefusalFlushed(refusalId: string): void;
	/** Where the next record goes. */
	readonly end: JournalPosition;
	/** Where the outcome of an attempt, or a refusal, stands; undefined when it is flushed or unknown. */
	positionOf(id: number | string): JournalPosition | undefined;
	/** Up to about `limit` resolved, unflushed rows from a position on, in the order of their outcomes. */
	readBack(from: JournalPosition, limit: number): ReadBack;
	/** Deletes the files of a journal that is closed and whose epoch is closed. */
	remove(): void;
	/** Reservations without an outcome. */
	readonly openAttempts: number;
};

export type JournalOptions = {
	readonly folder: string;
	readonly gatewayId: string;
	readonly epoch: bigint;
	/** Boot of the gateway, as registered with the epoch. */
	readonly bootId: string;
	/** Default: this boot of the machine. */
	readonly machineBootId?: string;
	/** `group`: one fdatasync for all records appended meanwhile. `off` (default) survives a process crash, not a machine crash. */
	readonly fsyncMode?: FsyncMode;
	/** Default 64 MiB. */
	readonly segmentBytes?: number;
};

const DEFAULT_SEGMENT_BYTES = 64 * 1_024 * 1_024;
const FIRST_BUFFER_BYTES = 64 * 1_024;
const datasync = promisify(fdatasync);

/**
 * Creates `<folder>/<gatewayId>/<epoch>.journal`. Throws CostControlError "journal.unwritable" when it cannot, an epoch
 * that already has a journal included.
 */
export async function openJournal(options: JournalOptions): Promise<LedgerJournal> {
	const startedAt = await readProcessStart(process.pid);
	if (startedAt === null) throw unwritable(new Error("the start time of this process cannot be read"));
	return new SegmentedJournal(options, startedAt);
}

class SegmentedJournal implements LedgerJournal {
	private readonly gatewayPath: string;
	private readonly options: JournalOptions;
	private readonly fsyncMode: FsyncMode;
	private readonly segmentBytes: number;
	private readonly startedAt: string;
	private readonly machineBootId: string;
	private buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
	private fileDescriptor = -1;
	private segment = -1;
	private oldestSegment = 0;
	private offset = 0;
	private broken: unknown;
	/** Encoded and not written yet. */
	private waitingBytes = 0;
	/** Records among that; undefined outside of `together`. */
	private gathered: JournalRecord[] | undefined;
	private readonly places = new JournalPlaces();
	private syncing: Promise<void> | undefined;
	private nextSync: Promise<void> | undefined;

	constructor(options: JournalOptions, startedAt: string) {
		this.options = options;
		this.fsyncMode = options.fsyncMode ?? "off";
		this.segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES;
		this.startedAt = startedAt;
		this.machineBootId = options.machineBootId ?? readMachineBootId();
		this.gatewayPath = gatewayFolder(options.folder, options.gatewayId);
		try {
			mkdirSync(this.gatewayPath, { recursive: true });
			this.openSegment(0);
		} catch (error) {
			throw unwritable(error);
		}
	}

	get end(): JournalPosition {
		return positionIn(this.segment, this.offset + this.waitingBytes);
	}

	get openAttempts(): number {
		return this.places.openAttempts;
	}

	append(record: JournalRecord): void {
		if (record.type === "outcome") assert(this.places.isOpen(record.n), `attempt ${record.n} is not open`);
		const json = stringifyClean(record);
		if (this.gathered !== undefined) {
			const position = this.end;
			this.encode(json);
			this.gathered.push(record);
			// At once: whoever queues the row now may have to ask where its outcome stands.
			this.places.remember(record, position);
			return;
		}
		if (this.offset >= this.segmentBytes) this.roll();
		const position = this.end;
		this.encode(json);
		this.write();
		this.places.remember(record, position);
		this.forgetReleased(record);
	}

	together(work: () => void): void {
		assert(this.gathered === undefined, "what is journaled together is not nested");
		if (this.offset >= this.segmentBytes) this.roll();
		const gathered: JournalRecord[] = [];
		this.gathered = gathered;
		try {
			work();
		} finally {
			this.gathered = undefined;
			this.writeGathered(gathered);
		}
	}

	whenDurable(): Promise<void> | undefined {
		if (this.fsyncMode === "off") return undefined;
		if (!this.syncing) {
			this.syncing = this.sync();
			return this.syncing;
		}
		// The sync under way may have begun before our record was written: wait for the one after it.
		this.nextSync ??= this.syncing.then(
			() => this.startNextSync(),
			() => this.startNextSync(),
		);
		return this.nextSync;
	}

	positionOf(id: number | string): JournalPosition | undefined {
		return this.places.ofOutcome(id);
	}

	markFlushed(n: number): void {
		this.places.flushedAttempt(n);
		this.deleteFlushedSegments();
	}

	markRefusalFlushed(refusalId: string): void {
		this.places.flushedRefusal(refusalId);
		this.deleteFlushedSegments();
	}

	readBack(from: JournalPosition, limit: number): ReadBack {
		const attempts: AttemptRow[] = [];
		const refusals: RefusalRecord[] = [];
		const files = new Map<number, number>();
		let next = from;
		try {
			while (next < this.end && attempts.length + refusals.length < limit) {
				next = this.readBackSegment(next, { limit, attempts, refusals, files });
			}
		} finally {
			for (const fileDescriptor of files.values()) closeSync(fileDescriptor);
		}
		return { attempts, refusals, next };
	}

	close(): void {
		if (this.fileDescriptor === -1) return;
		this.closeAfterSync(this.fileDescriptor);
		this.fileDescriptor = -1;
		this.broken ??= new Error("the journal is closed");
	}

	remove(): void {
		this.close();
		for (let segment = this.oldestSegment; segment <= this.segment; segment += 1) rmSync(this.fileOf(segment), { force: true });
	}

	private readBackSegment(
		from: JournalPosition,
		into: { limit: number; attempts: AttemptRow[]; refusals: RefusalRecord[]; files: Map<number, number> },
	): JournalPosition {
		const segment = segmentOf(from);
		if (segment < this.oldestSegment) return positionIn(this.oldestSegment, 0);
		const frames = readFrames(this.fileFor(segment, into.files), offsetOf(from));
		for (;;) {
			const frame = frames.next();
			if (frame.done) return this.endOfSegment(segment, frame.value);
			const record = JSON.parse(frame.value.json) as JournalRecord | JournalHeader;
			if (record.type === "outcome" && this.places.ofOutcome(record.n) !== undefined) into.attempts.push(this.joinReservation(record, into.files));
			if (record.type === "refusal" && this.places.ofOutcome(record.refusalId) !== undefined) into.refusals.push(record);
			if (into.attempts.length + into.refusals.length >= into.limit) return positionIn(segment, frame.value.nextOffset);
		}
	}

	private endOfSegment(segment: number, end: FramesEnd): JournalPosition {
		if (segment < this.segment) return positionIn(segment + 1, 0);
		if (end.kind === "clean" && end.offset === this.offset) return this.end;
		throw new Error(`the journal cannot be read back: ${end.kind} at ${end.offset} of segment ${segment}`);
	}

	private joinReservation(outcome: OutcomeRecord, files: Map<number, number>): AttemptRow {
		const position = this.places.ofReservation(outcome.n) ?? 0;
		const frame = readFrame(this.fileFor(segmentOf(position), files), offsetOf(position));
		if (!frame) throw new Error(`the journal cannot be read back: no reservation ${outcome.n} at ${position}`);
		return { reservation: JSON.parse(frame.json) as ReservationRecord, outcome };
	}

	private fileFor(segment: number, files: Map<number, number>): number {
		const known = files.get(segment);
		if (known !== undefined) return known;
		const fileDescriptor = openSync(this.fileOf(segment), "r");
		files.set(segment, fileDescriptor);
		return fileDescriptor;
	}

	private fileOf(segment: number): string {
		return segmentFile(this.gatewayPath, this.options.epoch, segment);
	}

	private writeGathered(gathered: readonly JournalRecord[]): void {
		if (gathered.length === 0) return;
		try {
			this.write();
		} catch (error) {
			for (const record of gathered) this.places.unremember(record);
			throw error;
		}
		for (const record of gathered) this.forgetReleased(record);
	}

	/** Nothing is left to flush of an attempt that was released; only once that is written is its reservation forgotten. */
	private forgetReleased(record: JournalRecord): void {
		if (record.type === "outcome" && record.outcome === "released") this.markFlushed(record.n);
	}

	/** Only from the front: a later segment may hold the outcome of a reservation in an earlier one. */
	private deleteFlushedSegments(): void {
		while (this.oldestSegment < this.segment && !this.places.isNeeded(this.oldestSegment)) {
			rmSync(this.fileOf(this.oldestSegment), { force: true });
			this.places.forgetSegment(this.oldestSegment);
			this.oldestSegment += 1;
		}
	}

	private encode(json: string): void {
		let size = encodeFrame(this.buffer, json, this.waitingBytes);
		if (size === undefined) {
			const wider = Buffer.allocUnsafe(this.waitingBytes + json.length * 4);
			this.buffer.copy(wider, 0, 0, this.waitingBytes);
			this.buffer = wider;
			size = encodeFrame(this.buffer, json, this.waitingBytes) ?? 0;
		}
		this.waitingBytes += size;
	}

	/** All that is encoded, or nothing of it. */
	private write(): void {
		const size = this.waitingBytes;
		this.waitingBytes = 0;
		if (this.broken !== undefined) throw unwritable(this.broken);
		try {
			const written = writeSync(this.fileDescriptor, this.buffer, 0, size, this.offset);
			if (written !== size) throw new Error(`${written} of ${size} bytes written`);
		} catch (error) {
			this.cutTail();
			throw unwritable(error);
		}
		this.offset += size;
	}

	/** Part of a record left in the middle of the file would hide every later one from the reader. */
	private cutTail(): void {
		try {
			ftruncateSync(this.fileDescriptor, this.offset);
		} catch (error) {
			this.broken = error;
		}
	}

	private roll(): void {
		try {
			if (this.fsyncMode === "group") fsyncSync(this.fileDescriptor);
			const finished = this.fileDescriptor;
			this.openSegment(this.segment + 1);
			this.closeAfterSync(finished);
		} catch (error) {
			throw unwritable(error);
		}
		this.deleteFlushedSegments();
	}

	/** A sync under way still uses the number, which the next file would be given. */
	private closeAfterSync(fileDescriptor: number): void {
		if (!this.syncing) return closeSync(fileDescriptor);
		const close = () => closeSync(fileDescriptor);
		this.syncing.then(close, close);
	}

	private openSegment(segment: number): void {
		const file = this.fileOf(segment);
		const previous = [this.fileDescriptor, this.segment, this.offset] as const;
		this.fileDescriptor = openSync(file, "wx+", 0o600);
		this.segment = segment;
		this.offset = 0;
		const { gatewayId, epoch, bootId } = this.options;
		const header: JournalHeader = {
			...{ type: "header", format: 1, gatewayId, epoch: epoch.toString(), segment, bootId },
			...{ machineBootId: this.machineBootId, fsyncMode: this.fsyncMode, pid: process.pid, startedAt: this.startedAt },
		};
		try {
			this.encode(JSON.stringify(header));
			this.write();
			if (this.fsyncMode === "group") this.syncNewFile();
		} catch (error) {
			closeSync(this.fileDescriptor);
			[this.fileDescriptor, this.segment, this.offset] = previous;
			rmSync(file, { force: true });
			throw error;
		}
	}

	/** A file is safe only when its folder entry is. */
	private syncNewFile(): void {
		fsyncSync(this.fileDescriptor);
		const folder = openSync(this.gatewayPath, "r");
		try {
			fsyncSync(folder);
		} finally {
			closeSync(folder);
		}
	}

	private startNextSync(): Promise<void> {
		this.nextSync = undefined;
		this.syncing = this.sync();
		return this.syncing;
	}

	private async sync(): Promise<void> {
		try {
			await datasync(this.fileDescriptor);
		} catch (error) {
			this.broken = error; // after a failed sync the kernel may have dropped what it could not write
			throw unwritable(error);
		} finally {
			if (!this.nextSync) this.syncing = undefined;
		}
	}
}

function unwritable(cause: unknown): CostControlError {
	return new CostControlError("journal.unwritable", "the gateway cannot write its journal", { cause });
}
