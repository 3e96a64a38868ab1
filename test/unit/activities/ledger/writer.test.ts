import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { QueryResultRow } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LedgerJournal, openJournal } from "#activities/ledger/journal.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { createLedgerWriter, type Quarantined } from "#activities/ledger/writer.ts";
import type { FlushedRun, RunFlushes, RunNote } from "#activities/runs/port.ts";
import { attemptRow, refusalRecord } from "#test/support/ledger-records.ts";

/** A database that can be away, reject rows, or be slow; it counts what it committed. */
class FakeLedger implements SqlConnection {
	readonly committed = new Map<string, number>();
	readonly chunkSizes: number[] = [];
	readonly quarantined: string[] = [];
	/** Texts of the notes of each chunk that had some. */
	readonly notes: string[] = [];
	runs: readonly FlushedRun[] = [];
	notesProblem: string | null = null;
	isAway = false;
	rejected = new Set<string>();
	maxRows = Number.POSITIVE_INFINITY;
	inFlight = 0;
	mostInFlight = 0;

	async query<Row extends QueryResultRow>(_name: string, _text: string, values: readonly unknown[]): Promise<Row[]> {
		this.inFlight += 1;
		this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
		await new Promise((resolve) => setImmediate(resolve));
		this.inFlight -= 1;
		if (this.isAway) throw new Error("connection refused");
		const rows = JSON.parse(String(values[2])) as { attempt_id: string; outcome: string }[];
		const refusals = JSON.parse(String(values[3])) as { refusal_id: string }[];
		const keys = [...rows.map((row) => row.attempt_id), ...refusals.map((row) => row.refusal_id)];
		if (keys.length > this.maxRows) throw Object.assign(new Error("canceling statement due to statement timeout"), { code: "57014" });
		if (rows.some((row) => row.outcome !== "quarantined" && this.rejected.has(row.attempt_id))) throw Object.assign(new Error("bad data"), { code: "22P05" });
		this.chunkSizes.push(keys.length);
		if (values[5] !== "[]") this.notes.push(String(values[5]));
		for (const key of keys) this.committed.set(key, (this.committed.get(key) ?? 0) + 1);
		for (const row of JSON.parse(String(values[4])) as { attempt_id: string }[]) this.quarantined.push(row.attempt_id);
		const reply = {
			inserted: rows.length,
			refusals: refusals.length,
			chunkSeq: "1",
			hash: "00",
			fenced: false,
			revision: "3",
			flushRequest: "2",
			claims: [{ id: "9", windowIds: ["1"] }],
			notesProblem: this.notesProblem,
			runs: this.runs,
		};
		return [{ reply }] as unknown as Row[];
	}
}

let folder: string;
let journal: LedgerJournal;
let database: FakeLedger;
beforeEach(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-writer-"));
	journal = await openJournal({ folder, gatewayId: "g1", epoch: 1n, bootId: "boot", segmentBytes: 20_000 });
	database = new FakeLedger();
});
afterEach(() => {
	journal.close();
	rmSync(folder, { recursive: true });
});

const identity = { gatewayId: "g1", epoch: 1n };

function enqueue(writer: ReturnType<typeof createLedgerWriter>, from: number, to: number): void {
	for (let n = from; n <= to; n += 1) {
		const row = attemptRow(n, "1");
		journal.append(row.reservation);
		journal.append(row.outcome);
		writer.enqueueAttempt(row);
	}
}

const once = (count: number) => new Map(Array.from({ length: count }, (_, index) => [`g1-1-${index + 1}`, 1]));

test("rows leave in chunks of at most 500, one at a time, and the reply is passed on", async () => {
	const replies: bigint[] = [];
	const writer = createLedgerWriter({
		...identity,
		sql: database,
		journal,
		onReply: (reply) => replies.push(reply.flushRequest, ...reply.claims.map((claim) => claim.id)),
	});
	enqueue(writer, 1, 1_201);
	writer.enqueueRefusal(refusalRecord(1));
	expect(writer.pendingRows).toBe(1_202);
	await writer.flush(10_000);
	expect(writer.pendingRows).toBe(0);
	expect(database.chunkSizes).toEqual([500, 500, 202]);
	expect(database.mostInFlight).toBe(1);
	expect(replies).toEqual([2n, 9n, 2n, 9n, 2n, 9n]);
	await writer.close(1_000);
});

test("without a flush asked for, rows leave by themselves", async () => {
	const committed = Promise.withResolvers<void>();
	const writer = createLedgerWriter({ ...identity, sql: database, journal, onReply: () => committed.resolve() });
	enqueue(writer, 1, 1);
	await committed.promise;
	expect(database.committed).toEqual(once(1));
	await writer.close(1_000);
});

test("PostgreSQL away: nothing is lost, memory is bounded, the journal gives the rest back, each row once and in order", async () => {
	let retries = 0;
	const failed = Promise.withResolvers<void>();
	const onRetry = () => {
		retries += 1;
		failed.resolve();
	};
	const writer = createLedgerWriter({ ...identity, sql: database, journal, chunkRows: 50, memoryRows: 120, onRetry });
	database.isAway = true;
	enqueue(writer, 1, 1_000);
	await failed.promise;
	expect(database.committed.size).toBe(0);
	await expect(writer.flush(1)).rejects.toMatchObject({ code: "authority.unreachable" });
	database.isAway = false;
	const flushed = writer.flush(20_000);
	enqueue(writer, 1_001, 1_100);
	await flushed;
	await writer.flush(20_000);
	expect(retries).toBeGreaterThan(0);
	expect(writer.pendingRows).toBe(0);
	expect(database.committed).toEqual(once(1_100));
	expect([...database.committed.keys()]).toEqual([...once(1_100).keys()]);
	expect(Math.max(...database.chunkSizes)).toBeLessThanOrEqual(50);
	enqueue(writer, 1_101, 1_150);
	await writer.close(10_000);
	expect(database.committed).toEqual(once(1_150));
	expect(journal.openAttempts).toBe(0);
});

test("rows the database rejects are found by halving, quarantined and told; the others are booked", async () => {
	const told: Quarantined[] = [];
	const writer = createLedgerWriter({ ...identity, sql: database, journal, onQuarantine: (row) => told.push(row) });
	database.rejected = new Set(["g1-1-7", "g1-1-500"]);
	enqueue(writer, 1, 500);
	await writer.flush(10_000);
	expect(database.committed).toEqual(once(500));
	expect(database.quarantined).toEqual(["g1-1-7", "g1-1-500"]);
	expect(told).toMatchObject([
		{ key: "g1-1-7", problem: "bad data", requestId: "req_7", team: "demo", isBooked: true },
		{ key: "g1-1-500", problem: "bad data", requestId: "req_500", team: "demo", isBooked: true },
	]);
	await writer.close(1_000);
});

test("a chunk that takes too long is tried again smaller", async () => {
	const writer = createLedgerWriter({ ...identity, sql: database, journal, chunkRows: 64 });
	database.maxRows = 20;
	enqueue(writer, 1, 64);
	await writer.flush(20_000);
	expect(database.committed).toEqual(once(64));
	await writer.close(1_000);
});

test("the last flush of a closing writer says what is left", async () => {
	const writer = createLedgerWriter({ ...identity, sql: database, journal });
	database.isAway = true;
	enqueue(writer, 1, 3);
	await expect(writer.close(20)).rejects.toMatchObject({ code: "authority.unreachable", details: { pendingRows: 3 } });
});

/** Notes as a gateway keeps them: untold until the writer says so. */
class UntoldNotes implements RunFlushes {
	untold: RunNote[] = [];
	readonly heard: FlushedRun[] = [];

	add(number: string): void {
		this.untold.push({ number, exchanges: 1, verdicts: [] });
	}

	takeUntold(most: number): readonly RunNote[] {
		return this.untold.slice(0, most);
	}

	told(notes: readonly RunNote[]): void {
		this.untold = this.untold.filter((note) => !notes.includes(note));
	}

	totals(totals: readonly FlushedRun[]): void {
		this.heard.push(...totals);
	}
}

const numbersIn = (text: string | undefined): string[] => (JSON.parse(text ?? "[]") as { number: string }[]).map(({ number }) => number);
const totalsOf = (number: string): FlushedRun => ({
	number,
	othersServe: true,
	totals: { costNanoUsd: "200", inputTokens: 100, outputTokens: 50, steps: 1, outputBytes: 0, toolCalls: {} },
});

describe("notes of agent runs", () => {
	test("ride with the chunks, stay untold while PostgreSQL is away, and the totals are heard", async () => {
		const runs = new UntoldNotes();
		const failed = Promise.withResolvers<void>();
		const writer = createLedgerWriter({ ...identity, sql: database, journal, runs, onRetry: () => failed.resolve() });
		database.isAway = true;
		database.runs = [totalsOf("7")];
		runs.add("7");
		enqueue(writer, 1, 3);
		await failed.promise;
		expect(runs.untold).toHaveLength(1);
		runs.add("8");
		database.isAway = false;
		await writer.flush(10_000);
		expect(runs.untold).toEqual([]);
		expect(database.notes.flatMap(numbersIn)).toEqual(["7", "8"]);
		expect(runs.heard).toEqual([totalsOf("7")]);
		await writer.close(1_000);
	});

	test("leave without a row when they are asked to, some at a time, and with the last flush of a closing writer", async () => {
		const runs = new UntoldNotes();
		const first = Promise.withResolvers<void>();
		const writer = createLedgerWriter({ ...identity, sql: database, journal, runs, onReply: () => first.resolve() });
		for (let number = 1; number <= 450; number += 1) runs.add(String(number));
		writer.noteRuns?.();
		await first.promise;
		await writer.close(10_000);
		expect(runs.untold).toEqual([]);
		expect(database.notes.flatMap(numbersIn)).toEqual(Array.from({ length: 450 }, (_, index) => String(index + 1)));
		expect(database.notes.map((text) => numbersIn(text).length)).toEqual([200, 200, 50]);
		expect(database.committed.size).toBe(0);
	});

	test("that cannot be stored are told of as a row in quarantine is, and not sent again", async () => {
		const runs = new UntoldNotes();
		const told: Quarantined[] = [];
		const writer = createLedgerWriter({ ...identity, sql: database, journal, runs, onQuarantine: (row) => told.push(row) });
		database.notesProblem = "invalid base64";
		runs.add("7");
		enqueue(writer, 1, 1);
		await writer.flush(10_000);
		expect(told).toEqual([{ key: "notes of agent runs", problem: "invalid base64", isBooked: false }]);
		expect(runs.untold).toEqual([]);
		await writer.close(1_000);
	});

	test("with numbers of any size are texts on the way", async () => {
		const runs = new UntoldNotes();
		const writer = createLedgerWriter({ ...identity, sql: database, journal, runs });
		const ceiling = { guard: "ceiling.steps", severity: "warn", evidence: "the run has taken 80 steps", measured: 2n ** 60n, threshold: 80n } as const;
		runs.untold.push({ number: "7", exchanges: 0, verdicts: [ceiling] });
		enqueue(writer, 1, 1);
		await writer.flush(10_000);
		expect(JSON.parse(database.notes[0] ?? "")).toEqual([
			{ number: "7", exchanges: 0, verdicts: [{ ...ceiling, measured: "1152921504606846976", threshold: "80" }] },
		]);
		await writer.close(1_000);
	});
});
