import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { answered } from "#test/support/batch-stand.ts";
import { type CommandLineHome, openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";
import { deferredItem, type TestItem } from "#test/support/deferred-stand.ts";

/** What operators see and decide of items handed in alone, over real rows: one that was late, one in time and in real time, one open, one cancelled. */
let home: CommandLineHome;
let sql: Connection;
const terminal = openTestTerminal(() => ({ TOLLGATE_HOME: home.home }));
const idOf = (place: number) => `deferred_${String(place).padStart(24, "0")}`;
let endedBatchId: string;
let collectingBatchId: string;

async function accept(place: number, item: TestItem = {}): Promise<string> {
	const store = createPostgresDeferredStore(sql);
	const result = await store.accept(deferredItem(idOf(place), { teamId: "search", boundNanoUsd: 2_000_000n, ...item }), { waitIsOver: true });
	if (result.kind !== "accepted") throw new Error(`the item is ${result.kind}`);
	return result.batch.batchId;
}

beforeAll(async () => {
	home = await openCommandLineHome();
	sql = new Connection({ url: home.administration.databaseUrl, applicationName: "test-deferred" });
	for (const team of ["search", "mail"]) expect(await terminal.run(`team create ${team} --limit 100 --window day`)).toBe(0);
	await sql.query(undefined, "INSERT INTO tollgate.alert_channel (name, kind) VALUES ('hook', 'webhook')", []);
	const [store, batches] = [createPostgresDeferredStore(sql), createPostgresBatchStore(sql)];
	endedBatchId = await accept(1, { deadlineMs: Date.now() - 3_723_000, webhook: "hook" });
	await accept(2);
	const { batch } = (await store.readCollector(endedBatchId)) ?? {};
	await store.flush(endedBatchId, batch?.version ?? "");
	const part = { batchId: endedBatchId, part: 1, token: "t", items: 2, bytes: 600, providerFileId: null, providerBatchId: null };
	await batches.writePart({ ...part, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null }, [1, 2]);
	await batches.book(endedBatchId, [
		answered(1, { cost: 1_000_000n, realTimeNanoUsd: 2_000_000n }),
		answered(2, { cost: 2_000_000n, realTimeNanoUsd: 2_000_000n, lane: "real_time" }),
	]);
	await store.markAnswered(
		endedBatchId,
		[1, 2].map((n) => ({ n, httpStatus: 200, answerBlobKey: "a" })),
	);
	collectingBatchId = await accept(3, { deadlineMs: Date.now() + 3_600_000 });
});
afterAll(async () => {
	await sql?.close();
	await home?.close();
});

test("items of a team are listed and shown with their lane, batch and money", async () => {
	expect((await terminal.runJson("deferred list --team search")).map(({ deferredId }: { deferredId: string }) => deferredId)).toEqual([3, 2, 1].map(idOf));
	expect(await terminal.runJson("deferred list --team search --status succeeded --limit 1")).toMatchObject([{ deferredId: idOf(2), lane: "real_time" }]);
	expect(await terminal.runJson(`deferred list --team search --after ${idOf(2)}`)).toMatchObject([{ deferredId: idOf(1) }]);
	expect(await terminal.runJson("deferred list --team mail")).toEqual([]);
	expect(await terminal.run("deferred list --team search --status succeeded")).toBe(0);
	expect(terminal.output[0]).toMatch(/deferred_0+1 +succeeded +batch +gpt-test +\d{4}-\S+ +late +0\.00 USD +0\.001 USD/);
	expect(await terminal.run(`deferred show ${idOf(1)}`)).toBe(0);
	expect(terminal.output[0]).toContain(`${idOf(1)} of team search: succeeded, late\n  lane     batch\n  batch    ${endedBatchId}`);
	expect(terminal.output[0]).not.toContain("deferred cancel");
	expect(await terminal.run(`deferred show ${idOf(3)}`)).toBe(0);
	expect(terminal.output[0]).toContain("held 0.002 USD, cost -");
	expect(terminal.output[0]).toContain(`End it: npx tollgate deferred cancel ${idOf(3)}`);
	expect(await terminal.runJson(`deferred show ${idOf(3)}`)).toMatchObject({
		status: "collecting",
		batchId: collectingBatchId,
		keyId: "key_0",
		answeredAt: null,
	});
});

test("the report says what was saved and what came late, by lane", async () => {
	const report = await terminal.runJson("deferred report --team search --days 1");
	expect(report).toMatchObject({
		lanes: [
			{
				...{ teamId: "search", lane: "batch", items: 1, costNanoUsd: "1000000", realTimeNanoUsd: "2000000", savedNanoUsd: "1000000" },
				...{ lateItems: 1, lateMsMax: expect.any(Number) },
			},
			{ teamId: "search", lane: "real_time", items: 1, costNanoUsd: "2000000", savedNanoUsd: "0", lateItems: 0, lateMsMax: 0 },
		],
		total: { items: 2, costNanoUsd: "3000000", realTimeNanoUsd: "4000000", savedNanoUsd: "1000000", lateItems: 1 },
	});
	expect(Date.parse(report.until) - Date.parse(report.since)).toBe(86_400_000);
	expect(await terminal.run("deferred report")).toBe(0);
	expect(terminal.output[0]).toMatch(/search +batch +1 +0\.001 USD +0\.002 USD +0\.001 USD \(50\.0 %\) +1 \(100\.00 %\) +1 h 2 min/);
	expect(terminal.output[0]).toMatch(/total +2 +0\.003 USD +0\.004 USD +0\.001 USD \(25\.0 %\) +1 \(50\.00 %\)/);
	expect(await terminal.runJson("deferred report --team mail")).toMatchObject({ lanes: [], total: { items: 0, savedNanoUsd: "0", lateMsMax: 0 } });
});

test("an item is cancelled, and one that has ended stays as it is", async () => {
	await accept(4);
	expect(await terminal.run(`deferred cancel ${idOf(4)}`)).toBe(0);
	expect(terminal.output).toEqual([`${idOf(4)} is cancelled.`]);
	expect(await terminal.runJson(`deferred show ${idOf(4)}`)).toMatchObject({ status: "cancelled", heldNanoUsd: "0" });
	expect(await terminal.runJson(`deferred cancel ${idOf(1)}`)).toMatchObject({ status: "succeeded" });
});

test("a batch that collects is shown with where its items are, and is neither ended nor tried: its collector sends it", async () => {
	expect(await terminal.runJson("batch list --state collecting")).toMatchObject([{ batchId: collectingBatchId, heldNanoUsd: "2000000" }]);
	expect(await terminal.run(`batch show ${collectingBatchId}`)).toBe(0);
	expect(terminal.output[0]).toContain(`${collectingBatchId} of team search: collecting items until its collector sends it`);
	expect(terminal.output[0]).toContain("npx tollgate deferred list --team search");
	expect(terminal.output[0]).not.toMatch(/files|rule|batch cancel/);
	for (const word of ["cancel", "retry"]) {
		expect(await terminal.run(`batch ${word} ${collectingBatchId}`)).toBe(1);
		expect(terminal.errors.join()).toContain("admin.conflict");
	}
	const [row] = await sql.query<{ asked: string | null }>("asked", "SELECT cancel_asked_at AS asked FROM tollgate.batch WHERE id = $1", [collectingBatchId]);
	expect(row?.asked).toBeNull();
});

test("webhooks that were given up are listed with what was said, and sent again", async () => {
	expect(await terminal.runJson("deferred webhooks")).toEqual([]);
	expect(await terminal.runJson("deferred webhooks --state waiting --team search")).toMatchObject([{ deferredId: idOf(1), channel: "hook", attempts: 0 }]);
	await sql.query(undefined, "SELECT tollgate.finish_deferred_webhook($1, 0, 'dead', '410 gone', 0, 0)", [idOf(1)]);
	expect(await terminal.run("deferred webhooks --channel hook")).toBe(0);
	expect(terminal.output[0]).toMatch(/deferred_0+1 +search +hook +dead +0 +\d{4}-\S+ +410 gone/);
	expect(await terminal.run("alerts --team search")).toBe(0);
	expect(terminal.output[0]).toContain("Channel hook did not take what it was told of ended items of team search");
	expect(await terminal.runJson("deferred webhooks --retry --channel other")).toEqual({ waiting: 0 });
	expect(await terminal.run(`deferred webhooks --retry --item ${idOf(1)}`)).toBe(0);
	expect(terminal.output).toEqual(["1 webhook waits again."]);
	expect(await terminal.runJson("deferred webhooks --channel hook")).toEqual([]);
});

test.each([
	[1, "deferred show deferred_nobody", "deferred.missing"],
	[1, "deferred cancel deferred_nobody", "deferred.missing"],
	[1, "deferred list --team nobody", "admin.not_found"],
	[1, "deferred report --team nobody", "admin.not_found"],
	[2, "deferred list", "--team"],
	[2, "deferred list --team search --status moon", "It is one of"],
	[2, "deferred report --days 0", "whole number"],
	[2, "deferred webhooks --retry --team search", "--channel and --item alone"],
	[2, "deferred webhooks --item x", "--item goes with --retry"],
])("%i for: %s", async (code, line, said) => {
	expect(await terminal.run(line)).toBe(code);
	expect(terminal.errors.join()).toContain(said);
});
