import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openJournal } from "#activities/ledger/journal.ts";
import { readJournal } from "#activities/ledger/journal-reader.ts";
import type { JournalRecord } from "#activities/ledger/record.ts";
import { outcomeRecord, reservationRecord } from "#test/support/ledger-records.ts";

/** A disk that takes only part of a write, or does not keep what it took, when the test says so. */
const disk = vi.hoisted(() => ({ missingBytes: 0, isLosing: false }));

vi.mock("node:fs", async (importOriginal) => {
	const fs = await importOriginal<typeof import("node:fs")>();
	return {
		...fs,
		writeSync: (file: number, buffer: Buffer, offset: number, length: number, position: number) =>
			fs.writeSync(file, buffer, offset, length - disk.missingBytes, position),
		fdatasync: (file: number, callback: (error: Error | null) => void) => (disk.isLosing ? callback(new Error("EIO")) : fs.fdatasync(file, callback)),
	};
});

let folder: string;

beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-disk-"));
});

afterEach(() => {
	Object.assign(disk, { missingBytes: 0, isLosing: false });
	rmSync(folder, { recursive: true });
});

const open = (fsyncMode: "off" | "group") => openJournal({ folder, gatewayId: "g1", epoch: 1n, bootId: "boot", fsyncMode });
const unwritable = expect.objectContaining({ code: "journal.unwritable" });

test("a write that stopped in the middle refuses the call and hides no later record", async () => {
	const journal = await open("off");
	disk.missingBytes = 10;
	expect(() => journal.append({ ...reservationRecord(1), requestId: "x".repeat(500) })).toThrow(unwritable);
	disk.missingBytes = 0;
	journal.append(reservationRecord(2));
	journal.close();
	const reader = readJournal({ gatewayPath: path.join(folder, "g1"), epoch: 1n, segments: [0] });
	const records: JournalRecord[] = [];
	let next = reader.next();
	for (; !next.done; next = reader.next()) records.push(next.value);
	expect([records, next.value.kind]).toEqual([[reservationRecord(2)], "clean"]);
});

test("of what is appended together nothing is in the journal when the write stopped in the middle", async () => {
	const journal = await open("off");
	journal.append(reservationRecord(1));
	disk.missingBytes = 10;
	const append = () =>
		journal.together(() => {
			journal.append(outcomeRecord(1));
			journal.append(reservationRecord(2));
		});
	expect(append).toThrow(unwritable);
	expect([journal.positionOf(1), journal.openAttempts]).toEqual([undefined, 1]);
	disk.missingBytes = 0;
	append();
	expect([journal.positionOf(1) !== undefined, journal.openAttempts]).toEqual([true, 1]);
	journal.close();
	const reader = readJournal({ gatewayPath: path.join(folder, "g1"), epoch: 1n, segments: [0] });
	const records: JournalRecord[] = [];
	let next = reader.next();
	for (; !next.done; next = reader.next()) records.push(next.value);
	expect([records, next.value.kind]).toEqual([[reservationRecord(1), outcomeRecord(1), reservationRecord(2)], "clean"]);
});

test("after a sync that failed nothing is written any more: what came before may be gone", async () => {
	const journal = await open("group");
	journal.append(reservationRecord(1));
	disk.isLosing = true;
	await expect(journal.whenDurable()).rejects.toEqual(unwritable);
	disk.isLosing = false;
	expect(() => journal.append(reservationRecord(2))).toThrow(unwritable);
	journal.close();
});
