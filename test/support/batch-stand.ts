import type { BatchStore, ItemBooking, NewBatch } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import type { ItemOutcome } from "#domain/batching/batch.ts";
import { type BudgetRow, insertBudget } from "./authority-rows.ts";
import { TestLedger } from "./test-ledger.ts";

/** What a test says of a batch; a bound is 200 nano-USD and 150 tokens where it says nothing. */
export type TestBatch = Partial<NewBatch> & {
	readonly count?: number;
	readonly boundNanoUsd?: bigint;
	readonly boundTokens?: number;
};

const PRICES = { input: "500000", cachedInput: "250000", cacheWrite5m: "625000", cacheWrite1h: "1000000", output: "1000000", reasoning: "1000000" };

/** The small ledger (test-ledger.ts) with batches: the model costs half at the tier `batch`, 100 nano-USD for its usual usage. */
export class BatchStand {
	readonly ledger: TestLedger;
	readonly sql: Connection;
	readonly store: BatchStore;
	#batches = 0;

	private constructor(ledger: TestLedger) {
		this.ledger = ledger;
		this.sql = new Connection({ url: ledger.database.url, applicationName: "test batches", statementTimeoutMs: 20_000 });
		this.store = createPostgresBatchStore(this.sql);
	}

	static async open(): Promise<BatchStand> {
		const stand = new BatchStand(await TestLedger.open());
		await stand.ledger.sql("UPDATE tollgate.price_line SET line = jsonb_set(line, '{tiers,batch}', $1)", [
			JSON.stringify([{ aboveInputTokens: 0, prices: PRICES }]),
		]);
		return stand;
	}

	async close(): Promise<void> {
		await this.sql.close();
		await this.ledger.close();
	}

	/** A budget of team demo beside the ledger's own. */
	budget(budget: Partial<BudgetRow> & { readonly limit: bigint }): Promise<string> {
		return insertBudget(this.ledger.client, { teamId: "demo", windowKind: "lifetime", ...budget });
	}

	/** Begun, with all of its items. */
	async begin({ count = 3, boundNanoUsd = 200n, boundTokens = 150, ...fields }: TestBatch = {}): Promise<string> {
		const batchId = `batch_${String(++this.#batches).padStart(24, "0")}`;
		await this.store.begin({ ...NEW_BATCH, batchId, ...fields });
		const items = Array.from({ length: count }, (_, index) => ({
			...{ n: index + 1, customId: `item-${index + 1}`, boundNanoUsd, boundTokens, boundInputTokens: 100, bytes: 300 },
			tiers: ["batch"] as const,
		}));
		for (let from = 0; from < count; from += 5_000) await this.store.addItems(batchId, items.slice(from, from + 5_000));
		return batchId;
	}

	async held(batch: TestBatch = {}): Promise<string> {
		const batchId = await this.begin(batch);
		const result = await this.store.hold(batchId, { waitIsOver: true });
		if (result.kind !== "held") throw new Error(`the batch is ${result.kind}`);
		return batchId;
	}

	/** Held, and sent in one part. */
	async sent(batch: TestBatch = {}): Promise<string> {
		const batchId = await this.held(batch);
		await this.send(batchId, 1);
		return batchId;
	}

	/** Everything that may be sent goes in this part. Answers how many items. */
	async send(batchId: string, part: number): Promise<number> {
		const items = await this.store.itemsToSend(batchId, 0, 100_000);
		const record = {
			batchId,
			part,
			token: `tollgate-${batchId}-${part}`,
			items: items.length,
			bytes: items.length * 300,
			providerFileId: null,
			providerBatchId: null,
		};
		await this.store.writePart(
			{ ...record, submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null },
			items.map(({ n }) => n),
		);
		return items.length;
	}

	/** Per window of the ledger's own budget: what the batch was granted, has returned, posted and holds there. */
	async lease(batchId: string, windowId = this.ledger.windowId) {
		const [row] = await this.ledger.sql<{ granted: string; returned: string; posted: string; overrun: string; pending: string }>(
			`SELECT l.granted, l.returned, l.posted, l.overrun, (l.granted - l.returned - l.posted)::text AS pending
			 FROM tollgate.lease l JOIN tollgate.batch b ON l.gateway_id = 'batch' || b.number WHERE b.id = $1 AND l.window_id = $2`,
			[batchId, windowId],
		);
		return row;
	}

	async window(windowId = this.ledger.windowId) {
		const [row] = await this.ledger.sql<{ granted: string; leased: string }>(
			"SELECT w.granted, (SELECT coalesce(sum(granted - returned), 0)::text FROM tollgate.lease WHERE window_id = w.id) AS leased FROM tollgate.budget_window w WHERE w.id = $1",
			[windowId],
		);
		return row;
	}

	/** The current window of a budget. */
	async windowOf(budgetId: string): Promise<string> {
		const [row] = await this.ledger.sql<{ id: string }>("SELECT id FROM tollgate.budget_window WHERE budget_id = $1 ORDER BY starts_at DESC LIMIT 1", [
			budgetId,
		]);
		return row?.id ?? "";
	}

	/** The gateway of the ledger is heard of now, or was last heard of so long ago. */
	async hear(ago = "0 seconds"): Promise<void> {
		await this.ledger.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = clock_timestamp() - $1::interval WHERE gateway_id = 'g1'", [ago]);
	}

	async entries(batchId: string) {
		return this.ledger.sql<{ attempt_id: string; outcome: string; reason: string | null; cost_nano_usd: string; overrun_nano_usd: string }>(
			`SELECT a.attempt_id, a.outcome, a.reason, a.cost_nano_usd, a.overrun_nano_usd FROM tollgate.attempt a JOIN tollgate.entry e ON e.entry_key = a.attempt_id
			 WHERE a.gateway_id = (SELECT 'batch' || number FROM tollgate.batch WHERE id = $1) ORDER BY length(a.attempt_id), a.attempt_id`,
			[batchId],
		);
	}
}

const USAGE = { inputTokens: 100, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 50, reasoningTokens: 0 };
const BATCH_COST_NANO_USD = 100n;

/** A try that was answered: 100 nano-USD, where nothing else is said. */
export function answered(n: number, { tryNumber = 1, cost = BATCH_COST_NANO_USD, ...rest }: Partial<ItemBooking> & { cost?: bigint } = {}): ItemBooking {
	return {
		...{ n, tryNumber, outcome: "succeeded", costNanoUsd: cost, costTokens: 150, usage: USAGE },
		...{ answeredModel: "gpt-test", serviceTier: "batch", providerRequestId: `req_${n}`, httpStatus: 200 },
		...rest,
	};
}

/** A try that was not billed. */
export function unbilled(n: number, outcome: ItemOutcome, tryNumber = 1): ItemBooking {
	return {
		n,
		tryNumber,
		outcome,
		costNanoUsd: null,
		costTokens: 0,
		usage: null,
		answeredModel: null,
		serviceTier: null,
		providerRequestId: null,
		httpStatus: null,
	};
}

export const NEW_BATCH: Omit<NewBatch, "batchId"> = {
	...{
		origin: "caller",
		teamId: "demo",
		protocol: "openai",
		endpoint: "chat.completions",
		model: "gpt-test",
		deployment: "openai/gpt-test",
		provider: "openai",
	},
	attribution: { keyId: "key_0", feature: "search", userId: null, environment: null, asserted: null, claimed: null },
	rules: { mayResubmit: false, mayRelane: false },
	...{ inputFileId: null, metadata: null, deadlineMs: null, priceVersion: 1, pricesAsOfMs: 1_790_000_000_000 },
};
