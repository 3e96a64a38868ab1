import { createHash, randomBytes } from "node:crypto";
import path from "node:path";
import pg from "pg";
import { migrateDatabase } from "#activities/database/migrate.ts";
import { loadPriceFile } from "#activities/pricebooks/postgres.ts";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { BENCH_MODEL } from "../provider/answers.ts";

/** The databases of the lanes of ours: migrated and priced as a new installation, with teams, budgets and keys of the bench. */

const ROOT = path.join(import.meta.dirname, "../..");
const LIMIT_NANO_USD = 1_000_000_000_000_000n;

export type TeamPlan = {
	/** Budgets that every call meets; 0 declares the team unlimited. */
	readonly budgets: 0 | 1 | 8;
	/** Teams that call, each with one key. Default 1. */
	readonly callingTeams?: number;
	/** Before the number in their names. Default "bench". */
	readonly prefix?: string;
	/** Of each budget. Default a million dollars: no bench reaches it, and a refusal would void the lane. */
	readonly limitNanoUsd?: bigint;
	/** Teams and keys that are only there. Default none. */
	readonly otherTeams?: number;
	readonly otherKeys?: number;
};

type Selector = { readonly dimension: string; readonly value: string; readonly window: string };

const EIGHT: readonly Selector[] = [
	{ dimension: "team", value: "", window: "day" },
	{ dimension: "team", value: "", window: "month" },
	{ dimension: "feature", value: "search", window: "day" },
	{ dimension: "user", value: "ann", window: "day" },
	{ dimension: "environment", value: "bench", window: "day" },
	{ dimension: "model", value: BENCH_MODEL, window: "day" },
	{ dimension: "provider", value: "openai", window: "day" },
	{ dimension: "provider", value: "openai", window: "month" },
];

/** Migrates a database and loads the bundled prices; copies of it are made in a moment. */
export async function prepareTemplate(databaseUrl: string): Promise<void> {
	await migrateDatabase(databaseUrl);
	await withClient(databaseUrl, async (client) => {
		for (const file of readSeedFiles(path.join(ROOT, "config/prices"))) await loadPriceFile(client, file, "seed", "bench");
	});
}

/** A copy of the template; returns its URL. */
export async function copyDatabase(postgresUrl: string, template: string, name: string): Promise<string> {
	await withClient(databaseAt(postgresUrl, "postgres"), (client) => client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`));
	return databaseAt(postgresUrl, name);
}

/** Writes teams, budgets and keys as the administration does; returns the secrets of the calling teams. */
export async function fillStore(databaseUrl: string, plan: TeamPlan): Promise<string[]> {
	const { budgets, callingTeams = 1, prefix = "bench", limitNanoUsd = LIMIT_NANO_USD, otherTeams = 0, otherKeys = 0 } = plan;
	const teams = Array.from({ length: callingTeams }, (_, index) => ({ id: `${prefix}-${index}`, secret: `tg-${randomBytes(32).toString("base64url")}` }));
	const selectors = budgets === 0 ? [] : EIGHT.slice(0, budgets);
	await withClient(databaseUrl, async (client) => {
		for (const { id, secret } of teams) {
			await client.query("INSERT INTO tollgate.team (id, is_unlimited) VALUES ($1, $2)", [id, budgets === 0]);
			await insertBudgets(client, { teamId: id, limitNanoUsd }, selectors);
			await client.query(
				`INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, feature, user_id, environment, created_by)
				 VALUES ($1, $2, '', $3, 'search', 'ann', 'bench', 'bench')`,
				[`key_${randomBytes(8).toString("hex")}`, createHash("sha256").update(secret).digest(), id],
			);
		}
		if (otherTeams > 0) await insertOthers(client, otherTeams, otherKeys);
	});
	return teams.map(({ secret }) => secret);
}

async function insertBudgets(
	client: pg.Client,
	{ teamId, limitNanoUsd }: { teamId: string; limitNanoUsd: bigint },
	selectors: readonly Selector[],
): Promise<void> {
	for (const { dimension, value, window } of selectors) {
		await client.query(
			`INSERT INTO tollgate.budget (team_id, dimension, dimension_value, limit_amount, unit, window_kind, time_zone)
			 VALUES ($1, $2, $3, $4, 'nano_usd', $5, 'UTC')`,
			[teamId, dimension, value, limitNanoUsd.toString(), window],
		);
	}
}

async function insertOthers(client: pg.Client, teams: number, keys: number): Promise<void> {
	await client.query("INSERT INTO tollgate.team (id) SELECT 'other-' || number FROM generate_series(0, $1 - 1) AS number", [teams]);
	await client.query(
		`INSERT INTO tollgate.budget (team_id, dimension, limit_amount, window_kind)
		 SELECT 'other-' || number, 'team', $2, 'day' FROM generate_series(0, $1 - 1) AS number`,
		[teams, LIMIT_NANO_USD.toString()],
	);
	await client.query(
		`INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, created_by)
		 SELECT 'key_' || lpad(to_hex(number), 16, '0'), sha256(('other ' || number)::bytea), '', 'other-' || number % $2, 'bench' FROM generate_series(0, $1 - 1) AS number`,
		[keys, teams],
	);
	await client.query("ANALYZE");
}

export async function withClient<Value>(url: string, work: (client: pg.Client) => Promise<Value>): Promise<Value> {
	const client = new pg.Client({ connectionString: url, application_name: "tollgate bench" });
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

export function databaseAt(postgresUrl: string, name: string): string {
	const url = new URL(postgresUrl);
	url.pathname = `/${name}`;
	return url.href;
}
