import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClockAnchor } from "./clock.ts";
import { type BatchRecord, isOpen, type StoredFile } from "./records.ts";

/**
 * Files and batches in a folder: bytes in `files/` and `work/`, a JSON record beside each, and the clock's anchor in `clock.json`.
 * Records are in memory as well and change whole: a kill leaves the one before or the one after. The folder is made with the first write.
 */

const PARTIAL = ".part";
const PARTS = ["files", "batches", "work"];

export class BatchDisk {
	readonly #folder: string;
	readonly #files = new Map<string, StoredFile>();
	readonly #batches = new Map<string, BatchRecord>();
	#lastOrdinal = 0;
	#isMade = false;
	readonly clockAnchor: ClockAnchor | undefined;

	/** Reads what an earlier process left; what it left half written is removed. */
	constructor(folder: string) {
		this.#folder = folder;
		if (!existsSync(folder)) return;
		this.#makeFolders();
		this.#removePartials();
		for (const file of this.#readAll<StoredFile>("files")) this.#files.set(file.id, file);
		for (const record of this.#readAll<BatchRecord>("batches")) this.#batches.set(record.id, record);
		this.#removeOrphans();
		this.#lastOrdinal = Math.max(0, ...this.files().map(({ ordinal }) => ordinal), ...this.batches().map(({ ordinal }) => ordinal));
		const clock = join(folder, "clock.json");
		if (existsSync(clock)) this.clockAnchor = JSON.parse(readFileSync(clock, "utf8")) as ClockAnchor;
	}

	nextOrdinal(): number {
		this.#lastOrdinal += 1;
		return this.#lastOrdinal;
	}

	/** A path that nobody else writes to; what is left there is removed at the next start. */
	partialPath(): string {
		this.#makeFolders();
		return join(this.#folder, "work", `${randomBytes(8).toString("hex")}${PARTIAL}`);
	}

	filePath(id: string): string {
		return join(this.#folder, "files", id);
	}

	/** Items of a batch, one a line. */
	inputPath(batchId: string): string {
		return join(this.#folder, "work", `${batchId}.input.jsonl`);
	}

	/** What became of the items that ran, one a line in the order of the input. */
	workPath(batchId: string): string {
		return join(this.#folder, "work", `${batchId}.done.jsonl`);
	}

	/** Newest last. */
	files(): StoredFile[] {
		return [...this.#files.values()].sort((left, right) => left.ordinal - right.ordinal);
	}

	file(id: string): StoredFile | undefined {
		return this.#files.get(id);
	}

	/** Takes the bytes that were written to `partialPath` for the file's. Replaces a file of the same id. */
	adoptFile(partialPath: string, file: StoredFile): void {
		renameSync(partialPath, this.filePath(file.id));
		this.changeFile(file);
	}

	changeFile(file: StoredFile): void {
		this.#write(join("files", `${file.id}.json`), file);
		this.#files.set(file.id, file);
	}

	removeFile(id: string): void {
		this.#files.delete(id);
		rmSync(join(this.#folder, "files", `${id}.json`), { force: true });
		rmSync(this.filePath(id), { force: true });
	}

	/** Newest last. */
	batches(): BatchRecord[] {
		return [...this.#batches.values()].sort((left, right) => left.ordinal - right.ordinal);
	}

	batch(id: string): BatchRecord | undefined {
		return this.#batches.get(id);
	}

	/** The batch keeps its input whatever becomes of the file it was made from. */
	addBatchOfFile(record: BatchRecord, fileId: string): void {
		linkSync(this.filePath(fileId), this.inputPath(record.id));
		this.#saveBatch(record);
	}

	addBatchOfLines(record: BatchRecord, partialPath: string): void {
		renameSync(partialPath, this.inputPath(record.id));
		this.#saveBatch(record);
	}

	/** Throws where the batch is gone. */
	changeBatch(id: string, change: Partial<BatchRecord>): BatchRecord {
		const record = this.#batches.get(id);
		if (record === undefined) throw new Error(`no batch ${id}`);
		const changed = { ...record, ...change };
		this.#saveBatch(changed);
		return changed;
	}

	/** Once its results stand in files of their own. */
	removeWork(id: string): void {
		rmSync(this.inputPath(id), { force: true });
		rmSync(this.workPath(id), { force: true });
	}

	removeBatch(id: string): void {
		this.#batches.delete(id);
		rmSync(join(this.#folder, "batches", `${id}.json`), { force: true });
		this.removeWork(id);
	}

	saveClock(anchor: ClockAnchor): void {
		this.#write("clock.json", anchor);
	}

	#saveBatch(record: BatchRecord): void {
		this.#write(join("batches", `${record.id}.json`), record);
		this.#batches.set(record.id, record);
	}

	#write(name: string, value: unknown): void {
		this.#makeFolders();
		const path = join(this.#folder, name);
		writeFileSync(`${path}${PARTIAL}`, JSON.stringify(value), { mode: 0o600 });
		renameSync(`${path}${PARTIAL}`, path);
	}

	#makeFolders(): void {
		if (this.#isMade) return;
		for (const name of PARTS) mkdirSync(join(this.#folder, name), { recursive: true });
		this.#isMade = true;
	}

	#removePartials(): void {
		for (const name of ["", ...PARTS]) {
			for (const entry of readdirSync(join(this.#folder, name))) if (entry.endsWith(PARTIAL)) rmSync(join(this.#folder, name, entry), { force: true });
		}
	}

	/** Work of batches that ended, or were never recorded. */
	#removeOrphans(): void {
		const folder = join(this.#folder, "work");
		for (const entry of readdirSync(folder)) {
			const record = this.#batches.get(entry.slice(0, entry.indexOf(".")));
			if (record === undefined || !isOpen(record)) rmSync(join(folder, entry), { force: true });
		}
	}

	#readAll<Stored>(name: string): Stored[] {
		const folder = join(this.#folder, name);
		return readdirSync(folder)
			.filter((entry) => entry.endsWith(".json"))
			.map((entry) => JSON.parse(readFileSync(join(folder, entry), "utf8")) as Stored);
	}
}
