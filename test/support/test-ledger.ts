import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { DegradedRecord } from "#activities/ledger/record.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

/**
 * A small ledger written through the real SQL functions, for tests that judge it or break it: team
 * "demo", one budget of 1,000,000,000 nano-USD for ever, gateway "g1", the model "gpt-test" at one
 * nano-USD per input token and two per output token.
 */
export const COST_NANO_USD = 200n;
const USAGE = { prompt_tokens: 100, completion_tokens: 50 };

export type TestAttempt = {
	n: number;
	outcome?: "settled" | "unresolved" | "estimated";
	reserved?: bigint;
	cost?: bigint;
	epoch?: number;
	priceVersion?: number;
	/** As the caller named it: "gpt-test", or a configured alias of it. */
	model?: string;
	pricedTiers?: readonly string[];
	/** The gateway's own clock. */
	reservedAtMs?: number;
	pricesAsOfMs?: number;
	toolCalls?: object;
	readonly degraded?: DegradedRecord;
};
export type TestCall = { n: number; epoch?: number; usage?: object | null; attemptId?: string | null; at?: string; model?: string; serviceTier?: string };

export class TestLedger {
	readonly database: TestDatabase;
	readonly client: pg.Client;
	readonly folder: string;
	budgetId = "";
	windowId = "";

	private constructor(database: TestDatabase, client: pg.Client, folder: string) {
		this.database = database;
		this.client = client;
		this.folder = folder;
	}

	static async open(): Promise<TestLedger> {
		const database = await createTestDatabase();
		const client = new pg.Client({ connectionString: database.url });
		await client.connect();
		const ledger = new TestLedger(database, client, await mkdtemp(path.join(tmpdir(), "tollgate-ledger-")));
		await ledger.#prepare();
		return ledger;
	}

	async close(): Promise<void> {
		await this.client.end();
		await this.database.close();
		await rm(this.folder, { recursive: true });
	}

	async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
		return (await this.client.query<Row>(text, [...values])).rows;
	}

	attemptId(n: number, epoch = 1): string {
		return `g1-${epoch}-${n}`;
	}

	async register(): Promise<void> {
		await this.sql("SELECT tollgate.register_gateway('g1', gen_random_uuid()::text, 'none', ARRAY(SELECT boot_id FROM tollgate.gateway_epoch))");
	}

	/** As after a crash three seconds ago: nobody waits for this gateway's flush. */
	async fallSilent(): Promise<void> {
		await this.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = least(last_seen_at, clock_timestamp() - interval '3 seconds')");
	}

	/**
	 * As if everything in the ledger had happened so much earlier, with PostgreSQL up all the while: the chains are sealed
	 * anew, anchors are gone.
	 */
	async passTime(interval = "20 minutes"): Promise<void> {
		for (const table of ["attempt", "entry"]) await this.sql(`UPDATE tollgate.${table} SET at = at - $1::interval`, [interval]);
		await this.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = last_seen_at - $1::interval", [interval]);
		for (const table of ["chunk", "chain_anchor"]) await this.sql(`DELETE FROM tollgate.${table}`);
		await this.sql(
			"SELECT tollgate.seal_chunk(gateway_id, epoch, chunk_seq, at) FROM (SELECT DISTINCT gateway_id, epoch, chunk_seq, at FROM tollgate.entry ORDER BY 1, 2, 3) c",
		);
		await this.sql("CREATE OR REPLACE FUNCTION tollgate.up_since() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() - interval '1 year' $$");
	}

	/** Puts the budget under a new limit (nano-USD), and other rules where given. */
	async limit(limitAmount: bigint, revision: number, rules: Partial<Pick<BudgetDefinition, "mode" | "thresholds">> = {}): Promise<void> {
		const budget = {
			dimension: "team",
			dimensionValue: "",
			unit: "nano_usd",
			windowKind: "lifetime",
			timeZone: "UTC",
			limitAmount: limitAmount.toString(),
			weekStart: 1,
			fiscalYearStart: 1,
			mode: "enforce",
			thresholds: [{ action: "notify", at: { basisPoints: 8_000 } }],
			...rules,
		};
		const rows = await this.sql<{ id: string }>("SELECT tollgate.write_budget('demo', $1, 'ada', $2) AS id", [revision, budget]);
		this.budgetId = rows[0]?.id ?? "";
		this.windowId = (await this.sql<{ id: string }>("SELECT id FROM tollgate.budget_window WHERE budget_id = $1", [this.budgetId]))[0]?.id ?? "";
	}

	async grant(need: bigint, epoch = 1): Promise<boolean> {
		const base =
			(
				await this.sql<{ granted: string }>("SELECT granted FROM tollgate.lease WHERE gateway_id = 'g1' AND epoch = $1 AND window_id = $2", [
					epoch,
					this.windowId,
				])
			)[0]?.granted ?? "0";
		const rows = await this.sql<{ reply: { served?: boolean[] } }>(
			"SELECT tollgate.grant_lease('g1', $1, ARRAY[$2::bigint], ARRAY[$3::bigint], ARRAY[$4::bigint], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[$5::bigint], false, true) AS reply",
			[epoch, this.budgetId, this.windowId, base, need.toString()],
		);
		return rows[0]?.reply.served?.[0] ?? false;
	}

	/** One chunk of attempts; each first takes its reservation from the budget. */
	async settle(...attempts: TestAttempt[]): Promise<void> {
		for (const attempt of attempts) await this.grant(attempt.reserved ?? COST_NANO_USD, attempts[0]?.epoch ?? 1);
		await this.settleLate(...attempts);
	}

	/** One chunk of attempts whose money was granted before, or is gone. */
	async settleLate(...attempts: TestAttempt[]): Promise<void> {
		const epoch = attempts[0]?.epoch ?? 1;
		const rows = attempts.map((attempt) => this.#row(attempt));
		await this.sql("SELECT tollgate.settle_chunk('g1', $1, $2, '[]', '[]')", [epoch, JSON.stringify(rows)]);
	}

	async refuse(refusal: {
		limit: bigint;
		granted: bigint;
		idle: bigint;
		need: bigint;
		seq?: bigint;
		code?: string;
		n?: number;
		open?: bigint | null;
		waitedMs?: number;
		isObserved?: boolean;
	}): Promise<void> {
		const seq =
			refusal.seq ?? (await this.sql<{ event_seq: string }>("SELECT event_seq FROM tollgate.budget_window WHERE id = $1", [this.windowId]))[0]?.event_seq;
		const row = {
			refusal_id: `g1-1-f-${refusal.n ?? 1}`,
			refused_at_ms: Date.now(),
			request_id: "r",
			team_id: "demo",
			key_id: "key_0",
			code: refusal.code ?? "budget.exceeded",
			budget_id: this.budgetId,
			window_id: this.windowId,
			window_seq: seq?.toString(),
			limit_amount: refusal.limit.toString(),
			granted: refusal.granted.toString(),
			idle: refusal.idle.toString(),
			need: refusal.need.toString(),
			open_reservations: refusal.open === null ? null : (refusal.open ?? refusal.idle).toString(),
			waited_ms: refusal.waitedMs ?? 0,
			is_remembered: false,
			is_observed: refusal.isObserved ?? false,
		};
		await this.sql("SELECT tollgate.settle_chunk('g1', 1, '[]', $1, '[]')", [JSON.stringify([row])]);
	}

	async refuseByLimit(refusal: { n: number; code: string; limitName: string; limit: bigint; stoodAt: bigint; need: bigint }): Promise<void> {
		const row = {
			refusal_id: `g1-1-l-${refusal.n}`,
			refused_at_ms: Date.now(),
			...{ request_id: `l${refusal.n}`, team_id: "demo", key_id: "key_0", waited_ms: 0, is_remembered: false },
			...{ code: refusal.code, limit_name: refusal.limitName },
			...{ limit_amount: refusal.limit.toString(), stood_at: refusal.stoodAt.toString(), need: refusal.need.toString() },
		};
		await this.sql("SELECT tollgate.settle_chunk('g1', 1, '[]', $1, '[]')", [JSON.stringify([row])]);
	}

	/** Closes the epoch as drained: the idle rest returns, the chain is anchored. */
	async drain(epoch = 1): Promise<void> {
		await this.sql("SELECT tollgate.adopt_epoch('g1', $1, 'drained')", [epoch]);
	}

	/** Writes the provider's log and returns its path. */
	async providerLog(...calls: TestCall[]): Promise<string> {
		const lines = calls.map((call) => JSON.stringify(this.#call(call)));
		const file = path.join(this.folder, "calls.jsonl");
		await writeFile(file, lines.map((line) => `${line}\n`).join(""));
		return file;
	}

	#call(call: TestCall): object {
		const attemptId = call.attemptId === undefined ? this.attemptId(call.n, call.epoch) : call.attemptId;
		return {
			attemptId,
			providerRequestId: `req_${call.n}`,
			at: call.at ?? new Date().toISOString(),
			protocol: "openai",
			model: call.model ?? "gpt-test",
			serviceTier: call.serviceTier ?? "default",
			usage: call.usage === undefined ? USAGE : call.usage,
		};
	}

	#row(attempt: TestAttempt): object {
		const reserved = (attempt.reserved ?? COST_NANO_USD).toString();
		const cost = (attempt.cost ?? (attempt.outcome && attempt.outcome !== "settled" ? BigInt(reserved) : COST_NANO_USD)).toString();
		return {
			attempt_id: this.attemptId(attempt.n, attempt.epoch),
			reserved_at_ms: attempt.reservedAtMs ?? Date.now(),
			request_id: `r${attempt.n}`,
			team_id: "demo",
			key_id: "key_0",
			provider: "openai",
			deployment: "openai",
			protocol: "openai",
			endpoint: "chat.completions",
			model: attempt.model ?? "gpt-test",
			priced_model: "gpt-test",
			priced_tiers: attempt.pricedTiers ?? ["standard"],
			answered_model: "gpt-test",
			...(attempt.degraded && { asked_model: attempt.degraded.askedModel, degraded_by: attempt.degraded.by }),
			service_tier: "standard",
			outcome: attempt.outcome ?? "settled",
			reserved_nano_usd: reserved,
			reserved_tokens: 150,
			cost_nano_usd: cost,
			cost_tokens: 150,
			overrun_nano_usd: "0",
			price_version: attempt.priceVersion ?? 1,
			prices_as_of_ms: attempt.pricesAsOfMs ?? Date.now(),
			tool_calls: attempt.toolCalls,
			input_tokens: 100,
			output_tokens: 50,
			window_ids: this.windowId ? [this.windowId] : [],
			charges: this.windowId ? [[this.windowId, cost, "0"]] : [],
		};
	}

	async #prepare(): Promise<void> {
		const prices = { input: "1000000", cachedInput: "500000", cacheWrite5m: "1250000", cacheWrite1h: "2000000", output: "2000000", reasoning: "2000000" };
		const line = { provider: "openai", model: "gpt-test", aliases: ["gpt-test-2026"], tiers: { standard: [{ aboveInputTokens: 0, prices }] }, perCall: {} };
		await this.sql("INSERT INTO tollgate.price_line (version, provider, model, line, source, created_by) VALUES (1, 'openai', 'gpt-test', $1, 'test', 'ada')", [
			line,
		]);
		await this.sql("INSERT INTO tollgate.team (id) VALUES ('demo')");
		await this.limit(1_000_000_000n, 1);
		await this.register();
	}
}
