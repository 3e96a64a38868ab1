import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BatchRecord, FileRecord, HoldResult } from "#activities/batches/port.ts";
import { createBlobKeyring } from "#activities/blobs/blob-keys.ts";
import { createBlobStore } from "#activities/blobs/blob-store.ts";
import { createFolderPlace } from "#activities/blobs/folder-place.ts";
import type { BlobStore } from "#activities/blobs/port.ts";
import type { BatchState, HeldItem, ItemCounts } from "#domain/batching/batch.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { ContextTier, PriceBook, PriceLine, TokenPrices } from "#domain/pricing/price-book.ts";
import type { BatchRoutes, RouteStore } from "#gateway/batches/ports.ts";
import { boundLine } from "./bound-lines.ts";
import { createFakeAuthority, type FakeAuthority } from "./fake-authority.ts";
import { startTestGateway, type TestGateway, type TestGatewayOptions } from "./gateway-server.ts";

/** Batches in memory, their payloads in a folder, with one pot of money; a job that the test plays. */
export type GatewayBatches = {
	readonly routes: BatchRoutes;
	readonly blobs: BlobStore;
	readonly files: Map<string, FileRecord>;
	readonly batches: Map<string, BatchRecord>;
	/** Of batches that were begun and not undone. */
	readonly items: Map<string, HeldItem[]>;
	/** Every ask for money. */
	readonly asks: { readonly batchId: string; readonly waitIsOver: boolean }[];
	/** What may be held; undefined = anything. */
	moneyNanoUsd: bigint | undefined;
	/** Others hold the rest and may give it back: it is waited for. */
	isHeldByOthers: boolean;
	/** How far the wall clock is ahead of that of records. */
	laterMs: number;
	/** Set to fail every statement of this name. */
	failing: keyof RouteStore | undefined;
	/** The batch as its job left it. */
	move(batchId: string, changes: Partial<BatchRecord>): void;
	/** Ends it with what the job joined. */
	end(
		batchId: string,
		ending: { readonly state: BatchState; readonly counts: Partial<ItemCounts>; readonly output?: string; readonly errors?: string },
	): Promise<void>;
	/** Names of all payloads there are, of all teams. */
	payloads(): Promise<string[]>;
	close(): void;
};

/** Wall clock of these tests; every record is a second younger than the one before. */
const BEGAN_AT_MS = 1_796_000_000_000;
const TEAMS = ["demo", "other"] as const;

export function createGatewayBatches(): GatewayBatches {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-batches-"));
	const blobs = createBlobStore(createFolderPlace(folder), createBlobKeyring(new Map()));
	let records = 0;
	const nowMs = (): number => BEGAN_AT_MS + records * 1_000;
	const stand: GatewayBatches = {
		routes: {
			store: createStore(
				() => stand,
				() => BEGAN_AT_MS + ++records * 1_000,
			),
			blobs,
			wallClockMs: () => nowMs() + stand.laterMs,
		},
		blobs,
		files: new Map(),
		batches: new Map(),
		items: new Map(),
		asks: [],
		moneyNanoUsd: undefined,
		isHeldByOthers: false,
		laterMs: 0,
		failing: undefined,
		move: (batchId, changes) => void stand.batches.set(batchId, { ...known(stand, batchId), ...changes }),
		async end(batchId, { state, counts, output, errors }) {
			const { teamId } = known(stand, batchId);
			const write = async (name: string, text: string | undefined): Promise<string | null> => {
				if (text === undefined) return null;
				const blobKey = `${teamId}/batches/${batchId}/${name}.jsonl`;
				const { bytes } = await blobs.write(blobKey, oneChunk(text));
				const fileId = `file-${name}${batchId.slice(-24)}`.slice(0, 29);
				const file = {
					fileId,
					teamId,
					keyId: "key1",
					purpose: "batch_output",
					filename: `${name}.jsonl`,
					bytes,
					lines: null,
					blobKey,
					expiresAtMs: null,
				} as const;
				return (await stand.routes.store.createFile(file)).fileId;
			};
			const outputFileId = await write("output", output);
			const errorFileId = await write("errors", errors);
			stand.move(batchId, {
				state,
				counts: { open: 0, succeeded: 0, errored: 0, expired: 0, cancelled: 0, ...counts },
				outputFileId,
				errorFileId,
				endedAtMs: nowMs(),
			});
		},
		async payloads() {
			const keys: string[] = [];
			for (const team of TEAMS) for await (const { key } of blobs.list(`${team}/`)) keys.push(key);
			return keys;
		},
		close: () => rmSync(folder, { recursive: true }),
	};
	return stand;
}

function known({ batches }: GatewayBatches, batchId: string): BatchRecord {
	const batch = batches.get(batchId);
	if (batch === undefined) throw new Error(`there is no batch ${batchId}`);
	return batch;
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}

const FINAL: readonly BatchState[] = ["completed", "expired", "cancelled", "failed"];

function createStore(of: () => GatewayBatches, nextMs: () => number): RouteStore {
	const hidden = new Set<string>();
	const isIn = (batch: BatchRecord, teamId: string | null | undefined): boolean => !hidden.has(batch.batchId) && (teamId ?? batch.teamId) === batch.teamId;
	const behind = <Row>(
		rows: readonly Row[],
		idOf: (row: Row) => string,
		{ after, limit }: { readonly after: string | null; readonly limit: number },
	): Row[] => {
		const newestFirst = rows.toReversed();
		const from = after === null ? 0 : newestFirst.findIndex((row) => idOf(row) === after) + 1;
		return newestFirst.slice(from, from + limit);
	};
	const store: RouteStore = {
		async createFile(file) {
			const record = { ...file, createdAtMs: nextMs() };
			of().files.set(file.fileId, record);
			return record;
		},
		async readFile(teamId, fileId) {
			const file = of().files.get(fileId);
			return file?.teamId === teamId ? file : undefined;
		},
		async listFiles(teamId, page) {
			return behind(
				[...of().files.values()].filter((file) => file.teamId === teamId),
				({ fileId }) => fileId,
				page,
			);
		},
		async deleteFile(teamId, fileId) {
			if ((await store.readFile(teamId, fileId)) === undefined) return false;
			const isInUse = [...of().batches.values()].some(({ inputFileId, state }) => inputFileId === fileId && !FINAL.includes(state));
			if (isInUse) throw new CostControlError("file.in_use", `file ${fileId} is the input of a batch that has not ended`);
			return of().files.delete(fileId);
		},
		async begin(batch) {
			const record: BatchRecord = {
				...batch,
				number: String(of().batches.size + 1),
				state: "collecting",
				version: "1",
				items: 0,
				counts: { open: 0, succeeded: 0, errored: 0, expired: 0, cancelled: 0 },
				outputFileId: null,
				errorFileId: null,
				heldNanoUsd: "0",
				settledNanoUsd: "0",
				createdAtMs: nextMs(),
				runningSinceMs: null,
				finalizingSinceMs: null,
				endedAtMs: null,
				cancelAskedAtMs: null,
				problem: null,
			};
			of().batches.set(batch.batchId, record);
			of().items.set(batch.batchId, []);
			return record;
		},
		async addItems(batchId, items) {
			of()
				.items.get(batchId)
				?.push(...items);
		},
		async hold(batchId, { waitIsOver }) {
			of().asks.push({ batchId, waitIsOver });
			return holdIn(of(), batchId, waitIsOver);
		},
		async abandon(batchId) {
			if (of().batches.get(batchId)?.state !== "collecting") return;
			of().batches.delete(batchId);
			of().items.delete(batchId);
		},
		async read(batchId, teamId) {
			const batch = of().batches.get(batchId);
			return batch !== undefined && isIn(batch, teamId) ? batch : undefined;
		},
		async list(teamId, page) {
			return behind(
				[...of().batches.values()].filter((batch) => isIn(batch, teamId)),
				({ batchId }) => batchId,
				page,
			);
		},
		async askCancel(batchId) {
			const batch = known(of(), batchId);
			if (!FINAL.includes(batch.state) && batch.cancelAskedAtMs === null) of().move(batchId, { cancelAskedAtMs: nextMs() });
			return known(of(), batchId);
		},
		async forget(teamId, batchId) {
			const batch = of().batches.get(batchId);
			if (batch === undefined || !isIn(batch, teamId) || !FINAL.includes(batch.state)) return false;
			hidden.add(batchId);
			return true;
		},
	};
	return failingOn(store, () => of().failing);
}

/** As where PostgreSQL is away for one of them. */
function failingOn(store: RouteStore, failing: () => keyof RouteStore | undefined): RouteStore {
	return new Proxy(store, {
		get(target, name: keyof RouteStore) {
			if (name !== failing()) return target[name];
			return () => Promise.reject(new CostControlError("authority.unreachable", "The database cannot be reached."));
		},
	});
}

function holdIn(stand: GatewayBatches, batchId: string, waitIsOver: boolean): HoldResult {
	const need = (stand.items.get(batchId) ?? []).reduce((sum, { boundNanoUsd }) => sum + boundNanoUsd, 0n);
	const left = stand.moneyNanoUsd;
	if (left === undefined || left >= need) {
		if (left !== undefined) stand.moneyNanoUsd = left - need;
		const items = stand.items.get(batchId)?.length ?? 0;
		const counts = { ...known(stand, batchId).counts, open: items };
		stand.move(batchId, { state: "held", items, counts, heldNanoUsd: need.toString() });
		return { kind: "held", windows: [] };
	}
	if (stand.isHeldByOthers && !waitIsOver) return { kind: "short", items: [] };
	return refusedOf(batchId, left);
}

export function refusedOf(batchId: string, leftAmount: bigint): Extract<HoldResult, { kind: "refused" }> {
	return {
		kind: "refused",
		refusal: {
			code: "budget.exceeded",
			message: "The budget of team demo, day has too little left for this batch.",
			budget: "team demo, day",
			unit: "nano_usd",
			limitAmount: 250_000_000n,
			leftAmount,
			resetsAt: "2026-11-27T00:00:00.000Z",
			heldAmount: null,
			heldUntil: null,
			howToAsk: "Ask an administrator for more.",
			retryAfterSeconds: null,
		},
		record: {
			type: "refusal",
			refusalId: `${batchId}-f-1`,
			requestId: batchId,
			refusedAtMs: BEGAN_AT_MS,
			teamId: "demo",
			keyId: "key1",
			code: "budget.exceeded",
			budgetId: null,
			windowId: null,
			windowSeq: null,
			limitAmount: null,
			granted: null,
			idle: null,
			need: null,
			openReservations: null,
			waitedMs: 0,
			isRemembered: false,
		},
	};
}

/** The models of `testPriceBook`, at half the price in batches, and `gpt-real-time`, which has no price for them. */
export function batchPriceBook(): PriceBook {
	const openai = { provider: "openai", protocol: "openai", inputNanoUsd: 2_500_000_000n, outputNanoUsd: 10_000_000_000n } as const;
	const anthropic = { provider: "anthropic", protocol: "anthropic", inputNanoUsd: 3_000_000_000n, outputNanoUsd: 15_000_000_000n } as const;
	return makePriceBook(7, [
		withBatchPrices(boundLine({ ...openai, model: "gpt-4o" })),
		withBatchPrices(boundLine({ ...openai, model: "gpt-4o-mini" })),
		withBatchPrices(boundLine({ ...openai, model: "text-embedding-3-small" }, { kind: "embeddings", outputCapField: undefined })),
		boundLine({ ...openai, model: "gpt-real-time" }),
		withBatchPrices(boundLine({ ...anthropic, model: "claude-sonnet-5-5" })),
	]);
}

function withBatchPrices(line: PriceLine): PriceLine {
	const halve = ({ aboveInputTokens, prices }: ContextTier): ContextTier => ({
		aboveInputTokens,
		prices: Object.fromEntries(Object.entries(prices).map(([name, price]) => [name, price / 2n])) as TokenPrices,
	});
	return { ...line, tiers: { ...line.tiers, batch: line.tiers.standard.map(halve) } };
}

export type BatchGateway = {
	readonly url: string;
	readonly gateway: TestGateway;
	readonly authority: FakeAuthority;
	readonly stand: GatewayBatches;
	close(): Promise<void>;
};

/** A gateway with the routes of batches; nothing of it reaches a provider. */
export async function startBatchGateway(options: Partial<TestGatewayOptions> = {}, changes: Partial<BatchRoutes> = {}): Promise<BatchGateway> {
	const authority = createFakeAuthority(batchPriceBook());
	const stand = createGatewayBatches();
	const gateway = await startTestGateway({ authority, providerUrl: "http://127.0.0.1:9", batches: { ...stand.routes, ...changes }, ...options });
	return {
		url: gateway.url,
		gateway,
		authority,
		stand,
		async close() {
			await gateway.close();
			stand.close();
		},
	};
}

/** One line of a request file. */
export function chatLine(
	n: number,
	changes: { readonly line?: Readonly<Record<string, unknown>>; readonly body?: Readonly<Record<string, unknown>> } = {},
): string {
	const body = { model: "gpt-4o", max_tokens: 20, messages: [{ role: "user", content: `question ${n}` }], ...changes.body };
	return JSON.stringify({ custom_id: `item-${n}`, method: "POST", url: "/v1/chat/completions", body, ...changes.line });
}

export function chatLines(count: number): string {
	return Array.from({ length: count }, (_none, index) => `${chatLine(index + 1)}\n`).join("");
}

/** One of the requests of a message batch. */
export function messageRequest(
	n: number,
	changes: { readonly request?: Readonly<Record<string, unknown>>; readonly params?: Readonly<Record<string, unknown>> } = {},
) {
	const params = { model: "claude-sonnet-5-5", max_tokens: 20, messages: [{ role: "user" as const, content: `question ${n}` }], ...changes.params };
	return { custom_id: `item-${n}`, params, ...changes.request };
}

/** What is left when nothing of a request was to be kept. */
export async function kept({
	files,
	batches,
	items,
	payloads,
}: GatewayBatches): Promise<{ readonly files: number; readonly batches: number; readonly items: number; readonly payloads: string[] }> {
	return { files: files.size, batches: batches.size, items: items.size, payloads: await payloads() };
}

export const NOTHING_KEPT = { files: 0, batches: 0, items: 0, payloads: [] };
