import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attemptItem } from "#activities/ledger/ledger-row.ts";
import type { ReservationRecord } from "#activities/ledger/record.ts";
import { type GatewayEpoch, type SqlConnection, settleChunk } from "#activities/ledger/settle-chunk.ts";
import type { RunStore } from "#activities/runs/port.ts";
import { createPostgresRunStore } from "#activities/runs/postgres.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import type { RunRecord } from "#domain/agents/run.ts";
import type { RunDecision } from "#domain/agents/run-decision.ts";
import { registerGateway } from "#test/support/authority-rows.ts";
import { attemptRow } from "#test/support/ledger-records.ts";
import { applyPolicy, policyContext } from "#test/support/policy.ts";
import { ask, decision, holdOf, openPostgresStand, type PostgresRunStand, registration } from "#test/support/run-stand.ts";

/** Openings, holds and decisions in few trees beside settles, freezes and policies: whoever waits for another is told so at once. */
const ROUNDS = 60;
const TREES = 3;
const FINDS_DEADLOCKS = "-c deadlock_timeout=20ms -c lock_timeout=30s";
/** A stale basis is what a basis is for. */
const STALE = "TG409";

type Player = { readonly client: pg.Client; readonly store: RunStore; readonly sql: SqlConnection; readonly gateway: GatewayEpoch };

let stand: PostgresRunStand;
beforeAll(async () => {
	stand = await openPostgresStand({ connections: 4 });
	await applyPolicy(policyContext(stand.pool), policyOf(100));
	for (let tree = 0; tree < TREES; tree++) await stand.store.register(registration(`tree-${tree}`, { limits: { steps: 100, costNanoUsd: "1000000" } }));
});
afterAll(() => stand.close());

function policyOf(limitUsd: number): string {
	return `version: 1\nteams:\n  ada:\n    budgets:\n      - { window: month, limitUsd: ${limitUsd} }\n      - { window: day, limitUsd: ${limitUsd} }\n`;
}

/** Plays a step ROUNDS times on a connection of its own, as a gateway of its own; again where a policy was changed meanwhile. */
async function play(name: string, step: (player: Player, round: number) => Promise<unknown>): Promise<void> {
	const client = new pg.Client({ connectionString: stand.url, options: FINDS_DEADLOCKS });
	await client.connect();
	try {
		const sql: SqlConnection = { query: async (_, text, values) => (await client.query(text, [...values])).rows };
		const gateway = { gatewayId: name, epoch: await registerGateway(client, name) };
		const player = { client, sql, gateway, store: createPostgresRunStore(sql, gateway) };
		for (let round = 0; round < ROUNDS; ) {
			try {
				await step(player, round);
				round++;
			} catch (error) {
				if ((error as { code?: string }).code !== STALE) throw error;
			}
		}
	} finally {
		await client.end();
	}
}

/** The runs of a tree, oldest first. */
async function treeOf({ client, store }: Player, round: number): Promise<readonly RunRecord[]> {
	const text =
		"SELECT r.number::text FROM tollgate.run r JOIN tollgate.run root ON root.number = r.root_number WHERE root.id = $1 ORDER BY r.number DESC LIMIT 12";
	const { rows } = await client.query(text, [`tree-${round % TREES}`]);
	return (await store.read(rows.map(({ number }) => number))).map(({ run }) => run);
}

async function openBelow(player: Player, round: number): Promise<void> {
	const runs = await treeOf(player, round);
	const parent = runs[round % Math.min(runs.length, 4)]?.runId ?? "tree-0";
	await player.store.enter(ask(`${player.gateway.gatewayId}-${round}`, { parent }));
	await player.store.register(registration(`${player.gateway.gatewayId}-r${round}`, { parent, limits: { steps: 5 } }));
}

async function holdSome(player: Player, round: number): Promise<void> {
	const runs = await treeOf(player, round);
	const root = `tree-${round % TREES}`;
	await player.store.hold(runs.toReversed().map((run) => holdOf(run, { guard: "ceiling.steps", measured: "100", threshold: "1000000", ofRunId: root })));
}

async function decideOne(player: Player, round: number): Promise<void> {
	const runs = await treeOf(player, round);
	const kinds: readonly RunDecision["decision"][] = [
		{ kind: "resume" },
		{ kind: "approve", limits: { steps: 200 + round } },
		{ kind: "raise", limits: { steps: 200 + round } },
		{ kind: "stop" },
		{ kind: "expire" },
		{ kind: "finish" },
	];
	const kind = kinds[round % kinds.length] ?? { kind: "resume" };
	const run = kind.kind === "raise" || kind.kind === "approve" ? runs[0] : runs.at(-1);
	if (run === undefined || (run.path.length === 1 && kind.kind === "finish")) return;
	await player.client.query("SELECT tollgate.decide_run($1)", [JSON.stringify(decision(run.runId, kind))]);
}

/** Opens a root, takes two steps from its first lease, and settles them with what its loops were. */
async function takeSteps({ store, sql, gateway }: Player, round: number): Promise<void> {
	const entered = await store.enter(ask(`${gateway.gatewayId}-s${round}`, { wants: ["5000"], newRunsPerHour: 10_000 }));
	if (entered.kind !== "entered") throw new Error(entered.message);
	const runIds = entered.chain.map(({ run }) => run.number);
	const windows = entered.leases.map(({ windowId }) => ({ id: windowId, unit: "nano_usd" })) as ReservationRecord["windows"];
	const items = [0, 1].map((step) => {
		const attemptId = `${gateway.gatewayId}-${gateway.epoch}-${round * 2 + step}`;
		return attemptItem(
			attemptRow(round * 2 + step, "", {
				reservation: { attemptId, teamId: "ada", keyId: "key_ada", runIds, reservedOutputTokens: 50, windows },
				outcome: { costOutputTokens: 50 },
			}),
		);
	});
	await settleChunk(sql, gateway, items, [{ number: runIds[0] ?? "", memory: "AAAA", exchanges: round, verdicts: [] }]);
}

test("no two of them wait for each other, and every one comes through", async () => {
	const players = [
		play("opener-a", openBelow),
		play("opener-b", openBelow),
		play("holder-a", holdSome),
		play("holder-b", holdSome),
		play("decider-a", decideOne),
		play("decider-b", decideOne),
		play("settler-a", takeSteps),
		play("settler-b", takeSteps),
		play("freezer", ({ client }, round) => client.query("SELECT tollgate.freeze_now('ada', $1, 'test', 'bob')", [round % 2 === 0])),
		play("policy", (_, round) => (round % 4 === 0 ? applyPolicy(policyContext(stand.pool), policyOf(100 + round)) : Promise.resolve())),
	];
	const ended = await Promise.allSettled(players);
	expect(ended.flatMap((player) => (player.status === "rejected" ? [String(player.reason)] : []))).toEqual([]);
	const broken = await stand.pool.query(`SELECT c.id FROM tollgate.run c JOIN tollgate.run p ON p.number = c.parent_number
		WHERE (p.state = 'finished' AND c.state <> 'finished') OR c.path <> p.path || c.number OR NOT c.budget_ids @> p.budget_ids`);
	expect(broken.rows).toEqual([]);
	const counted = await stand.pool.query(`SELECT p.id FROM tollgate.run p
		WHERE p.children <> (SELECT count(*) FROM tollgate.run c WHERE c.parent_number = p.number)
			OR (p.parent_number IS NULL AND p.tree_runs <> (SELECT count(*) FROM tollgate.run c WHERE c.root_number = p.number))`);
	expect(counted.rows).toEqual([]);
	const { findings } = await verifyLedger({ databaseUrl: stand.url });
	expect(findings).toEqual([]);
}, 120_000);
