import type { AcceptResult, NewDeferredItem } from "#activities/batches/deferred-port.ts";
import type { Attribution, BatchStore } from "#activities/batches/port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { BatchStand } from "./batch-stand.ts";

/** What a test says of an item: of key key_0 and feature search, bound to 200 nano-USD and 150 tokens, without a deadline where it says nothing. */
export type TestItem = Partial<Omit<NewDeferredItem, "attribution" | "item">> & {
	readonly attribution?: Partial<Attribution>;
	readonly boundNanoUsd?: bigint;
	readonly boundTokens?: number;
};

export function deferredItem(deferredId: string, { attribution = {}, boundNanoUsd = 200n, boundTokens = 150, ...fields }: TestItem = {}): NewDeferredItem {
	return {
		...{ teamId: "demo", protocol: "openai", endpoint: "chat.completions", model: "gpt-test", deployment: "openai/gpt-test", provider: "openai" },
		deferredId,
		attribution: { keyId: "key_0", feature: "search", userId: null, environment: null, asserted: null, claimed: null, ...attribution },
		item: { boundNanoUsd, boundTokens, boundInputTokens: 100, bytes: 300, tiers: ["batch", "standard"] },
		...{ pricedModel: "gpt-test", priceVersion: 1, pricesAsOfMs: 1_790_000_000_000, deadlineMs: null, mayGoRealTime: true, webhook: null },
		bodyBlobKey: "demo/deferred/body",
		...fields,
	};
}

/** One of several who ask at once, each over a connection of its own. */
export type Asker = { readonly deferred: ReturnType<typeof createPostgresDeferredStore>; readonly batches: BatchStore };

const ASKERS = 4;

/** The books of batches (batch-stand.ts) with items that are handed in alone. */
export class DeferredStand {
	readonly batches: BatchStand;
	readonly askers: readonly Asker[];
	readonly #connections: readonly Connection[];
	#items = 0;
	#asks = 0;

	private constructor(batches: BatchStand) {
		this.batches = batches;
		const options = { url: batches.ledger.database.url, applicationName: "test deferred", statementTimeoutMs: 20_000 };
		this.#connections = Array.from({ length: ASKERS }, () => new Connection(options));
		this.askers = this.#connections.map((sql) => ({ deferred: createPostgresDeferredStore(sql), batches: createPostgresBatchStore(sql) }));
	}

	static async open(): Promise<DeferredStand> {
		return new DeferredStand(await BatchStand.open());
	}

	async close(): Promise<void> {
		for (const connection of this.#connections) await connection.close();
		await this.batches.close();
	}

	/** Another one each time. */
	get deferred(): Asker["deferred"] {
		const asker = this.askers[this.#asks++ % ASKERS];
		if (asker === undefined) throw new Error("nobody asks");
		return asker.deferred;
	}

	item(item: TestItem = {}): NewDeferredItem {
		return deferredItem(`deferred_${String(++this.#items).padStart(24, "0")}`, item);
	}

	accept(item: NewDeferredItem = this.item(), waitIsOver = true): Promise<AcceptResult> {
		return this.deferred.accept(item, { waitIsOver });
	}

	async accepted(item: NewDeferredItem = this.item()): Promise<Extract<AcceptResult, { kind: "accepted" }>> {
		const result = await this.accept(item);
		if (result.kind !== "accepted") throw new Error(`the item is ${result.kind}`);
		return result;
	}

	/** As it stands now. */
	async flushed(batchId: string): Promise<string> {
		const version = (await this.deferred.readCollector(batchId))?.batch.version ?? "";
		if ((await this.deferred.flush(batchId, version)) === undefined) throw new Error(`batch ${batchId} was not flushed`);
		return batchId;
	}

	/** Of each budget window in which this batch holds something: what it says it holds, and what its holder has there. */
	held(batchId: string) {
		return this.batches.ledger.sql<{ budget: string; held: string; pending: string }>(
			`SELECT d.dimension || ' ' || d.dimension_value AS budget, w.held, (l.granted - l.returned - l.posted)::text AS pending
			 FROM tollgate.batch b JOIN tollgate.batch_window w ON w.batch_number = b.number JOIN tollgate.budget_window x ON x.id = w.window_id
			 JOIN tollgate.budget d ON d.id = x.budget_id JOIN tollgate.lease l ON l.gateway_id = 'batch' || b.number AND l.window_id = w.window_id
			 WHERE b.id = $1 ORDER BY 1`,
			[batchId],
		);
	}
}
