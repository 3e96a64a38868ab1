import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { type Adoption, createAdopter } from "#activities/ledger/adoption.ts";
import { type LedgerJournal, openJournal } from "#activities/ledger/journal.ts";
import { encodeFrame, readFrames } from "#activities/ledger/journal-frame.ts";
import { acquireIdentityLock, LockHeldError } from "#activities/ledger/lock-file.ts";
import { readMachineBootId } from "#activities/ledger/machine-boot-id.ts";
import { findBrokenLink } from "#test/support/ledger-chain.ts";
import { attemptRow, outcomeRecord, refusalRecord } from "#test/support/ledger-records.ts";
import { TestLedger } from "#test/support/test-ledger.ts";

const CHILD = path.join(import.meta.dirname, "../../../support/journal-child.ts");
const LEASE = 1_000_000n;

let ledger: TestLedger;
let sql: Connection;
let epoch: bigint;
let child: ChildProcess | undefined;
beforeAll(async () => {
	ledger = await TestLedger.open();
	sql = new Connection({ url: ledger.database.url, applicationName: "test" });
});
afterEach(() => child?.kill("SIGKILL"));
afterAll(async () => {
	await sql.close();
	await ledger.close();
});

const journalFiles = () => readdirSync(path.join(ledger.folder, "g1")).filter((name) => name.includes(".journal"));
const problems: unknown[] = [];
const adopter = () => createAdopter({ sql, folder: ledger.folder, onProblem: (_, error) => problems.push(error) });

async function newEpoch(): Promise<void> {
	await ledger.register();
	const rows = await ledger.sql<{ epoch: string }>("SELECT max(epoch) AS epoch FROM tollgate.gateway_epoch WHERE gateway_id = 'g1'");
	epoch = BigInt(rows[0]?.epoch ?? 0);
	expect(await ledger.grant(LEASE, Number(epoch))).toBe(true);
}

/** A journal whose process is gone: written here, under a start time this process does not have. */
async function abandonedJournal(fields: { machineBootId?: string; fsyncMode?: "off" | "group" } = {}): Promise<LedgerJournal> {
	const journal = await openJournal({
		folder: ledger.folder,
		gatewayId: "g1",
		epoch,
		bootId: `boot-${epoch}`,
		machineBootId: "an earlier boot of the machine",
		...fields,
	});
	const add = (n: number, outcome?: "settled" | "released") => {
		const row = attemptRow(n, ledger.windowId, { reservation: { attemptId: `g1-${epoch}-${n}` } });
		journal.append(row.reservation);
		if (outcome) journal.append(outcomeRecord(n, { outcome }));
	};
	add(1, "settled");
	add(2, "released");
	add(3);
	journal.append(refusalRecord(1, { refusalId: `g1-${epoch}-f-1` }));
	journal.close();
	return journal;
}

/** The same as of this boot of the machine: its holder is another process than this one, and gone. */
async function abandonedJournalOfThisBoot(): Promise<string> {
	await abandonedJournal({ machineBootId: readMachineBootId() });
	const file = path.join(ledger.folder, "g1", `${epoch}.journal`);
	const fileDescriptor = openSync(file, "r");
	const [header = "", ...records] = [...readFrames(fileDescriptor)].map(({ json }) => json);
	closeSync(fileDescriptor);
	const frame = Buffer.alloc(64 * 1_024);
	const frames = [JSON.stringify({ ...JSON.parse(header), startedAt: "long ago" }), ...records].map((json) =>
		Buffer.from(frame.subarray(0, encodeFrame(frame, json))),
	);
	writeFileSync(file, Buffer.concat(frames));
	return file;
}

async function books() {
	const [lease] = await ledger.sql<Record<"granted" | "returned" | "posted" | "overrun", string>>(
		"SELECT granted, returned, posted, overrun FROM tollgate.lease WHERE gateway_id = 'g1' AND epoch = $1",
		[epoch.toString()],
	);
	const [state] = await ledger.sql<{ closed_how: string }>("SELECT closed_how FROM tollgate.gateway_epoch WHERE gateway_id = 'g1' AND epoch = $1", [
		epoch.toString(),
	]);
	const attempts = await ledger.sql<{ n: string; outcome: string; cost_nano_usd: string; reason: string | null }>(
		"SELECT split_part(attempt_id, '-', 3)::bigint AS n, outcome, cost_nano_usd, reason FROM tollgate.attempt WHERE gateway_id = 'g1' AND epoch = $1 ORDER BY 1",
		[epoch.toString()],
	);
	const refusals = await ledger.sql<{ refusal_id: string }>("SELECT refusal_id FROM tollgate.refusal WHERE gateway_id = 'g1' AND epoch = $1", [
		epoch.toString(),
	]);
	const [window] = await ledger.sql<{ granted: string; held: string }>(
		"SELECT w.granted, (SELECT sum(l.granted - l.returned) FROM tollgate.lease l WHERE l.window_id = w.id) AS held FROM tollgate.budget_window w WHERE w.id = $1",
		[ledger.windowId],
	);
	return { lease, closedHow: state?.closed_how, attempts, refusals, window, brokenLink: await findBrokenLink(ledger.client, "g1", epoch) };
}

describe("kill -9 and adoption", () => {
	/** Runs the child until it said so many lines, kills it, and returns what it said. */
	async function runAndKill(lines: number): Promise<string[]> {
		const started = spawn(process.execPath, [CHILD, ledger.folder, epoch.toString(), ledger.database.url, ledger.windowId], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		child = started;
		const exited = once(started, "exit");
		const said: string[] = [];
		for await (const line of createInterface({ input: started.stdout })) {
			said.push(line);
			if (said.length === lines || line === "idle") started.kill("SIGKILL");
		}
		await exited;
		return said;
	}

	test.each([1, 2, 3, 14, 60, 333, 700, 5_000])("killed after %i lines: everything sent is booked once, nothing else is", async (lines) => {
		await newEpoch();
		const said = await runAndKill(lines);
		const sent = said.filter((line) => line.startsWith("sent")).map((line) => Number(line.split(" ")[1]));
		const done = new Map(said.filter((line) => line.startsWith("done")).map((line) => [Number(line.split(" ")[1]), line.split(" ")[2]]));
		expect(sent.length).toBeGreaterThan(0);

		const adoptions = await adopter().adoptNow();
		expect(problems).toEqual([]);
		expect(adoptions).toMatchObject([
			{ gatewayId: "g1", epoch, closedHow: "adopted", lumps: [], replay: { end: { kind: expect.stringMatching(/^(clean|torn)$/) } } },
		]);
		expect(journalFiles()).toEqual([]);

		const { lease, closedHow, attempts, refusals, window, brokenLink } = await books();
		const booked = new Map(attempts.map((row) => [Number(row.n), row]));
		for (const n of sent) {
			const outcome = done.get(n);
			if (outcome === "released") expect(booked.has(n)).toBe(false);
			else if (outcome !== undefined) expect(booked.get(n)?.outcome).toBe(outcome);
			// Not said: the process may have died between journaling the outcome and saying so.
			else if (n % 7 === 0) expect(booked.get(n)).toMatchObject({ outcome: "unresolved", reason: "crash", cost_nano_usd: "1000" });
		}
		// The one after the last it said may have been journaled.
		expect(Math.max(0, ...booked.keys())).toBeLessThanOrEqual(Math.max(...sent) + 1);
		expect(booked.size).toBe(attempts.length);
		expect(refusals.length).toBeGreaterThanOrEqual(Math.floor((Math.max(...sent) - 1) / 50));
		const cost = attempts.reduce((sum, row) => sum + BigInt(row.cost_nano_usd), 0n);
		expect(lease).toEqual({ granted: LEASE.toString(), returned: (LEASE - cost).toString(), posted: cost.toString(), overrun: "0" });
		expect(window?.granted).toBe(window?.held);
		expect(closedHow).toBe("adopted");
		expect(brokenLink).toBeUndefined();
		expect(await adopter().adoptNow()).toEqual([]);
	});

	test("a live holder's journal is left alone and its identity cannot be had", async () => {
		await newEpoch();
		const lock = await acquireIdentityLock(ledger.folder, "g1");
		const journal = await openJournal({ folder: ledger.folder, gatewayId: "g1", epoch, bootId: "boot" });
		expect(await adopter().adoptNow()).toEqual([]);
		await expect(acquireIdentityLock(ledger.folder, "g1")).rejects.toThrow(LockHeldError);
		journal.remove();
		lock.release();
	});
});

test("beside the journal of a live holder an abandoned one of an earlier epoch is adopted, and no other", async () => {
	await newEpoch();
	await abandonedJournal({ fsyncMode: "group" });
	const abandoned = epoch;
	await newEpoch();
	const live = await openJournal({ folder: ledger.folder, gatewayId: "g1", epoch, bootId: `boot-${epoch}` });
	expect(await adopter().adoptNow()).toMatchObject([{ epoch: abandoned, closedHow: "adopted" }]);
	expect(journalFiles()).toEqual([`${epoch}.journal`]);
	expect((await books()).closedHow).toBeNull();
	live.remove();
});

test("two adopters at once: exactly one does it", async () => {
	await newEpoch();
	await abandonedJournal({ fsyncMode: "group" });
	const [first, second] = await Promise.all([adopter().adoptNow(), adopter().adoptNow()]);
	expect([...first, ...second]).toMatchObject([{ epoch, closedHow: "adopted", replay: { flushed: 1, unresolved: 1, released: 1, refusals: 1 } }]);
	const { lease, attempts, refusals } = await books();
	expect(attempts.map((row) => row.outcome)).toEqual(["settled", "unresolved"]);
	expect(lease).toMatchObject({ posted: "1200", returned: String(LEASE - 1_200n) });
	expect(refusals).toHaveLength(1);
});

test("the adopter starts by itself and stops", async () => {
	await newEpoch();
	await abandonedJournal({ fsyncMode: "group" });
	const adopted = Promise.withResolvers<Adoption>();
	const every = createAdopter({ sql, folder: ledger.folder, everyMs: 5, onAdopted: adopted.resolve });
	every.start();
	expect(await adopted.promise).toMatchObject({ epoch, closedHow: "adopted" });
	await every.stop();
});

describe("a journal that proves nothing", () => {
	test("after a crash of the machine without fsync all that is left is one lump; what the journal names is booked", async () => {
		await newEpoch();
		await abandonedJournal();
		const [adoption] = await adopter().adoptNow();
		expect(adoption).toMatchObject({ closedHow: "lump", returned: [], lumps: [{ teamId: "demo", amountNanoUsd: LEASE - 1_200n }] });
		const { lease, attempts, brokenLink } = await books();
		expect(attempts.map((row) => row.outcome)).toEqual(["settled", "unresolved"]);
		expect(lease).toEqual({ granted: LEASE.toString(), returned: "0", posted: LEASE.toString(), overrun: "0" });
		expect(brokenLink).toBeUndefined();
	});

	test("damage before intact records: the same", async () => {
		await newEpoch();
		await abandonedJournal({ fsyncMode: "group" });
		const file = path.join(ledger.folder, "g1", `${epoch}.journal`);
		const spoilt = readFileSync(file);
		spoilt.writeUInt8(0, spoilt.indexOf(`g1-${epoch}-2`));
		writeFileSync(file, spoilt);
		expect(await adopter().adoptNow()).toMatchObject([
			{ closedHow: "lump", replay: { flushed: 1, end: { kind: "corrupt" } }, lumps: [{ amountNanoUsd: LEASE - 200n }] },
		]);
	});

	test("a torn tail is no damage: the record was never acted upon", async () => {
		await newEpoch();
		const journal = await abandonedJournal({ fsyncMode: "group" });
		truncateSync(path.join(ledger.folder, "g1", `${epoch}.journal`), journal.end - 5);
		expect(await adopter().adoptNow()).toMatchObject([{ closedHow: "adopted", replay: { flushed: 1, unresolved: 1, refusals: 0, end: { kind: "torn" } } }]);
	});

	test("the copy of an earlier moment: all that is left is one lump, since calls may have gone that nothing names", async () => {
		await newEpoch();
		await abandonedJournal({ fsyncMode: "group" });
		await ledger.settleLate({ n: 1, epoch: Number(epoch) }, { n: 4, epoch: Number(epoch) });
		const [adoption] = await adopter().adoptNow();
		expect(adoption).toMatchObject({ closedHow: "lump", returned: [], replay: { lacks: "reservations" } });
		expect((await books()).lease).toMatchObject({ returned: "0", posted: LEASE.toString() });
	});

	test("the copy of a moment in which a call was under way that ended since: the same", async () => {
		await newEpoch();
		await abandonedJournalOfThisBoot();
		await ledger.settleLate({ n: 3, epoch: Number(epoch) });
		expect(await adopter().adoptNow()).toMatchObject([{ closedHow: "lump", replay: { lacks: "outcomes" } }]);
	});

	test("an outcome that was not synced when the machine crashed is no copy of an earlier moment: the rest goes back", async () => {
		await newEpoch();
		await abandonedJournal({ fsyncMode: "group" });
		await ledger.settleLate({ n: 3, epoch: Number(epoch) });
		expect(await adopter().adoptNow()).toMatchObject([{ closedHow: "adopted", replay: { lacks: "outcomes" } }]);
	});

	test("a replay that is repeated after its first flush is no copy of an earlier moment", async () => {
		await newEpoch();
		const file = await abandonedJournalOfThisBoot();
		const text = readFileSync(file);
		await createAdopter({
			sql: { query: (name, statement, values) => (name === "adopt_epoch" ? Promise.reject(new Error("gone")) : sql.query(name, statement, values)) },
			folder: ledger.folder,
		}).adoptNow();
		expect(readFileSync(file)).toEqual(text);
		expect(await adopter().adoptNow()).toMatchObject([{ closedHow: "adopted", replay: { lacks: null, unresolved: 1 } }]);
	});

	test("a file without a header: all that is left is one lump", async () => {
		await newEpoch();
		await abandonedJournal({ fsyncMode: "group" });
		truncateSync(path.join(ledger.folder, "g1", `${epoch}.journal`), 3);
		expect(await adopter().adoptNow()).toMatchObject([{ closedHow: "lump", replay: undefined, lumps: [{ amountNanoUsd: LEASE }] }]);
	});
});

test("with PostgreSQL away the journal stays, and is adopted later", async () => {
	await newEpoch();
	await abandonedJournal({ fsyncMode: "group" });
	const away = new Connection({ url: "postgresql://nobody@127.0.0.1:1/none", applicationName: "test" });
	const told: unknown[] = [];
	expect(await createAdopter({ sql: away, folder: ledger.folder, flushDeadlineMs: 50, onProblem: (_, error) => told.push(error) }).adoptNow()).toEqual([]);
	expect(told).toMatchObject([{ code: "authority.unreachable" }]);
	expect(journalFiles()).toEqual([`${epoch}.journal`]);
	expect(await adopter().adoptNow()).toMatchObject([{ epoch, closedHow: "adopted" }]);
});
