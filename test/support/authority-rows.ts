import { createHash, randomBytes } from "node:crypto";
import pg from "pg";

/** Rows an authority test stands on: a team, budgets, gateway epochs; written straight into PostgreSQL. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

export type BudgetRow = {
	readonly teamId: string;
	readonly dimension?: string;
	readonly value?: string;
	readonly limit: bigint;
	readonly unit?: string;
	readonly windowKind?: string;
	readonly timeZone?: string;
	readonly weekStart?: number;
	readonly fiscalYearStart?: number;
};

export async function insertTeam(client: pg.Client, teamId: string, policy: Record<string, unknown> = {}): Promise<void> {
	await client.query("INSERT INTO tollgate.team (id, policy) VALUES ($1, $2)", [teamId, policy]);
}

export async function insertBudget(client: pg.Client, budget: BudgetRow): Promise<string> {
	const { rows } = await client.query<{ id: string }>(
		`INSERT INTO tollgate.budget (team_id, dimension, dimension_value, limit_amount, unit, window_kind, time_zone, week_start, fiscal_year_start)
		 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id::text`,
		[
			budget.dimension === "organization" ? null : budget.teamId,
			budget.dimension ?? "team",
			budget.value ?? "",
			budget.limit.toString(),
			budget.unit ?? "nano_usd",
			budget.windowKind ?? "day",
			budget.timeZone ?? "UTC",
			budget.weekStart ?? 1,
			budget.fiscalYearStart ?? 1,
		],
	);
	return rows[0]?.id ?? "";
}

/** A new virtual key of the team, `key_<team>` where no id is named. Answers its secret. */
export async function insertKey(client: pg.Client, teamId: string, { id = `key_${teamId}`, userId = null as string | null } = {}): Promise<string> {
	const secret = `tg-${randomBytes(32).toString("base64url")}`;
	await client.query(
		"INSERT INTO tollgate.virtual_key (id, secret_hash, derive_public_key, team_id, user_id, created_by) VALUES ($1, $2, '', $3, $4, 'test')",
		[id, createHash("sha256").update(secret).digest(), teamId, userId],
	);
	return secret;
}

export async function registerGateway(client: pg.Client, gatewayId: string): Promise<bigint> {
	const { rows } = await client.query<{ reply: { epoch: number } }>("SELECT tollgate.register_gateway($1, $2, 'off', '{}') AS reply", [
		gatewayId,
		`boot-${gatewayId}-${Math.random()}`,
	]);
	return BigInt(rows[0]?.reply.epoch ?? 0);
}
