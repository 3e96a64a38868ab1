import { createHash } from "node:crypto";
import type { TestAdministration } from "./administration.ts";
import { MonthLedger } from "./chargeback.ts";

/** Ids of what one team has. */
export type OwnedThings = {
	readonly teamId: string;
	readonly keyId: string;
	readonly increaseId: string;
	readonly runId: string;
	readonly batchId: string;
	readonly deferredId: string;
	readonly alertId: string;
	readonly reportId: string;
	readonly requestId: string;
};

const TODAY = new Date().toISOString().slice(0, 10);

/** Teams that have one of everything that belongs to teams, over one database; calls of September 2026 are closed, today's are not. */
export async function seedOwnedThings(administration: TestAdministration, teamIds: readonly string[]): Promise<readonly OwnedThings[]> {
	const things: OwnedThings[] = [];
	for (const teamId of teamIds) things.push(await seedTeam(administration, teamId));
	const ledger = MonthLedger.over(administration.databaseUrl, administration.pool);
	await ledger.book(
		teamIds.flatMap((teamId) => [
			{ at: "2026-09-05T12:00Z", account: `team/${teamId}`, cost: 700n, feature: `chat-of-${teamId}`, user: `user-of-${teamId}` },
			{ at: `${TODAY}T00:00:01Z`, account: `team/${teamId}`, cost: 900n, feature: `chat-of-${teamId}`, user: `user-of-${teamId}` },
		]),
	);
	await ledger.closeMonth("2026-09");
	return things;
}

async function seedTeam(administration: TestAdministration, teamId: string): Promise<OwnedThings> {
	const { pool } = administration;
	const ask = (path: string, payload: object) =>
		administration.app
			.inject({ method: "POST", url: `/admin/v1${path}`, headers: { authorization: `Bearer ${administration.adminKey}` }, payload })
			.then((answer) => answer.json());
	await ask("/teams", { id: teamId, budget: { limitUsd: "100", windowKind: "day" } });
	const key = await ask("/keys", { teamId });
	const increase = await ask("/increases", { teamId, amountUsd: "5", reason: `for ${teamId}` });
	const name = createHash("sha256").update(teamId).digest("hex");
	const things = {
		...{ teamId, keyId: key.id, increaseId: increase.id, runId: `run-${name.slice(0, 8)}`, batchId: `batch_${name.slice(0, 24)}` },
		...{ deferredId: `dfr_${name.slice(0, 24)}`, reportId: `daily-2026-09-05-${teamId}`, requestId: `request-${name.slice(0, 8)}` },
	};
	await pool.query("SELECT tollgate.raise_alert($1, $2, '', 'velocity.key', 'warning', true, '{\"posted\": \"1\"}')", [`velocity/${teamId}`, teamId]);
	await pool.query("SELECT tollgate.set_throttle($1, 'user', 'ann', 3, clock_timestamp() + interval '1 hour', 'why', $2, 'test')", [
		teamId,
		`velocity/${teamId}`,
	]);
	for (const statement of SEED) await pool.query(statement, statement.includes("$2") ? [JSON.stringify(things), reportOf(teamId)] : [JSON.stringify(things)]);
	const alert = await pool.query<{ id: string }>("SELECT id FROM tollgate.alert WHERE team_id = $1 LIMIT 1", [teamId]);
	return { ...things, alertId: alert.rows[0]?.id ?? "" };
}

const reportOf = (teamId: string) =>
	JSON.stringify({
		...{ schemaVersion: 1, kind: "daily", teamId, date: "2026-09-05", title: `Report of ${teamId}`, periodText: "5 September 2026", timeZone: "UTC" },
		...{ fromMs: 0, toMs: 1, cut: { chunks: "0", bookedUpToMs: null }, sections: [] },
	});

const T = "($1::jsonb ->> 'teamId')";
const SEED = [
	`INSERT INTO tollgate.run (number, id, team_id, key_id, origin, root_number, path, state) OVERRIDING SYSTEM VALUE
	 SELECT n.n, $1::jsonb ->> 'runId', ${T}, $1::jsonb ->> 'keyId', 'registered', n.n, ARRAY[n.n], 'running'
	 FROM (SELECT nextval(pg_get_serial_sequence('tollgate.run', 'number')) AS n) n`,
	`INSERT INTO tollgate.batch (id, team_id, origin, protocol, endpoint, model, priced_model, deployment, provider, key_id, rules, state, items, open_items, price_version,
	   prices_as_of, held_at) VALUES ($1::jsonb ->> 'batchId', ${T}, 'caller', 'openai', 'chat.completions', 'gpt-test', 'gpt-test', 'openai/gpt-test', 'openai',
	   $1::jsonb ->> 'keyId', '{}', 'running', 1, 1, 1, now(), now())`,
	`INSERT INTO tollgate.batch_item (batch_number, n, custom_id, bound_nano_usd, bound_tokens, bound_input_tokens, bytes, tiers, outcome, outcome_try, cost_nano_usd, attribution, windows, held_at, team_id,
	   may_go_real_time, body_blob_key, answered_at, real_time_nano_usd, lane)
	 SELECT b.number, 1, $1::jsonb ->> 'deferredId', 200, 150, 100, 300, '{standard}', 'succeeded', 1, 100,
	   jsonb_build_object('keyId', $1::jsonb ->> 'keyId', 'feature', 'search', 'userId', null, 'environment', null, 'asserted', null, 'claimed', null), '{}', now(), ${T},
	   true, 'body', now(), 200, 'batch' FROM tollgate.batch b WHERE b.id = $1::jsonb ->> 'batchId'`,
	`INSERT INTO tollgate.deferred_webhook (deferred_id, team_id, channel, data, at, state, ended_at)
	 VALUES ($1::jsonb ->> 'deferredId', ${T}, 'hook', '{}', now(), 'dead', now())`,
	`INSERT INTO tollgate.refusal (refusal_id, refused_at, request_id, gateway_id, epoch, team_id, key_id, code)
	 VALUES ('refusal-' || ${T}, now(), $1::jsonb ->> 'requestId', 'g1', 1, ${T}, $1::jsonb ->> 'keyId', 'budget.none')`,
	`INSERT INTO tollgate.report (kind, date, team_id, edition, written_by, spent_nano_usd, digest, content)
	 VALUES ('daily', '2026-09-05', ${T}, 1, 'test', 700, 'digest', $2)`,
];
