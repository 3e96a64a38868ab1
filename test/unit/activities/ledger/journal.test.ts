import {
	appendFileSync,
	closeSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LedgerJournal, openJournal } from "#activities/ledger/journal.ts";
import { listJournals, readHeader, segmentFile } from "#activities/ledger/journal-files.ts";
import { FRAME_HEADER_BYTES, readFrames } from "#activities/ledger/journal-frame.ts";
import { type JournalEnd, readJournal } from "#activities/ledger/journal-reader.ts";
import type { JournalRecord } from "#activities/ledger/record.ts";
import { outcomeRecord, refusalRecord, reservationRecord } from "#test/support/ledger-records.ts";

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-journal-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const gatewayPath = () => path.join(folder, "g1");
const open = (fields: { segmentBytes?: number; fsyncMode?: "off" | "group" } = {}) =>
	openJournal({ folder, gatewayId: "g1", epoch: 1n, bootId: "boot", ...fields });

function readAll(segments = listJournals(gatewayPath()).get(1n) ?? []): { records: JournalRecord[]; end: JournalEnd } {
	const reader = readJournal({ gatewayPath: gatewayPath(), epoch: 1n, segments });
	const records: JournalRecord[] = [];
	for (;;) {
		const next = reader.next();
		if (next.done) return { records, end: next.value };
		records.push(next.value);
	}
}

function appendAttempts(journal: LedgerJournal, from: number, to: number): void {
	for (let n = from; n <= to; n += 1) {
		journal.append(reservationRecord(n));
		journal.append(outcomeRecord(n));
	}
}

describe("append and read", () => {
	test("gives back what was appended, in order", async () => {
		const journal = await open();
		const records = [
			reservationRecord(1),
			refusalRecord(1),
			reservationRecord(2),
			outcomeRecord(1),
			outcomeRecord(2, { outcome: "released", reason: "not_sent" }),
		];
		for (const record of records) journal.append(record);
		journal.close();
		expect(readAll()).toMatchObject({ records, end: { kind: "clean", problem: null } });
	});

	test("what is appended together is one write, and is known like what is appended alone", async () => {
		const journal = await open();
		journal.append(reservationRecord(1));
		journal.append(reservationRecord(2));
		const before = readFileSync(segmentFile(gatewayPath(), 1n, 0)).length;
		const together = [outcomeRecord(1), reservationRecord(3), outcomeRecord(2, { outcome: "released", reason: "not_sent" })];
		let during = 0;
		let position: number | undefined;
		journal.together(() => {
			for (const record of together) journal.append(record);
			during = readFileSync(segmentFile(gatewayPath(), 1n, 0)).length;
			position = journal.positionOf(1);
		});
		expect([during, journal.openAttempts]).toEqual([before, 1]);
		expect(journal.readBack(position ?? 0, 10).attempts).toEqual([{ reservation: reservationRecord(1), outcome: outcomeRecord(1) }]);
		journal.close();
		expect(readAll()).toMatchObject({ records: [reservationRecord(1), reservationRecord(2), ...together], end: { kind: "clean", problem: null } });
	});

	test("many large records appended together are all there", async () => {
		const journal = await open({ segmentBytes: 100_000 });
		const records = Array.from({ length: 300 }, (_, index) => ({ ...reservationRecord(index + 1), requestId: `é${"x".repeat(2_000)}` }));
		for (let from = 0; from < records.length; from += 100) journal.together(() => records.slice(from, from + 100).map((record) => journal.append(record)));
		journal.close();
		expect(readAll()).toMatchObject({ records, end: { kind: "clean", problem: null } });
		expect(listJournals(gatewayPath()).get(1n)?.length).toBeGreaterThan(1);
	});

	test("the header names gateway, epoch, boots, fsync mode and process", async () => {
		(await open({ fsyncMode: "group" })).close();
		expect(readHeader(segmentFile(gatewayPath(), 1n, 0))).toMatchObject({
			gatewayId: "g1",
			epoch: "1",
			segment: 0,
			bootId: "boot",
			fsyncMode: "group",
			pid: process.pid,
		});
	});

	test("a header longer than one read is whole", async () => {
		const bootId = "b".repeat(20_000);
		(await openJournal({ folder, gatewayId: "g1", epoch: 1n, bootId })).close();
		expect(readHeader(segmentFile(gatewayPath(), 1n, 0))).toMatchObject({ gatewayId: "g1", bootId });
	});

	test("frames are the same however little is read at a time", async () => {
		const journal = await open();
		appendAttempts(journal, 1, 20);
		journal.close();
		const file = openSync(segmentFile(gatewayPath(), 1n, 0), "r");
		try {
			const [whole, ...bySize] = [undefined, FRAME_HEADER_BYTES, 100, 4_096].map((blockBytes) => [...readFrames(file, 0, blockBytes)]);
			expect(whole).toHaveLength(41);
			for (const frames of bySize) expect(frames).toEqual(whole);
		} finally {
			closeSync(file);
		}
	});

	test("text the database cannot store is replaced before it is written", async () => {
		const journal = await open();
		journal.append(reservationRecord(1, { claimed: { "us\u0000er": "a\u0000b\ud800" } }));
		journal.close();
		expect(readAll().records[0]).toMatchObject({ claimed: { "us\uFFFDer": "a\uFFFDb\uFFFD" } });
	});

	test("a record larger than the buffer is kept whole", async () => {
		const journal = await open();
		const record = reservationRecord(1, { claimed: { note: "é".repeat(300_000) } });
		journal.append(record);
		journal.append(reservationRecord(2));
		journal.close();
		expect(readAll().records).toEqual([record, reservationRecord(2)]);
	});

	test("an epoch has one journal, ever", async () => {
		(await open()).close();
		await expect(open()).rejects.toMatchObject({ code: "journal.unwritable" });
	});

	test("a gateway id cannot leave the folder", async () => {
		await expect(openJournal({ folder, gatewayId: "../g1", epoch: 1n, bootId: "boot" })).rejects.toThrow(RangeError);
	});

	test("an attempt that is in the ledger, or that nobody reserved, has no outcome to be written", async () => {
		const journal = await open();
		appendAttempts(journal, 1, 1);
		journal.markFlushed(1);
		expect(() => journal.append(outcomeRecord(1))).toThrow("attempt 1 is not open");
		expect(() => journal.append(outcomeRecord(2))).toThrow("attempt 2 is not open");
		journal.close();
		expect(readAll().records).toHaveLength(2);
	});

	test("a second ending of one attempt is a broken invariant and is not written", async () => {
		const journal = await open();
		appendAttempts(journal, 1, 1);
		expect(() => journal.append(outcomeRecord(1))).toThrow("attempt 1 is not open");
		journal.close();
		expect(readAll().records).toHaveLength(2);
	});
});

describe("a write that fails", () => {
	test("refuses the call with journal.unwritable", async () => {
		const journal = await open();
		journal.close();
		expect(() => journal.append(reservationRecord(1))).toThrow(expect.objectContaining({ code: "journal.unwritable", isRetryable: true }));
	});

	test("a segment that cannot be opened refuses the call and leaves the journal readable", async () => {
		const journal = await open({ segmentBytes: 1 });
		mkdirSync(segmentFile(gatewayPath(), 1n, 1));
		expect(() => journal.append(reservationRecord(1))).toThrow(expect.objectContaining({ code: "journal.unwritable" }));
		rmSync(segmentFile(gatewayPath(), 1n, 1), { recursive: true });
		journal.append(reservationRecord(1));
		journal.close();
		expect(readAll()).toMatchObject({ records: [reservationRecord(1)], end: { kind: "clean" } });
	});
});

describe("a journal that was cut or damaged", () => {
	test("cut at every byte: all records before the cut, nothing else, and the end is said", async () => {
		const journal = await open();
		const ends: number[] = [];
		const records = [reservationRecord(1), outcomeRecord(1), reservationRecord(2)];
		for (const record of records) {
			ends.push(journal.end);
			journal.append(record);
		}
		ends.push(journal.end);
		journal.close();
		const file = segmentFile(gatewayPath(), 1n, 0);
		const whole = readFileSync(file);
		for (let size = whole.length; size >= 0; size -= 1) {
			truncateSync(file, size);
			const intact = Math.max(0, ends.filter((end) => end <= size).length - 1);
			const { records: read, end } = readAll();
			expect(read).toEqual(records.slice(0, intact));
			expect(end.kind).toBe(ends.includes(size) ? "clean" : "torn");
		}
	});

	test("one wrong byte before intact records is corruption, one in the last record a torn tail", async () => {
		const journal = await open();
		appendAttempts(journal, 1, 3);
		const end = journal.end;
		journal.close();
		const file = segmentFile(gatewayPath(), 1n, 0);
		const whole = readFileSync(file);
		const spoil = (offset: number) => {
			const spoilt = Buffer.from(whole);
			spoilt.writeUInt8(spoilt.readUInt8(offset) ^ 0x01, offset);
			writeFileSync(file, spoilt);
			return readAll();
		};
		expect(spoil(end - 20)).toMatchObject({ end: { kind: "torn" }, records: { length: 5 } });
		const middle = whole.indexOf("g1-1-2") + 3;
		expect(spoil(middle)).toMatchObject({ end: { kind: "corrupt", segment: 0 }, records: { length: 2 } });
	});

	test("a length field that lies cannot hide intact records", async () => {
		const journal = await open();
		journal.append(reservationRecord(1));
		const second = journal.end;
		journal.append(reservationRecord(2));
		journal.append(reservationRecord(3));
		journal.close();
		const file = segmentFile(gatewayPath(), 1n, 0);
		const spoilt = readFileSync(file);
		spoilt.writeUInt32LE(0xffff, second);
		writeFileSync(file, spoilt);
		expect(readAll()).toMatchObject({ end: { kind: "corrupt", offset: second }, records: [reservationRecord(1)] });
	});

	test("zeros that a file system left behind are a torn tail", async () => {
		const journal = await open();
		journal.append(reservationRecord(1));
		journal.close();
		appendFileSync(segmentFile(gatewayPath(), 1n, 0), Buffer.alloc(4_096));
		expect(readAll()).toMatchObject({ end: { kind: "torn" }, records: [reservationRecord(1)] });
	});

	test("a missing segment in between is corruption", async () => {
		const journal = await open({ segmentBytes: 1 });
		for (const n of [1, 2, 3]) journal.append(reservationRecord(n));
		journal.close();
		rmSync(segmentFile(gatewayPath(), 1n, 2));
		expect(readAll()).toMatchObject({ end: { kind: "corrupt", segment: 2 }, records: [reservationRecord(1)] });
	});
});

describe("segments", () => {
	test("are deleted from the front once all their attempts are resolved and flushed", async () => {
		const journal = await open({ segmentBytes: 1 });
		journal.append(reservationRecord(1));
		journal.append(reservationRecord(2));
		journal.append(outcomeRecord(2));
		journal.append(refusalRecord(1));
		journal.append(reservationRecord(3));
		const present = () => readdirSync(gatewayPath()).filter((name) => name.startsWith("1.journal"));
		journal.markFlushed(2);
		journal.markRefusalFlushed("g1-1-f-1");
		expect(present()).toHaveLength(5);
		journal.append(outcomeRecord(1, { outcome: "released" }));
		expect(present()).toEqual(expect.arrayContaining(["1.journal.5", "1.journal.6"]));
		expect(present()).toHaveLength(2);
		expect(readAll().records).toEqual([reservationRecord(3), outcomeRecord(1, { outcome: "released" })]);
		expect(journal.openAttempts).toBe(1);
		journal.remove();
		expect(existsSync(gatewayPath()) && present()).toEqual([]);
	});

	test("read back gives resolved, unflushed rows across segments, joined with their reservations", async () => {
		const journal = await open({ segmentBytes: 2_000 });
		const from = journal.end;
		for (let n = 1; n <= 40; n += 1) journal.append(reservationRecord(n));
		for (let n = 40; n >= 1; n -= 1) journal.append(outcomeRecord(n, n % 4 === 0 ? { outcome: "released" } : {}));
		journal.append(refusalRecord(7));
		journal.markFlushed(39);
		const read: number[] = [];
		let refusals = 0;
		for (let position = from; position < journal.end; ) {
			const batch = journal.readBack(position, 7);
			expect(batch.attempts.length + batch.refusals.length).toBeLessThanOrEqual(7);
			for (const { reservation, outcome } of batch.attempts) {
				expect(reservation.n).toBe(outcome.n);
				read.push(outcome.n);
			}
			refusals += batch.refusals.length;
			position = batch.next;
		}
		expect(read).toEqual(Array.from({ length: 40 }, (_, index) => 40 - index).filter((n) => n % 4 !== 0 && n !== 39));
		expect(refusals).toBe(1);
		journal.close();
	});

	test("read back refuses an outcome whose reservation is damaged: what it holds would be booked", async () => {
		const journal = await open();
		const from = journal.end;
		journal.append(reservationRecord(1));
		const outcome = journal.end;
		journal.append(outcomeRecord(1));
		const file = segmentFile(gatewayPath(), 1n, 0);
		const spoilt = readFileSync(file);
		spoilt[from + 20] = (spoilt[from + 20] ?? 0) ^ 1;
		writeFileSync(file, spoilt);
		expect(() => journal.readBack(outcome, 7)).toThrow("no reservation 1");
		journal.close();
	});
});

test("group commit: what was appended before is on the disk when it resolves; with fsync off there is nothing to wait for", async () => {
	const journal = await open({ fsyncMode: "group", segmentBytes: 3_000 });
	const waits: Promise<void>[] = [];
	for (let n = 1; n <= 50; n += 1) {
		journal.append(reservationRecord(n));
		const durable = journal.whenDurable();
		if (durable) waits.push(durable);
	}
	await Promise.all(waits);
	expect(waits).toHaveLength(50);
	expect(new Set(waits).size).toBeLessThan(50);
	journal.close();
	expect(readAll()).toMatchObject({ end: { kind: "clean" }, records: { length: 50 } });
	const other = await openJournal({ folder, gatewayId: "g2", epoch: 1n, bootId: "boot" });
	expect(other.whenDurable()).toBeUndefined();
	other.close();
});
