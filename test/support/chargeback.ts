import { createChargebackActivities } from "#activities/chargeback/activities.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { type ChargebackRules, DEFAULT_RULES } from "#domain/chargeback/rules.ts";
import type { Random } from "#test/faults/random.ts";
import { openTestPool } from "./pool.ts";
import { createTestDatabase } from "./postgres.ts";

export type BookedCall = {
	readonly at: string;
	readonly account: string;
	readonly cost: bigint;
	readonly feature?: string | null;
	readonly user?: string | null;
	readonly model?: string;
	readonly provider?: string;
	readonly environment?: string | null;
	/** Charged without knowing: an adjustment may resolve it. */
	readonly isUnresolved?: boolean;
};

/** Entries of any month, written straight into the ledger, each call a chunk of its own. */
export class MonthLedger {
	readonly url: string;
	readonly pool: Queryable;
	private booked = 0;
	private readonly closeAll: () => Promise<void>;

	private constructor(url: string, pool: Queryable, closeAll: () => Promise<void>) {
		this.url = url;
		this.pool = pool;
		this.closeAll = closeAll;
	}

	static async open(): Promise<MonthLedger> {
		const database = await createTestDatabase();
		const connections = openTestPool(database.url);
		return new MonthLedger(database.url, connections.pool, async () => {
			await connections.close();
			await database.close();
		});
	}

	/** In a database that somebody else closes. */
	static over(url: string, pool: Queryable): MonthLedger {
		return new MonthLedger(url, pool, async () => undefined);
	}

	activities(database: Queryable = this.pool) {
		return createChargebackActivities({ database, heartbeat: () => undefined });
	}

	close(): Promise<void> {
		return this.closeAll();
	}

	async teams(...ids: readonly string[]): Promise<void> {
		await this.pool.query("INSERT INTO tollgate.team (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", [ids]);
	}

	/** Returns the key of each entry. */
	async book(calls: readonly BookedCall[]): Promise<string[]> {
		const rows = calls.map(
			({ at, account, cost, feature = null, user = null, model = "gpt-test", provider = "openai", environment = null, isUnresolved = false }) => ({
				...{ key: `g1-1-${++this.booked}`, at, account, cost: cost.toString(), feature, user, model, provider, environment },
				...{ kind: isUnresolved ? "unresolved" : "charge", seq: this.booked, team: account.replace("team/", "") },
			}),
		);
		await this.pool.query(BOOK, [JSON.stringify(rows)]);
		return rows.map(({ key }) => key);
	}

	/** A correction of an entry, booked at some time. */
	async adjust(of: string, at: string, amount: bigint): Promise<void> {
		await this.pool.query(ADJUST, [of, `${of}/adjust/${++this.booked}`, at, amount.toString(), this.booked]);
	}

	async rules(rules: Partial<ChargebackRules>): Promise<void> {
		await this.pool.query("INSERT INTO tollgate.chargeback_rules (rules, set_by) VALUES ($1, 'ada')", [JSON.stringify({ ...DEFAULT_RULES, ...rules })]);
	}

	async draft(month: string, run = "run-1"): Promise<number> {
		const steps = this.activities();
		const begun = await steps.beginMonthDraft({ month, run, by: "ada" });
		if (begun.outcome !== "begun") throw new Error(`month ${month}: ${begun.outcome}`);
		const of = { month, draft: begun.draft };
		await steps.writeMonthDraft(of);
		await steps.shareMonthDraft(of);
		await steps.finishMonthDraft(of);
		return begun.draft;
	}

	async closeMonth(month: string, run?: string): Promise<void> {
		const draft = await this.draft(month, run);
		await this.activities().decideMonth({ month, draft, isClosed: true, by: null, reason: null });
	}

	/** Of the ledger itself. */
	async spent(from: string, to: string): Promise<bigint> {
		const { rows } = await this.pool.query<{ sum: string }>(
			"SELECT coalesce(sum(amount_nano_usd), 0)::text AS sum FROM tollgate.entry WHERE at >= $1 AND at < $2",
			[from, to],
		);
		return BigInt(rows[0]?.sum ?? 0);
	}

	async statements(month: string) {
		const { rows } = await this.pool.query<{ teamId: string; cost: string; margin: string }>(
			`SELECT s.team_id AS "teamId", s.cost_nano_usd::text AS cost, s.margin_nano_usd::text AS margin
			 FROM tollgate.statement s JOIN tollgate.statement_month m ON m.month = s.month AND m.draft = s.draft WHERE s.month = $1 ORDER BY 1`,
			[`${month}-01`],
		);
		return rows;
	}

	async lines(month: string, teamId: string) {
		const { rows } = await this.pool.query<Record<string, string | null>>(
			`SELECT l.kind, l.feature, l.user_id AS "user", l.model, to_char(l.of_month, 'YYYY-MM') AS "ofMonth", l.pool, l.amount_nano_usd::text AS amount
			 FROM tollgate.statement_line l JOIN tollgate.statement_month m ON m.month = l.month AND m.draft = l.draft WHERE l.month = $1 AND l.team_id = $2 ORDER BY l.line`,
			[`${month}-01`, teamId],
		);
		return rows;
	}

	async bookAtRandom({ integer, pick }: Random, calls: number): Promise<void> {
		const at = () => new Date(Date.UTC(2026, 7, 30) + integer(0, 70 * 24 * 60) * 60_000).toISOString();
		const open: { key: string; at: string }[] = [];
		for (let n = 0; n < calls; n++) {
			const isUnresolved = integer(1, 3) === 1;
			const call = {
				...{
					at: at(),
					account: pick(["team/ads", "team/books", "team/core", "team/@unknown", "organization"]),
					cost: BigInt(integer(1, 1_000_000)),
					isUnresolved,
				},
				...{ feature: pick([null, "chat", "eval"]), user: pick([null, "ann", "bob"]), model: pick(["m1", "m2"]), provider: pick(["openai", "anthropic"]) },
			};
			const [key = ""] = await this.book([call]);
			if (isUnresolved) open.push({ key, at: call.at });
		}
		for (const { key, at: bookedAt } of open) await this.adjust(key, pick([bookedAt, at()]), BigInt(-integer(0, 500_000)));
	}
}

const BOOK = `
	WITH call AS (
		SELECT * FROM jsonb_to_recordset($1::jsonb) AS x (key text, at timestamptz, account text, team text, cost bigint, kind text, seq bigint, feature text, "user" text, model text, provider text, environment text)
	), chunks AS (
		INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) SELECT 'g1', 1, seq, 1, '', '' FROM call
	), attempts AS (
		INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, feature, user_id, environment, provider, deployment, protocol, endpoint, model,
			priced_model, priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, input_tokens, output_tokens, window_ids)
		SELECT key, at, at, 'r', 'g1', 1, team, 'key_1', feature, "user", environment, provider, provider, 'openai', 'chat.completions', model,
			model, '{standard}', 'settled', cost, 1, cost, 1, 1, at, 10, 5, '{}' FROM call
	)
	INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version)
	SELECT key, at, kind, key, 'g1', 1, seq, account, 'provider/' || provider, cost, 1 FROM call`;

const ADJUST = `
	WITH chunks AS (INSERT INTO tollgate.chunk (gateway_id, epoch, chunk_seq, entry_count, previous_hash, hash) VALUES ('g1', 1, $5, 1, '', ''))
	INSERT INTO tollgate.entry (entry_key, at, kind, attempt_id, gateway_id, epoch, chunk_seq, debit_account, credit_account, amount_nano_usd, price_version, detail)
	SELECT $2, $3, 'adjustment', attempt_id, 'g1', 1, $5, debit_account, credit_account, $4, 1, jsonb_build_object('resolves', $1::text) FROM tollgate.entry WHERE entry_key = $1`;
