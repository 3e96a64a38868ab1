import type { QueryResultRow } from "pg";
import type { AskPostgres } from "#activities/agent-runs/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { LOOP_HOLD } from "./run-snapshots.ts";

export type RunFacts = {
	readonly teamId?: string;
	readonly origin?: "header" | "implicit" | "registered";
	readonly parent?: string;
	readonly limits?: object;
};

/** Agent runs in a database: opened as rows, held and decided by the functions that gateways and people use. */
export class RunRows {
	readonly url: string;
	private readonly connection: Connection;
	private readonly numbers = new Map<string, string>();
	private attempts = 0;

	private constructor(url: string) {
		this.url = url;
		this.connection = new Connection({ url, applicationName: "test-runs", statementTimeoutMs: 20_000 });
	}

	static async over(url: string, teams: readonly string[] = ["search"]): Promise<RunRows> {
		const rows = new RunRows(url);
		for (const teamId of teams) await rows.sql("INSERT INTO tollgate.team (id, is_unlimited) VALUES ($1, true) ON CONFLICT DO NOTHING", [teamId]);
		return rows;
	}

	static async open(): Promise<RunRows & { readonly database: TestDatabase }> {
		const database = await createTestDatabase();
		return Object.assign(await RunRows.over(database.url), { database });
	}

	readonly ask: AskPostgres = (name, text, values) => this.connection.query(name, text, values);

	sql<Row extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
		return this.connection.query<Row>(undefined, text, values);
	}

	async run(runId: string, { teamId = "search", origin = "header", parent, limits = {} }: RunFacts = {}): Promise<string> {
		const [row] = await this.sql<{ number: string }>(
			`WITH own AS (SELECT nextval(pg_get_serial_sequence('tollgate.run', 'number')) AS number),
			      above AS (SELECT (SELECT r FROM tollgate.run r WHERE r.id = $5) AS run)
			 INSERT INTO tollgate.run (number, id, team_id, key_id, origin, parent_number, root_number, path, limits, is_governed) OVERRIDING SYSTEM VALUE
			 SELECT number, $1, $2, 'key_1', $3, (run).number, coalesce((run).root_number, number), coalesce((run).path, '{}') || number, $4, $3 = 'registered' FROM own, above
			 RETURNING number::text`,
			[runId, teamId, origin, JSON.stringify(limits), parent ?? null],
		);
		const number = row?.number ?? "";
		this.numbers.set(runId, number);
		await this.sql("SELECT tollgate.run_changed(r, 'opened', '{}') FROM tollgate.run r WHERE r.number = $1", [number]);
		return number;
	}

	/** Many at once. */
	async many(prefix: string, count: number, facts: RunFacts = {}): Promise<void> {
		for (let n = 0; n < count; n++) await this.run(`${prefix}${n}`, facts);
	}

	/** As gateway g1 would; by a loop of its own where nothing else is said. */
	async hold(runId: string, hold: Partial<RunHold> = {}): Promise<void> {
		const { askAgainMs: _, ...whole } = { ...LOOP_HOLD, ofRunId: runId, ...hold };
		const [row] = await this.sql<{ version: string }>("SELECT version FROM tollgate.run WHERE id = $1", [runId]);
		const holds = [{ number: this.numbers.get(runId), knownVersion: row?.version, hold: whole }];
		await this.sql("SELECT tollgate.hold_runs('g1', 1, $1)", [JSON.stringify(holds)]);
	}

	async warn(runId: string, guard = "loop.repetition"): Promise<void> {
		await this.sql("INSERT INTO tollgate.run_event (run_number, kind, detail) VALUES ($1, 'warned', $2)", [
			this.numbers.get(runId),
			JSON.stringify({ guard, severity: "warn", evidence: "seen twice", measured: 4, threshold: 4 }),
		]);
	}

	async decide(runId: string, decision: object, by = "ann"): Promise<void> {
		await this.sql("SELECT tollgate.decide_run($1)", [JSON.stringify({ runId, by, reason: "a test", decision })]);
	}

	/** One model call, booked as a settle would for the run and all above it. */
	async step(runId: string, costNanoUsd = "10"): Promise<void> {
		this.attempts += 1;
		const [row] = await this.sql<{ path: string[] }>("SELECT path::text[] AS path FROM tollgate.run WHERE id = $1", [runId]);
		const path = row?.path ?? [];
		await this.sql(
			`INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, provider, deployment, protocol, endpoint, model,
			   priced_model, priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, window_ids, run_ids)
			 VALUES ($1, clock_timestamp(), clock_timestamp(), $2, 'g1', 1, 'search', 'key_1', 'openai', 'openai', 'openai', 'chat_completions', 'gpt-test',
			   'gpt-test', '{standard}', 'settled', 100, 100, $3, 7, 1, clock_timestamp(), '{}', $4::bigint[])`,
			[`g1-1-${this.attempts}`, `req_${this.attempts}`, costNanoUsd, path],
		);
		await this.sql(
			`INSERT INTO tollgate.run_part AS p (run_number, gateway_id, epoch, steps, cost_nano_usd, input_tokens, output_tokens) SELECT n, 'g1', 1, 1, $2, 5, 2 FROM unnest($1::bigint[]) n
			 ON CONFLICT (run_number, gateway_id, epoch) DO UPDATE SET steps = p.steps + 1, cost_nano_usd = p.cost_nano_usd + excluded.cost_nano_usd,
			   input_tokens = p.input_tokens + 5, output_tokens = p.output_tokens + 2, at = clock_timestamp()`,
			[path, costNanoUsd],
		);
	}

	async close(): Promise<void> {
		await this.connection.close();
	}
}
