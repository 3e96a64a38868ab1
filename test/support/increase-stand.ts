import pg from "pg";
import { afterAll, beforeAll, expect } from "vitest";
import type { Authority } from "#activities/authority/port.ts";
import { createPostgresAuthority } from "#activities/authority/postgres.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { createPostgresIncreaseStore } from "#activities/increases/postgres.ts";
import type { Increase } from "#domain/budget/increases.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import { registerGateway } from "./authority-rows.ts";
import { DAILY_BUDGET } from "./daily-budget.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

export const day: BudgetDefinition = { ...DAILY_BUDGET, limitAmount: "100", thresholds: [] };

export const decision = { by: "bob", isByHand: false, atMs: Date.now(), reason: "fine" };
export const approved = (asked: Increase, overrides: Partial<Increase> = {}): Increase => ({
	...asked,
	status: "approved",
	grantedAmount: asked.askedAmount,
	decision,
	...overrides,
});

/** Teams, raises and gateways on a database of this file's own; opened before its tests and closed after them. */
export function useIncreaseStand() {
	let database: TestDatabase;
	let connection: Connection;
	let client: pg.Client;
	const opened: Authority[] = [];

	beforeAll(async () => {
		database = await createTestDatabase();
		connection = new Connection({ url: database.url, applicationName: "test" });
		client = new pg.Client({ connectionString: database.url });
		await client.connect();
	});

	afterAll(async () => {
		await Promise.all(opened.map((authority) => authority.close()));
		await client?.end();
		await connection?.close();
		await database?.close();
	});

	const store = () => createPostgresIncreaseStore(connection);
	const budgets = () => createPostgresBudgetStore(connection);

	async function newTeam(teamId: string, budget: BudgetDefinition = day): Promise<string> {
		await client.query("INSERT INTO tollgate.team (id) VALUES ($1)", [teamId]);
		await budgets().writeBudgets({ teamId, revision: 1, requestedBy: "ann", set: [budget], remove: [] });
		return (await client.query<{ id: string }>("SELECT id FROM tollgate.budget WHERE team_id = $1 AND deleted_at IS NULL", [teamId])).rows[0]?.id ?? "";
	}

	let number = 0;
	function pending(overrides: Partial<Increase> = {}): Increase {
		const requestedAtMs = Date.now();
		return {
			...{
				id: `inc_${(++number).toString(16).padStart(12, "0")}`,
				kind: "increase",
				key: selectorKey(day),
				status: "pending",
				askedAmount: "50",
				grantedAmount: null,
			},
			...{
				untilMs: requestedAtMs + 3_600_000,
				reason: "launch",
				requestedBy: "ann",
				isRequestedByHand: false,
				requestedAtMs,
				expiresAtMs: requestedAtMs + 3_600_000,
				decision: null,
			},
			...overrides,
		};
	}

	/** A request and its approval under the next two revisions. */
	async function raise(teamId: string, revision: number, overrides: Partial<Increase> = {}): Promise<Increase> {
		const asked = pending(overrides);
		await store().recordIncrease({ teamId, revision, requestedBy: asked.requestedBy, increase: asked });
		const increase = approved(asked);
		expect(await store().applyIncrease({ teamId, revision: revision + 1, increase })).toEqual({ heldRevision: revision + 1 });
		return increase;
	}

	async function windowsOf(budgetId: string) {
		const { rows } = await client.query<{ limit_amount: string; granted: string; is_ahead: boolean; raised_until: Date | null; events: string[] }>(
			`SELECT w.limit_amount, w.granted, w.is_ahead, w.raised_until, (SELECT array_agg(e.kind || ' ' || e.limit_amount ORDER BY e.seq) FROM tollgate.window_event e WHERE e.window_id = w.id) AS events
			 FROM tollgate.budget_window w WHERE w.budget_id = $1 ORDER BY w.starts_at`,
			[budgetId],
		);
		return rows;
	}

	const rowOf = async (id: string) => (await client.query("SELECT * FROM tollgate.limit_increase WHERE id = $1", [id])).rows[0];

	async function gateway(name: string): Promise<Authority> {
		const authority = createPostgresAuthority({ url: database.url, gatewayId: name, epoch: await registerGateway(client, name) });
		opened.push(authority);
		return authority;
	}

	async function grant(authority: Authority, budgetId: string, amount: bigint) {
		const items = [{ budgetId, windowId: undefined, leaseGranted: 0n, idle: 0n, lookahead: 0n }];
		const reply = await authority.grant({ items, needs: [[amount]], wantsClaim: false, isFinal: true });
		if ("isFenced" in reply) throw new Error("fenced");
		return { isServed: reply.served[0], limit: reply.items[0]?.limit, granted: reply.items[0]?.granted };
	}

	/** Moves the end of a raise to now, by the clock of PostgreSQL: nobody is told. */
	async function endNow(increase: Increase): Promise<void> {
		await client.query("UPDATE tollgate.limit_increase SET until_at = clock_timestamp() WHERE id = $1", [increase.id]);
		await client.query(
			"UPDATE tollgate.budget_window w SET raised_until = i.until_at FROM tollgate.limit_increase i WHERE i.id = $1 AND w.budget_id = i.budget_id AND w.raised_until IS NOT NULL",
			[increase.id],
		);
	}

	return {
		query: <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => client.query<Row>(text, values),
		connection: () => connection,
		...{ store, budgets, newTeam, pending, raise, windowsOf, rowOf, gateway, grant, endNow },
	};
}
