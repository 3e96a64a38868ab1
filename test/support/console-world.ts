import { createRandom } from "#test/faults/random.ts";
import { type BookedCall, MonthLedger } from "./chargeback.ts";
import type { ConsoleStand } from "./console-stand.ts";

/** A company as the console shows it: four teams of different size over nine weeks, with budgets, requests for more, refusals, and names that try to be markup. */
export const HOSTILE_NAME = '<img src=x onerror="document.title=1">';
export const STORY_ID = "req_story";

const DAYS = 63;
const DAY_MS = 86_400_000;
const TEAMS = [
	{ id: "support", weight: 9, features: ["chat", "triage", "summaries"] },
	{ id: "search", weight: 5, features: ["ranking", "answers"] },
	{ id: "research", weight: 3, features: ["notebooks", HOSTILE_NAME] },
	{ id: "billing", weight: 1, features: ["dunning"] },
] as const;
const MODELS = [
	{ model: "gpt-4o", provider: "openai", cost: 14_000_000 },
	{ model: "claude-sonnet-4-5", provider: "anthropic", cost: 21_000_000 },
	{ model: "gpt-4o-mini", provider: "openai", cost: 900_000 },
	{ model: "gpt-test", provider: "openai", cost: 2_500_000 },
] as const;
const WEEKDAYS = [0.35, 1, 1.05, 1.1, 1.05, 0.95, 0.4];

export async function seedConsoleWorld(stand: ConsoleStand): Promise<void> {
	const { pool, databaseUrl } = stand.administration;
	const { teams } = await stand.ask<{ teams: readonly { id: string }[] }>("GET", "/teams");
	for (const { id } of TEAMS) if (!teams.some((team) => team.id === id)) await stand.ask("POST", "/teams", { id });
	const ledger = MonthLedger.over(databaseUrl, pool);
	await ledger.book(callsOf(Date.now()));
	await pool.query("SELECT tollgate.count_spend(100000)");
	await setBudgets(stand);
	await askForMore(stand);
	await refuse(stand);
	await tellStory(stand);
	await pool.query("INSERT INTO tollgate.user_name (user_id, name, named_by) VALUES ('u-1', 'Ann Lee', 'ada')");
}

/** The same every day of the year: shares and sizes come from a seed, times from the clock. */
function callsOf(nowMs: number): BookedCall[] {
	const { integer, pick } = createRandom(7);
	const today = Math.floor(nowMs / DAY_MS);
	return Array.from({ length: DAYS }, (_, index) => today - DAYS + 1 + index).flatMap((day) =>
		TEAMS.flatMap(({ id, weight, features }) => {
			const calls = Math.max(1, Math.round(weight * (WEEKDAYS[(day + 4) % 7] ?? 1) * (1 + (day - today + DAYS) / 200)));
			return Array.from({ length: calls }, (): BookedCall => {
				const { model, provider, cost } = pick(MODELS);
				const atMs = day * DAY_MS + integer(0, day === today ? Math.max(1, nowMs - today * DAY_MS - 1) : DAY_MS - 1);
				const user = pick([`u-${integer(1, 6)}`, null]);
				return {
					at: new Date(atMs).toISOString(),
					account: `team/${id}`,
					cost: BigInt(cost) * BigInt(integer(20, 600)),
					feature: pick(features),
					user,
					model,
					provider,
					environment: pick(["production", "production", "staging"]),
				};
			});
		}),
	);
}

async function setBudgets(stand: ConsoleStand): Promise<void> {
	const set = (teamId: string, windowKind: string, limitUsd: string, more: object = {}) =>
		stand.ask("PUT", "/budgets", { teamId, windowKind, limitUsd, ...more });
	await set("support", "month", "1200", { timeZone: "Europe/Berlin" });
	await set("support", "day", "60", { timeZone: "Europe/Berlin" });
	await set("search", "month", "500");
	await set("research", "month", "900", { mode: "observe" });
	await set("billing", "month", "60");
	await set("support", "month", "400", { dimension: "feature", dimensionValue: "chat" });
	const { pool } = stand.administration;
	await pool.query("SELECT tollgate.register_gateway('g1', gen_random_uuid()::text, 'none', ARRAY(SELECT boot_id FROM tollgate.gateway_epoch))");
	await pool.query(
		"INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted, posted) SELECT 'g1', 1, id, 40000000000, 12000000000 FROM tollgate.budget_window",
	);
}

async function askForMore(stand: ConsoleStand): Promise<void> {
	// Nobody decides what he asked for himself.
	const { key } = await stand.ask<{ key: string }>("POST", "/admin-keys", { name: "bea" });
	const ask = (teamId: string, amountUsd: string, reason: string) =>
		stand.ask<{ id: string }>("POST", "/increases", { teamId, windowKind: "month", dimension: "team", amountUsd, reason }, key);
	const { id } = await ask("search", "150", "The new ranking is compared with the old one until Friday");
	await stand.ask("POST", `/increases/${id}/approve`, { amountUsd: "100" });
	await ask("billing", "40", `Dunning run of the quarter ${HOSTILE_NAME}`);
}

async function refuse(stand: ConsoleStand): Promise<void> {
	await stand.administration.pool.query(`
		INSERT INTO tollgate.refusal (refusal_id, at, refused_at, request_id, gateway_id, epoch, team_id, key_id, code, budget_id, limit_amount, granted, idle, need, is_observed, unrecorded_before, limit_name)
		SELECT 'g1-1-f-' || n, now() - make_interval(hours => n), now(), 'req_refused_' || n, 'g1', 1, 'billing', 'key_1', 'budget.exceeded',
			(SELECT id FROM tollgate.budget WHERE team_id = 'billing'), 60000000000, 60000000000, 1200000, 45000000, false, 0, NULL::text FROM generate_series(1, 23) n
		UNION ALL SELECT 'g1-1-l-1', now() - interval '2 hours', now(), 'req_limited', 'g1', 1, 'support', 'key_1', 'limit.requests', NULL, 600, NULL, NULL, 1, false, 41, 'requests; dimension=team; limit=600'
		UNION ALL SELECT 'g1-1-f-90', now() - interval '1 hour', now(), 'req_observed', 'g1', 1, 'research', 'key_1', 'budget.exceeded',
			(SELECT id FROM tollgate.budget WHERE team_id = 'research'), 900000000000, 900000000000, 0, 120000000, true, 0, NULL`);
}

/** One request with everything a page can tell of it. */
async function tellStory(stand: ConsoleStand): Promise<void> {
	await stand.administration.pool.query(
		`UPDATE tollgate.attempt SET request_id = $1, provider = 'openai', deployment = 'openai', model = 'gpt-test', priced_model = 'gpt-test', asked_model = 'gpt-large', answered_model = 'gpt-test-2026', service_tier = 'standard',
			degraded_by = jsonb_build_object('budgetId', (SELECT id::text FROM tollgate.budget WHERE team_id = 'support' AND window_kind = 'day'), 'windowId', '1', 'lineAmount', '48000000000', 'granted', '49000000000', 'idle', '0', 'need', '80000000'),
			input_tokens = 12000, cached_input_tokens = 4000, output_tokens = 800, reasoning_tokens = 300, reserved_nano_usd = 80000000, cost_nano_usd = 33000000, clamped_output_tokens = 4096,
			http_status = 200, duration_ms = 2345.6, provider_request_id = 'chatcmpl-7Qd2', claimed = $2, asserted = '{"user": "u-1"}', user_id = 'u-1',
			window_ids = ARRAY(SELECT w.id FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = 'support')
		 WHERE attempt_id = (SELECT attempt_id FROM tollgate.attempt WHERE team_id = 'support' ORDER BY at DESC LIMIT 1)`,
		[STORY_ID, JSON.stringify({ user: HOSTILE_NAME, "metadata.ticket": "4711" })],
	);
	await stand.administration.pool.query(
		"UPDATE tollgate.entry SET amount_nano_usd = 33000000 WHERE attempt_id = (SELECT attempt_id FROM tollgate.attempt WHERE request_id = $1)",
		[STORY_ID],
	);
}
