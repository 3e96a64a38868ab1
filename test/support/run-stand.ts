import type { RegisterRun, RunAsk, RunDecisionResult, RunGovernanceStore, RunHolding, RunStore } from "#activities/runs/port.ts";
import { createPostgresRunStore } from "#activities/runs/postgres.ts";
import type { Ceiling } from "#domain/agents/ceilings.ts";
import type { RunRecord, RunTotals } from "#domain/agents/run.ts";
import { runBudgets } from "#domain/agents/run-budgets.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import { insertKey, insertTeam, registerGateway } from "./authority-rows.ts";
import { createMemoryRuns } from "./memory-runs.ts";
import { openTestPool, type TestPool } from "./pool.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

/** Runs of two teams, "ada" and "bob", with two keys each, in a store that is tried: `key_ada`, `key_ada_2`, `key_bob`, `key_bob_2`. */
export type RunStand = {
	readonly store: RunStore & Pick<RunGovernanceStore, "decide">;
	/** What a flush would add to the run and to all above it. */
	settle(runId: string, taken: Partial<RunTotals>): Promise<void>;
	remember(runId: string, bytes: Uint8Array, exchanges: number): Promise<void>;
	/** That the run received the answer; null: a call without a run did. */
	received(runId: string | null, answerId: string): Promise<void>;
	/** The run and all above it began that much earlier. */
	age(runId: string, ms: number): Promise<void>;
	/** Rows of everything that opening writes, and of the change log. */
	rows(): Promise<unknown>;
	close(): Promise<void>;
};

export const DEFAULTS: readonly Ceiling[] = [
	{ kind: "costNanoUsd", hard: { at: 1_000_000n, action: "pause" } },
	{ kind: "depth", hard: { at: 3n, action: "pause" } },
	{ kind: "width", hard: { at: 4n, action: "pause" } },
];

/** A call of team ada by its first key with the run header. */
export function ask(runId: string, { parent = null, ...changes }: Partial<RunAsk> & { readonly parent?: string | null } = {}): RunAsk {
	const named = { kind: "header", runId, parentRunId: parent } as const;
	return { ...opening(), named, otherWindows: 1, wants: ["1000"], ...changes };
}

/** A registration by team ada's first key. */
export function registration(runId: string, { parent = null, ...changes }: Partial<RegisterRun> & { readonly parent?: string | null } = {}): RegisterRun {
	return { ...opening(), runId, parentRunId: parent, limits: {}, ...changes };
}

function opening() {
	const defaults = writeRunLimits(DEFAULTS);
	return { teamId: "ada", keyId: "key_ada", feature: null, defaults, budgets: runBudgets(DEFAULTS), newRunsPerHour: 1_000, onLoop: "pause" } as const;
}

/** `RunAsk.defaults` and `.budgets` of limits as people write them. */
export function defaultsOf(input: unknown): Pick<RunAsk, "defaults" | "budgets"> {
	const limits = checkRunLimits(input);
	if (limits.kind === "invalid") throw new Error(JSON.stringify(limits.problems));
	return { defaults: writeRunLimits(limits.value), budgets: runBudgets(limits.value) };
}

/** A hold as a gateway that knows the run as `record` would ask for it. */
export function holdOf(record: RunRecord, changes: Partial<RunHolding["hold"]> = {}): RunHolding {
	const hold = { state: "paused", guard: "loop.repetition", evidence: "seen nine times", measured: "9", threshold: "9" } as const;
	return {
		number: record.number,
		knownVersion: record.version,
		hold: { ...hold, ofRunId: record.runId, pauseId: "pau_0123456789abcdef", by: "gateway g1", ...changes },
	};
}

export function decision(runId: string, kind: RunDecision["decision"], changes: Partial<RunDecision> = {}): RunDecision {
	return { runId, by: "eve", reason: "looked at it", decision: kind, ...changes };
}

/** The run of an entering or deciding that must have gone well. */
export function runOf(reply: Awaited<ReturnType<RunStore["enter"]>> | RunDecisionResult): RunRecord {
	const run = reply.kind === "entered" ? reply.chain.at(-1)?.run : reply.kind === "decided" ? reply.run : undefined;
	if (run === undefined) throw new Error(`not there: ${JSON.stringify(reply)}`);
	return run;
}

/** The refusal as tests compare it: code and fields, in no order. */
export function refusalOf(reply: Awaited<ReturnType<RunStore["enter"]>> | RunDecisionResult): { readonly code: string; readonly fields: readonly string[] } {
	if (reply.kind !== "refused") return { code: reply.kind, fields: [] };
	const problems = reply.problems ?? ("field" in reply ? [reply] : []);
	return { code: reply.code, fields: [...new Set(problems.map(({ field }) => field))].sort() };
}

export async function openMemoryStand(): Promise<RunStand> {
	let nowMs = 1_000_000_000;
	const memory = createMemoryRuns({ nowMs: () => nowMs });
	return {
		store: memory,
		settle: async (runId, taken) => memory.settle(runId, taken),
		remember: async (runId, bytes, exchanges) => memory.remember(runId, bytes, exchanges),
		received: async (runId, answerId) => (runId === null ? undefined : memory.received(runId, answerId)),
		async age(_, ms) {
			nowMs += ms;
		},
		rows: async () => [memory.runs.length, memory.runs.map((run) => run.version), memory.runs.map((run) => run.children)],
		close: async () => undefined,
	};
}

export type PostgresRunStand = RunStand & {
	readonly url: string;
	readonly pool: TestPool["pool"];
	/** The store as of a gateway that has started; a later one of the same name fences the earlier. */
	storeOf(gatewayId: string): Promise<RunStore>;
};

const ROWS = `SELECT json_build_array((SELECT json_agg(r ORDER BY number) FROM tollgate.run r), (SELECT count(*) FROM tollgate.budget), (SELECT count(*) FROM tollgate.budget_window),
	(SELECT count(*) FROM tollgate.window_event), (SELECT count(*) FROM tollgate.lease), (SELECT count(*) FROM tollgate.run_event), (SELECT count(*) FROM tollgate.change)) AS rows`;
const SETTLE = `INSERT INTO tollgate.run_part AS p (run_number, gateway_id, epoch, cost_nano_usd, input_tokens, output_tokens, steps, output_bytes, tool_calls)
	SELECT unnest(path), 'settler', 1, $2, $3, $4, $5, $6, $7 FROM tollgate.run WHERE id = $1
	ON CONFLICT (run_number, gateway_id, epoch) DO UPDATE SET cost_nano_usd = p.cost_nano_usd + excluded.cost_nano_usd, input_tokens = p.input_tokens + excluded.input_tokens,
		output_tokens = p.output_tokens + excluded.output_tokens, steps = p.steps + excluded.steps, output_bytes = p.output_bytes + excluded.output_bytes,
		tool_calls = tollgate.add_counts(p.tool_calls, excluded.tool_calls)`;
const REMEMBER = `INSERT INTO tollgate.run_part (run_number, gateway_id, epoch, memory, exchanges) SELECT number, 'memory ' || $3::bigint, 1, $2, $3::bigint FROM tollgate.run WHERE id = $1`;
const RECEIVED = `INSERT INTO tollgate.attempt (attempt_id, at, reserved_at, request_id, gateway_id, epoch, team_id, key_id, provider, deployment, protocol, endpoint, model,
		priced_model, priced_tiers, outcome, reserved_nano_usd, reserved_tokens, cost_nano_usd, cost_tokens, price_version, prices_as_of, window_ids, answer_id, run_ids)
	VALUES ($1, clock_timestamp(), clock_timestamp(), 'req', 'g1', 1, 'ada', 'key_ada', 'p', 'p', 'openai', 'responses', 'm', 'm', '{}', 'settled', 0, 0, 0, 0, 1, clock_timestamp(), '{}', $2,
		(SELECT path FROM tollgate.run WHERE id = $3))`;
const AGE = `UPDATE tollgate.run SET opened_at = opened_at - $2 * interval '1 millisecond' WHERE number = ANY (SELECT unnest(path) FROM tollgate.run WHERE id = $1)`;

export async function openPostgresStand({ connections = 4 } = {}): Promise<PostgresRunStand> {
	const database: TestDatabase = await createTestDatabase();
	const { pool, close } = openTestPool(database.url, connections);
	const sql = { query: async (name: string, text: string, values: readonly unknown[]) => (await pool.query({ name, text, values: [...values] })).rows };
	const client = await pool.connect();
	for (const team of ["ada", "bob"]) {
		await insertTeam(client, team);
		await insertKey(client, team);
		await insertKey(client, team, { id: `key_${team}_2` });
	}
	const storeOf = async (gatewayId: string): Promise<RunStore> => createPostgresRunStore(sql, { gatewayId, epoch: await registerGateway(client, gatewayId) });
	const store = await storeOf("g1");
	client.release();
	return {
		url: database.url,
		pool,
		async storeOf(gatewayId) {
			const own = await pool.connect();
			try {
				return createPostgresRunStore(sql, { gatewayId, epoch: await registerGateway(own, gatewayId) });
			} finally {
				own.release();
			}
		},
		store: {
			...store,
			async decide(input) {
				const { reply } = (await pool.query("SELECT tollgate.decide_run($1) AS reply", [JSON.stringify(input)])).rows[0];
				return reply.kind === "refused" ? reply : { ...reply, revision: BigInt(reply.revision) };
			},
		},
		async settle(runId, { costNanoUsd = "0", inputTokens = 0, outputTokens = 0, steps = 0, outputBytes = 0, toolCalls = {} }) {
			await pool.query(SETTLE, [runId, costNanoUsd, inputTokens, outputTokens, steps, outputBytes, toolCalls]);
		},
		async remember(runId, bytes, exchanges) {
			await pool.query(REMEMBER, [runId, Buffer.from(bytes), exchanges]);
		},
		async received(runId, answerId) {
			await pool.query(RECEIVED, [`att_${answerId}`, answerId, runId]);
		},
		async age(runId, ms) {
			await pool.query(AGE, [runId, ms]);
		},
		rows: async () => (await pool.query(ROWS)).rows[0].rows,
		async close() {
			await close();
			await database.close();
		},
	};
}
