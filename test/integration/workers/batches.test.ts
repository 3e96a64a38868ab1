import { mkdtemp, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BatchRecord, BatchStore } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import type { SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { Connection } from "#activities/database/connection.ts";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { parsePriceFile } from "#activities/pricebooks/price-file.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { defaultProviderTable, withSimulatedProvider } from "#config/providers.ts";
import { isFinalBatch } from "#domain/batching/batch-moves.ts";
import { TEST_PRICE_LINE } from "#test/support/administration.ts";
import { openTestPool, type TestPool } from "#test/support/pool.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { type BatchesRole, startBatchesRole } from "../../../workers/batches.ts";

/** The worker's part in batches on a real PostgreSQL, a real Temporal, blobs on the disk and the simulated provider, whose day is seconds. */
let database: TestDatabase;
let pool: TestPool;
let sql: Connection;
let store: BatchStore;
let blobs: SweepableBlobStore;
let provider: SimulatedProvider;
let temporal: TestTemporal;
let role: BatchesRole;

const OLD_BLOB = "search/batches/batch_old/part-1.jsonl";
const YOUNG_BLOB = "search/batches/batch_young/part-1.jsonl";

/** Two payloads, one of them written forty days ago. */
async function writeOldBlob(): Promise<void> {
	const fortyDaysAgo = new Date(Date.now() - 40 * 86_400_000);
	await blobs.write(OLD_BLOB, hello());
	for (const name of await readdir(folder, { recursive: true })) {
		const file = path.join(folder, name);
		if ((await stat(file)).isFile()) await utimes(file, fortyDaysAgo, fortyDaysAgo);
	}
	await blobs.write(YOUNG_BLOB, hello());
}

async function* hello(): AsyncIterable<Uint8Array> {
	yield Buffer.from("hello");
}
let folder: string;
const problems: unknown[] = [];

const MODELS = { openai: "gpt-test", anthropic: "claude-test" } as const;
/** A simulated hour passes in this many seconds. */
const HOUR_SECONDS = 4;

beforeAll(async () => {
	[database, temporal, provider] = await Promise.all([createTestDatabase(), startTestTemporal(), startSimulatedProvider()]);
	pool = openTestPool(database.url);
	sql = new Connection({ url: database.url, applicationName: "test-batches" });
	store = createPostgresBatchStore(sql);
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-batches-"));
	blobs = await openBlobStore({ place: { kind: "folder", folder }, keys: new Map() });
	await writeOldBlob();
	const tiers = { ...TEST_PRICE_LINE.tiers, batch: TEST_PRICE_LINE.tiers.standard };
	const lines = (["openai", "anthropic"] as const).map((protocol) => ({
		line: { ...TEST_PRICE_LINE, provider: protocol, protocol, model: MODELS[protocol], aliases: [], tiers },
	}));
	await loadPriceFile(pool.pool, parsePriceFile(JSON.stringify({ source: "test", lines }), "test"), "seed", "test");
	await sql.query(undefined, "INSERT INTO tollgate.team (id, is_unlimited) VALUES ('search', true)", []);
	await control("clock", { pace: 3_600 / HOUR_SECONDS });
	await control("plan", { plan: { turnaroundMs: 1_800_000 } });
	const table = defaultProviderTable({
		openaiBaseUrl: "https://unused.example/v1",
		openaiKey: undefined,
		anthropicBaseUrl: "https://unused.example",
		anthropicKey: undefined,
	});
	const log = { info: () => undefined, warn: (fields: unknown) => void problems.push(fields), error: (fields: unknown) => void problems.push(fields) };
	role = startBatchesRole({
		...{ databaseUrl: database.url, temporalAddress: temporal.address, temporalNamespace: "default", workflowBundle: await testWorkflowBundle() },
		...{
			providers: withSimulatedProvider(table, provider.url).providers,
			blobs,
			retention: { keptDays: 30, keptDaysByPurpose: {} },
			log: log as never,
			metrics: new Registry(),
			pacePermille: 5,
		},
	});
	await role.polls;
}, 120_000);

afterAll(async () => {
	await role?.stop();
	await sql?.close();
	await pool?.close();
	await provider?.close();
	await temporal?.close();
	await database?.close();
	await rm(folder, { recursive: true, force: true });
});

async function control(what: string, body: object): Promise<void> {
	const answer = await fetch(`${provider.url}/simulator/batches/${what}`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(body),
	});
	expect(answer.status, await answer.text()).toBe(200);
}

/** A batch as its caller's gateway leaves it: checked, bounded and held. */
async function hold(protocol: "openai" | "anthropic", letter: string, contents: readonly string[], mayResubmit = false): Promise<string> {
	const name = letter.repeat(24);
	const [batchId, fileId, model] = [`${protocol === "openai" ? "batch" : "msgbatch"}_${name}`, `file-${name}`, MODELS[protocol]];
	const requests = contents.map((content, index) => {
		const [customId, body] = [`c-${index + 1}`, { model, max_tokens: 20, messages: [{ role: "user", content }] }];
		return protocol === "openai" ? { custom_id: customId, method: "POST", url: "/v1/chat/completions", body } : { custom_id: customId, params: body };
	});
	const blobKey = `search/files/${fileId}.jsonl`;
	const { bytes } = await blobs.write(blobKey, eachOf(Buffer.from(`${requests.map((request) => JSON.stringify(request)).join("\n")}\n`)));
	const file = { teamId: "search", keyId: "k1", purpose: "batch" as const, filename: "in.jsonl", lines: contents.length, expiresAtMs: null };
	await store.createFile({ ...file, fileId, bytes, blobKey });
	const [book] = await sql.query<{ version: string; now_ms: string }>(
		undefined,
		"SELECT max(version) AS version, tollgate.to_ms(clock_timestamp()) AS now_ms FROM tollgate.price_version",
		[],
	);
	await store.begin({
		...{ batchId, teamId: "search", protocol, endpoint: protocol === "openai" ? "chat.completions" : "messages", model, deployment: `${protocol}/${model}` },
		...{ provider: protocol, origin: "caller", inputFileId: fileId, metadata: null, deadlineMs: null },
		...{ priceVersion: Number(book?.version), pricesAsOfMs: Number(book?.now_ms) },
		attribution: { keyId: "k1", feature: null, userId: null, environment: null, asserted: null, claimed: null },
		rules: { mayResubmit, mayRelane: false },
	});
	const bound = { boundNanoUsd: 10_000_000n, boundTokens: 1_000, boundInputTokens: 900, bytes: 300, tiers: ["batch" as const] };
	await store.addItems(
		batchId,
		contents.map((_, index) => ({ n: index + 1, customId: `c-${index + 1}`, ...bound })),
	);
	expect(await store.hold(batchId, { waitIsOver: true })).toMatchObject({ kind: "held" });
	return batchId;
}

async function* eachOf(...pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
	yield* pieces;
}

async function ended(batchId: string): Promise<BatchRecord> {
	return until(
		`the end of ${batchId}`,
		async () => {
			const batch = await store.read(batchId);
			return batch !== undefined && isFinalBatch(batch.state) && batch;
		},
		100_000,
	);
}

async function linesOf(fileId: string | null): Promise<{ custom_id: string }[]> {
	if (fileId === null) return [];
	const text: Uint8Array[] = [];
	for await (const piece of blobs.read((await store.readFile("search", fileId))?.blobKey ?? "")) text.push(piece);
	return Buffer.concat(text)
		.toString()
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line) as { custom_id: string });
}

const marked = (directive: object) => `[[simulate:${JSON.stringify(directive)}]]`;

test("payloads past their time are gone once a worker has begun", async () => {
	await until("the old payload is gone", async () => (await blobs.describe(OLD_BLOB)) === undefined);
	expect(await blobs.describe(YOUNG_BLOB)).toMatchObject({ bytes: 5 });
});

test("batches of both providers come back: each item once to its caller, each billed item once in the books, nothing held", async () => {
	const contents = ["one", "two", marked({ status: 400 }), "four", marked({ fault: "duplicate_chunk" })];
	const [openai, anthropic] = [await hold("openai", "a", contents), await hold("anthropic", "b", contents)];
	for (const batchId of [openai, anthropic]) {
		const batch = await ended(batchId);
		expect(batch, JSON.stringify(problems)).toMatchObject({
			state: "completed",
			heldNanoUsd: "0",
			problem: null,
			counts: { open: 0, succeeded: 4, errored: 1 },
		});
		const [outputs, errors] = [await linesOf(batch.outputFileId), await linesOf(batch.errorFileId)];
		expect(outputs.map((line) => line.custom_id).toSorted()).toEqual(["c-1", "c-2", "c-4", "c-5"]);
		expect(errors.map((line) => line.custom_id)).toEqual(["c-3"]);
	}
	const booked = await sql.query<{ attempt_id: string }>(undefined, "SELECT attempt_id FROM tollgate.attempt ORDER BY attempt_id", []);
	expect(booked.map((row) => row.attempt_id)).toEqual(
		provider
			.calls()
			.map(({ attemptId }) => attemptId)
			.toSorted(),
	);
	expect(booked).toHaveLength(8);
}, 150_000);

test("a creation that was cut after it was done is found, and one that was lost is made again", async () => {
	await control("faults", { next: [{ operation: "create", fault: "cut", times: 1 }] });
	const found = await hold("openai", "c", ["one", "two"]);
	expect(await ended(found)).toMatchObject({ state: "completed", counts: { succeeded: 2 } });
	expect(await store.parts(found)).toHaveLength(1);
	await control("faults", { next: [{ operation: "create", fault: "lost", times: 1 }] });
	const lost = await hold("openai", "d", ["one", "two"]);
	expect(await ended(lost)).toMatchObject({ state: "completed", counts: { succeeded: 2 } });
	expect((await store.parts(lost)).map(({ state }) => state)).toEqual(["failed", "collected"]);
}, 150_000);

/** Tries of each item that the provider billed, in the order of the items. */
const billedOf = async (batchId: string): Promise<string[]> => {
	const [row] = await sql.query<{ number: string }>(undefined, "SELECT number FROM tollgate.batch WHERE id = $1", [batchId]);
	const prefix = `batch${row?.number}-1-`;
	const billed = provider.calls().map(({ attemptId }) => attemptId ?? "");
	return billed
		.filter((attemptId) => attemptId.startsWith(prefix))
		.map((attemptId) => attemptId.slice(prefix.length))
		.toSorted((one, other) => Number(one) - Number(other));
};

/** The provider gives up what is unfinished after a day. */
const DAY_AND_AN_HOUR_MS = 25 * 3_600_000;
const HANGS = marked({ fault: "hang" });

/** The provider has the part of this number, and has run what it will of it. */
async function runsOut(batchId: string, part: number): Promise<void> {
	await until(
		`part ${part} of ${batchId} to run`,
		async () => (await store.parts(batchId)).find((record) => record.part === part)?.state === "running",
		60_000,
	);
	await control("clock", { advanceMs: DAY_AND_AN_HOUR_MS });
}

test("an expired batch is expired for a caller whose key says nothing: what ran is paid, the rest ends", async () => {
	const batchId = await hold("openai", "e", ["one", "two", HANGS]);
	await runsOut(batchId, 1);
	const batch = await ended(batchId);
	expect(batch, JSON.stringify(problems)).toMatchObject({ state: "expired", heldNanoUsd: "0", counts: { open: 0, succeeded: 2, expired: 1 } });
	expect(await store.parts(batchId)).toHaveLength(1);
	expect(await billedOf(batchId)).toEqual(["1", "2"]);
}, 150_000);

test.each([
	["openai", "f"],
	["anthropic", "g"],
] as const)(
	"the unfinished rest of an expired batch of %s goes again where the key says so: once, alone, and finished items never",
	async (protocol, letter) => {
		// In its day the first batch comes to the first item alone; the second one is through with all but what never ends.
		await control("plan", { plan: { turnaroundMs: 40 * 3_600_000 }, next: 1 });
		const batchId = await hold(protocol, letter, ["one", "two", HANGS], true);
		await runsOut(batchId, 1);
		await runsOut(batchId, 2);
		const batch = await ended(batchId);
		expect(batch, JSON.stringify(problems)).toMatchObject({ state: "expired", heldNanoUsd: "0", counts: { open: 0, succeeded: 2, expired: 1 } });
		expect((await store.parts(batchId)).map(({ items, state }) => [items, state])).toEqual([
			[3, "collected"],
			[2, "collected"],
		]);
		expect(await billedOf(batchId)).toEqual(["1", "5"]);
		const [outputs, errors] = [await linesOf(batch.outputFileId), await linesOf(batch.errorFileId)];
		expect(outputs.map((line) => line.custom_id).toSorted()).toEqual(["c-1", "c-2"]);
		expect(errors.map((line) => line.custom_id)).toEqual(["c-3"]);
	},
	150_000,
);

test("the ledger stands, with the provider's own log", async () => {
	const { report } = await verifyLedger({ databaseUrl: database.url, providerLogPath: provider.callLogPath });
	expect(report).toMatchObject({ ok: true });
	expect((await readFile(provider.callLogPath, "utf8")).trimEnd().split("\n")).toHaveLength(18);
}, 60_000);
