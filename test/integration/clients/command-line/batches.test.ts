import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { type CommandLineHome, openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

/** What operators see and decide of batches, over real rows; their workflows are not there. */
let home: CommandLineHome;
let sql: Connection;
const terminal = openTestTerminal(() => ({ TOLLGATE_HOME: home.home }));
const BATCH_ID = `batch_${"a".repeat(24)}`;
const FILE_ID = `file-${"a".repeat(24)}`;

beforeAll(async () => {
	home = await openCommandLineHome();
	sql = new Connection({ url: home.administration.databaseUrl, applicationName: "test-batches" });
	expect(await terminal.run("team create search --limit 100 --window day")).toBe(0);
	const store = createPostgresBatchStore(sql);
	const file = { teamId: "search", keyId: "k1", purpose: "batch" as const, filename: "in.jsonl", bytes: 10, lines: 2, expiresAtMs: null };
	await store.createFile({ ...file, fileId: FILE_ID, blobKey: `search/files/${FILE_ID}.jsonl` });
	await store.begin({
		...{ batchId: BATCH_ID, teamId: "search", protocol: "openai", endpoint: "chat.completions", model: "gpt-test", deployment: "openai/gpt-test" },
		...{ provider: "openai", origin: "caller", inputFileId: FILE_ID, metadata: null, deadlineMs: null, priceVersion: 1, pricesAsOfMs: Date.now() },
		attribution: { keyId: "k1", feature: null, userId: null, environment: null, asserted: null, claimed: null },
		rules: { mayResubmit: false, mayRelane: false },
	});
	const bound = { boundNanoUsd: 1_000_000n, boundTokens: 20, boundInputTokens: 10, bytes: 50, tiers: ["batch" as const] };
	await store.addItems(BATCH_ID, [
		{ n: 1, customId: "c-1", ...bound },
		{ n: 2, customId: "c-2", ...bound },
	]);
	expect(await store.hold(BATCH_ID, { waitIsOver: true })).toMatchObject({ kind: "held" });
});
afterAll(async () => {
	await sql?.close();
	await home?.close();
});

test("batches are listed and shown with what they hold", async () => {
	expect(await terminal.runJson("batch list --team search --state held")).toMatchObject([{ batchId: BATCH_ID, items: 2, heldNanoUsd: "2000000" }]);
	expect(await terminal.runJson("batch list --state completed")).toEqual([]);
	expect(await terminal.run(`batch show ${BATCH_ID}`)).toBe(0);
	const [shown = ""] = terminal.output;
	expect(shown).toContain(`${BATCH_ID} of team search: held`);
	expect(shown).toContain("held 0.002 USD, settled 0.00 USD");
	expect(await terminal.runJson(`batch show ${BATCH_ID}`)).toMatchObject({ progress: null, parts: [], keyId: "k1" });
});

test("what is wrong is said, and nothing happens", async () => {
	expect(await terminal.run("batch show batch_nobody")).toBe(1);
	expect(terminal.errors.join()).toContain("batch.missing");
	expect(await terminal.run("batch list --state moon")).toBe(2);
	expect(await terminal.run("batch list --team nobody")).toBe(1);
});

test("without the workflows a retry says so, and a cancellation stands in the rows with its name", async () => {
	expect(await terminal.run(`batch retry ${BATCH_ID}`)).toBe(3);
	expect(terminal.errors.join()).toContain("governance.unreachable");
	expect(await terminal.runJson(`batch cancel ${BATCH_ID}`)).toMatchObject({ state: "held", cancelAskedAt: expect.stringMatching(/^\d{4}-/) });
	const [row] = await sql.query<{ by: string }>("cancel_asked_by", "SELECT cancel_asked_by AS by FROM tollgate.batch WHERE id = $1", [BATCH_ID]);
	expect(row?.by).toBe("ada");
});

test("a batch that has ended is neither cancelled nor tried again, and --watch ends with it", async () => {
	const store = createPostgresBatchStore(sql);
	const nothing = { costNanoUsd: null, costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	await store.book(
		BATCH_ID,
		[1, 2].map((n) => ({ n, tryNumber: 1, outcome: "cancelled" as const, ...nothing })),
	);
	await store.closeHold(BATCH_ID);
	for (const state of ["cancelling", "finalizing", "cancelled"] as const) await store.move(BATCH_ID, state, {});
	expect(await terminal.run(`batch show ${BATCH_ID} --watch`)).toBe(0);
	expect(terminal.output).toHaveLength(1);
	expect(terminal.output[0]).toContain(": cancelled");
	for (const word of ["cancel", "retry"]) {
		expect(await terminal.run(`batch ${word} ${BATCH_ID}`)).toBe(1);
		expect(terminal.errors.join()).toContain("batch.ended");
	}
});
