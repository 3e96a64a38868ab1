import type { AcceptResult, DeferredRecord, DeferredStore, NewDeferredItem } from "#activities/batches/deferred-port.ts";
import { answerKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { BlobStore } from "#activities/blobs/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { DeferredRoutes } from "#gateway/deferred/ports.ts";
import { type BatchGateway, refusedOf, startBatchGateway } from "./gateway-batches.ts";
import type { TestGatewayOptions } from "./gateway-server.ts";

/** Items that were handed in alone, in memory: what the routes ask of the store, and answers that the test gives. */
export type DeferredItems = {
	readonly accepted: Map<string, { readonly item: NewDeferredItem; record: DeferredRecord }>;
	/** Every ask for money; `bodies` is what stood in the blob store then. */
	readonly asks: { readonly item: NewDeferredItem; readonly body: string }[];
	/** What may be held; undefined = anything. */
	moneyNanoUsd: bigint | undefined;
	/** Others hold the rest and may give it back. */
	isHeldByOthers: boolean;
	/** PostgreSQL is away for statements of this name. */
	failing: keyof DeferredRoutes["store"] | undefined;
	/** Called by each ask, before it is answered. */
	onAsk: () => Promise<void>;
	/** Its provider answered it: in bytes. */
	answer(deferredId: string, body: string, httpStatus?: number): Promise<void>;
};

export type DeferredGateway = BatchGateway & { readonly items: DeferredItems };

const ACCEPTED_AT_MS = 1_796_000_000_000;

export async function startDeferredGateway(options: Partial<TestGatewayOptions> = {}, changes: Partial<DeferredRoutes> = {}): Promise<DeferredGateway> {
	let blobs: BlobStore | undefined;
	const items: DeferredItems = {
		accepted: new Map(),
		asks: [],
		moneyNanoUsd: undefined,
		isHeldByOthers: false,
		failing: undefined,
		onAsk: async () => undefined,
		async answer(deferredId, body, httpStatus = 200) {
			const known = items.accepted.get(deferredId);
			if (known === undefined || blobs === undefined) throw new Error(`there is no item ${deferredId}`);
			const answerBlobKey = answerKey(known.item.teamId, deferredId);
			await blobs.write(answerBlobKey, inTwo(body));
			const status = httpStatus === 200 ? "succeeded" : "failed";
			known.record = { ...known.record, status, httpStatus, answerBlobKey, lane: "batch", answeredAtMs: ACCEPTED_AT_MS + 60_000, costNanoUsd: "7" };
		},
	};
	const store = failingOn(
		createStore(items, () => blobs),
		() => items.failing,
	);
	const deferred = { store, opaqueUserId: (teamId: string, text: string) => `opaque ${teamId} ${text.length}`, lookEveryMs: 20, ...changes };
	const gateway = await startBatchGateway(options, { deferred });
	blobs = gateway.stand.blobs;
	return { ...gateway, items };
}

async function* inTwo(text: string): AsyncGenerator<Uint8Array> {
	const bytes = Buffer.from(text);
	yield bytes.subarray(0, bytes.length / 2);
	yield bytes.subarray(bytes.length / 2);
}

export async function readBlob(blobs: Pick<BlobStore, "read">, key: string): Promise<string> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of blobs.read(key)) chunks.push(chunk);
	return Buffer.concat(chunks).toString();
}

function createStore(items: DeferredItems, blobs: () => BlobStore | undefined): DeferredRoutes["store"] {
	const ofTeam = (teamId: string): DeferredRecord[] => [...items.accepted.values()].map(({ record }) => record).filter((record) => record.teamId === teamId);
	const find: DeferredStore["readDeferred"] = async (teamId, deferredId) => ofTeam(teamId).find((record) => record.deferredId === deferredId);
	return {
		async accept(item, { waitIsOver }) {
			const place = blobs();
			items.asks.push({ item, body: place === undefined ? "" : await readBlob(place, item.bodyBlobKey) });
			await items.onAsk();
			const { boundNanoUsd } = item.item;
			const known = items.accepted.get(item.deferredId);
			const { moneyNanoUsd } = items;
			if (known === undefined && moneyNanoUsd !== undefined && boundNanoUsd > moneyNanoUsd)
				return items.isHeldByOthers && !waitIsOver ? { kind: "short", items: [] } : refusedOf(item.deferredId, moneyNanoUsd);
			if (known === undefined) items.accepted.set(item.deferredId, { item, record: recordOf(item, items.accepted.size + 1) });
			return { kind: "accepted", record: items.accepted.get(item.deferredId)?.record } as Extract<AcceptResult, { kind: "accepted" }>;
		},
		readDeferred: find,
		async listDeferred(teamId, { after, limit, status }) {
			const newestFirst = ofTeam(teamId).toReversed();
			const from = after === null ? 0 : newestFirst.findIndex(({ deferredId }) => deferredId === after) + 1;
			return newestFirst
				.slice(from)
				.filter((record) => status === undefined || record.status === status)
				.slice(0, limit);
		},
		async cancelDeferred(teamId, deferredId) {
			const known = items.accepted.get(deferredId);
			if (known?.record.teamId !== teamId) return undefined;
			if (known.record.answeredAtMs === null) known.record = { ...known.record, status: "cancelled", answeredAtMs: ACCEPTED_AT_MS + 1_000, heldNanoUsd: "0" };
			return known.record;
		},
		answered: async (deferredIds) => deferredIds.filter((deferredId) => (items.accepted.get(deferredId)?.record.answeredAtMs ?? null) !== null),
	};
}

function recordOf(item: NewDeferredItem, n: number): DeferredRecord {
	const { deferredId, teamId, attribution, protocol, endpoint, model, deadlineMs, webhook, requestHash = null } = item;
	return {
		...{
			deferredId,
			teamId,
			keyId: attribution.keyId,
			batchId: "batch_000000000000000000000001",
			n,
			protocol,
			endpoint,
			model,
			deadlineMs,
			webhook,
			requestHash,
		},
		...{ status: "collecting", lane: null, acceptedAtMs: ACCEPTED_AT_MS + n, answeredAtMs: null, isLate: false },
		...{ heldNanoUsd: item.item.boundNanoUsd.toString(), costNanoUsd: null, httpStatus: null, answerBlobKey: null },
	};
}

function failingOn(store: DeferredRoutes["store"], failing: () => keyof DeferredRoutes["store"] | undefined): DeferredRoutes["store"] {
	return new Proxy(store, {
		get(target, name: keyof DeferredRoutes["store"]) {
			if (name !== failing()) return target[name];
			return () => Promise.reject(new CostControlError("authority.unreachable", "The database cannot be reached."));
		},
	});
}
