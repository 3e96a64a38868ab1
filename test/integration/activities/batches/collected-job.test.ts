import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNeededBodies } from "#activities/batches/delivery/needed-bodies.ts";
import { createBatchPricing } from "#activities/batches/job/batch-pricing.ts";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { accountOf, createJobLines } from "#activities/batches/job/job-lines.ts";
import type { BatchJobDependencies } from "#activities/batches/job/job-port.ts";
import { answerKey, bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import { type BatchProviders, openBatchProviders } from "#activities/batches/providers/open-providers.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import type { SweepableBlobStore } from "#activities/blobs/blob-store.ts";
import { openBlobStore } from "#activities/blobs/open-blob-store.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import { defaultProviderTable, withSimulatedProvider } from "#config/providers.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import { dependenciesOver, driveJob } from "#test/support/batch-job-stand.ts";
import { DeferredStand } from "#test/support/deferred-stand.ts";
import { type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** Jobs of collected batches, from items that are handed in alone to their answers: PostgreSQL, blobs on the disk, and the simulated provider. */
let stand: DeferredStand;
let simulated: SimulatedProvider;
let providers: BatchProviders;
let blobs: SweepableBlobStore;
let folder: string;
/** Bodies of results as they came from the provider, by attempt; the last of each. */
const said = new Map<string, string>();

const MODELS = { openai: "gpt-test", anthropic: "claude-test" } as const;
type Protocol = keyof typeof MODELS;

beforeAll(async () => {
	[stand, simulated] = await Promise.all([DeferredStand.open(), startSimulatedProvider()]);
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-collected-"));
	blobs = await openBlobStore({ place: { kind: "folder", folder }, keys: new Map() });
	const { ledger } = stand.batches;
	const facts = { kind: "chat", hiddenTokensPerRequest: 0, hiddenTokensPerMessage: 0, isReasoning: false };
	await ledger.sql("UPDATE tollgate.price_line SET line = line || $1", [JSON.stringify({ ...facts, protocol: "openai" })]);
	await ledger.sql(
		`INSERT INTO tollgate.price_line (version, provider, model, line, source, created_by)
		 SELECT version, 'anthropic', 'claude-test', line || $1, source, created_by FROM tollgate.price_line`,
		[JSON.stringify({ provider: "anthropic", protocol: "anthropic", model: "claude-test", aliases: [] })],
	);
	await ledger.sql("INSERT INTO tollgate.price_version (version, source, checksum, created_by) VALUES (1, 'test', '', 'ada')");
	const nowhere = { openaiBaseUrl: "https://unused.example/v1", openaiKey: undefined, anthropicBaseUrl: "https://unused.example", anthropicKey: undefined };
	providers = openBatchProviders(withSimulatedProvider(defaultProviderTable(nowhere), simulated.url).providers);
	await simulated.control("batches/clock", { pace: 100_000 });
	await simulated.control("batches/plan", { plan: { turnaroundMs: 1_000, validationMs: 0 } });
});
afterAll(async () => {
	await providers?.close();
	await simulated?.close();
	await stand?.close();
	await rm(folder, { recursive: true, force: true });
});

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}

/** undefined: there is none. */
async function textOf(key: string): Promise<string | undefined> {
	if ((await blobs.describe(key)) === undefined) return undefined;
	const pieces: Uint8Array[] = [];
	for await (const piece of blobs.read(key)) pieces.push(piece);
	return Buffer.concat(pieces).toString("utf8");
}

type Handed = { readonly batchId: string; readonly number: string; readonly ids: readonly string[] };

/** Items with these contents, in one batch that is held. Their bodies are written as people write them. */
async function handedIn(protocol: Protocol, contents: readonly string[]): Promise<Handed> {
	const model = MODELS[protocol];
	const of = { protocol, endpoint: protocol === "openai" ? "chat.completions" : "messages", model, pricedModel: model } as const;
	const ids: string[] = [];
	let batch = { batchId: "", number: "" };
	for (const content of contents) {
		const bound = { boundNanoUsd: 100_000n, boundTokens: 50_000, pricesAsOfMs: Date.now() };
		const { deferredId, ...item } = stand.item({ ...of, ...bound, deployment: `${protocol}/${model}`, provider: protocol });
		const bodyBlobKey = bodyKey("demo", deferredId);
		const body = JSON.stringify({ model: "asked-for", max_tokens: 20, messages: [{ role: "user", content }] }, null, "\t");
		await blobs.write(bodyBlobKey, bytesOf(body));
		({ batch } = await stand.accepted({ deferredId, ...item, bodyBlobKey }));
		ids.push(deferredId);
	}
	await stand.flushed(batch.batchId);
	return { ...batch, ids };
}

function dependencies(change: Partial<BatchJobDependencies["store"]> = {}): BatchJobDependencies {
	const { store, sql } = stand.batches;
	return {
		...dependenciesOver({
			store: { ...store, ...createPostgresDeferredStore(sql), ...change },
			lines: createJobLines({ blobs, store, wallClockMs: Date.now }),
			provider: undefined as never,
		}),
		providerOf(batch) {
			const provider = providers.find(accountOf(batch));
			if (provider === undefined) return undefined;
			return {
				...provider,
				async *results(status) {
					for await (const line of provider.results(status)) {
						if (line.kind === "item" && "body" in line.result) said.set(line.customId, line.result.body);
						yield line;
					}
				},
			};
		},
		openPricing: createBatchPricing(sql.unprepared).open,
		now: () => performance.now(),
	};
}

function drive({ batchId }: Handed, activities = createBatchJobActivities(dependencies())) {
	return driveJob({ activities, batchId, store: stand.batches.store, clock: { nowMs: Date.now() } } as never);
}

const marked = (directive: object) => `[[simulate:${JSON.stringify(directive)}]]`;

async function expectAnswer({ number, ids }: Handed, n: number): Promise<void> {
	const deferredId = ids[n - 1] ?? "";
	const record = await stand.deferred.readDeferred("demo", deferredId);
	expect(record).toMatchObject({ status: "succeeded", httpStatus: 200, answerBlobKey: answerKey("demo", deferredId), heldNanoUsd: "0", lane: "batch" });
	const sent = said.get(attemptIdOf({ batchNumber: number, items: ids.length, n, tryNumber: 1 }));
	expect(sent).toContain("usage");
	expect(await textOf(answerKey("demo", deferredId))).toBe(sent);
}

describe.each(["openai", "anthropic"] as const)("a collected batch of %s", (protocol) => {
	test("brings each item the bytes of its answer, and says of the others why there is none", async () => {
		const handed = await handedIn(protocol, ["one", "two", marked({ status: 400 }), "four", marked({ fault: "cut_before_headers" })]);
		const [, , , gone = ""] = handed.ids;
		await blobs.delete(bodyKey("demo", gone));
		await drive(handed);
		for (const n of [1, 2]) await expectAnswer(handed, n);
		for (const id of handed.ids) expect(await textOf(bodyKey("demo", id))).toBeUndefined();
		const refused = await stand.deferred.readDeferred("demo", handed.ids[2] ?? "");
		expect(refused).toMatchObject({ status: "failed", httpStatus: 400, costNanoUsd: null });
		expect(JSON.parse((await textOf(refused?.answerBlobKey ?? "")) ?? "")).toHaveProperty("error");
		const bodiless = await stand.deferred.readDeferred("demo", gone);
		expect(bodiless).toMatchObject({ status: "failed", httpStatus: 500, costNanoUsd: null, heldNanoUsd: "0" });
		expect(await textOf(bodiless?.answerBlobKey ?? "")).toContain("not kept any more");
		// It ran, nobody knows what it cost, and the provider has no line of it.
		const lost = await stand.deferred.readDeferred("demo", handed.ids[4] ?? "");
		expect(lost).toMatchObject({ status: "failed", httpStatus: 502, costNanoUsd: "100000" });
		const batch = await stand.batches.store.read(handed.batchId);
		expect(batch).toMatchObject({ state: "completed", heldNanoUsd: "0", outputFileId: null, errorFileId: null, counts: { succeeded: 2, errored: 3 } });
	}, 30_000);
});

test("delivery that is cut behind the first page, or before it is told of, is done again: each item is answered once", async () => {
	const handed = await handedIn("openai", ["one", "two", "three"]);
	const cuts: string[] = [];
	const { store, sql } = stand.batches;
	const { markAnswered } = createPostgresDeferredStore(sql);
	const cut = (at: string) => {
		cuts.push(at);
		throw new Error("the worker is gone");
	};
	await drive(
		handed,
		createBatchJobActivities(
			dependencies({
				async markAnswered(batchId, answers) {
					expect(await textOf(answers[0]?.answerBlobKey ?? "")).toContain("usage");
					if (cuts.length === 0) cut("before it is told of");
					if (cuts.length > 1) return markAnswered(batchId, answers);
					await markAnswered(batchId, answers.slice(0, 1));
					return cut("behind the first");
				},
			}),
		),
	);
	expect(cuts).toHaveLength(2);
	for (const n of [1, 2, 3]) await expectAnswer(handed, n);
	// That of the one that was told of before the crash stays for the sweep.
	expect((await Promise.all(handed.ids.map((id) => textOf(bodyKey("demo", id))))).filter((body) => body !== undefined)).toHaveLength(1);
	expect(await store.read(handed.batchId)).toMatchObject({ state: "completed", counts: { succeeded: 3 } });
});

test("a body is needed from when its item is accepted until that is answered, and no other of the same id", async () => {
	const handed = await handedIn("openai", ["one", "two"]);
	const needed = createNeededBodies(stand.batches.sql);
	const [first = "", second = ""] = handed.ids.map((id) => bodyKey("demo", id));
	const asked = [first, second, `${first}-other`, bodyKey("demo", "deferred_nobody")];
	expect(await needed(asked)).toEqual(new Set([first, second]));
	await drive(handed);
	expect(await needed(asked)).toEqual(new Set());
});

test("the ledger stands, with the provider's own log", async () => {
	await stand.batches.ledger.fallSilent();
	const { report } = await verifyLedger({ databaseUrl: stand.batches.ledger.database.url, providerLogPath: simulated.callLogPath });
	expect(report).toMatchObject({ ok: true });
	expect(simulated.calls()).toHaveLength(11);
});
