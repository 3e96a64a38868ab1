import type { ClientBase, QueryResultRow } from "pg";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";

const ROWS_PER_FETCH = 2_000;

/**
 * One consistent view of the database while everybody else goes on writing: a REPEATABLE READ
 * transaction. It only reads; its temporary table is gone with the transaction.
 */
export type Snapshot = {
	/** Streams rows through a server-side cursor, so the ledger is never held in memory. bigints arrive as decimal strings. */
	rows<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): AsyncGenerator<Row>;
	/** Few rows at once. */
	all<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
	/** The single row of a query. */
	one<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row>;
	run(sql: string, values?: readonly unknown[]): Promise<void>;
};

/** Runs `judge` inside one snapshot and always ends the transaction without a trace. */
export async function withSnapshot<Result>(client: ClientBase, judge: (snapshot: Snapshot) => Promise<Result>): Promise<Result> {
	await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
	try {
		await client.query("SET LOCAL statement_timeout = 0");
		await client.query("SET LOCAL idle_in_transaction_session_timeout = 0");
		await client.query("SET LOCAL timezone = 'UTC'");
		// Every cursor is read to its end: plan for the whole, not for the first rows.
		await client.query("SET LOCAL cursor_tuple_fraction = 1");
		return await judge(snapshotOver(client));
	} finally {
		await client.query("ROLLBACK");
	}
}

function snapshotOver(client: ClientBase): Snapshot {
	let cursors = 0;
	return {
		async *rows<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): AsyncGenerator<Row> {
			cursors += 1;
			const cursor = `verification_${cursors}`;
			await client.query(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`, [...values]);
			for (;;) {
				const page = await client.query<Row>(`FETCH ${ROWS_PER_FETCH} FROM ${cursor}`);
				yield* page.rows;
				if (page.rows.length < ROWS_PER_FETCH) break;
			}
			// A reader that stops early leaves the cursor to the end of the transaction.
			await client.query(`CLOSE ${cursor}`);
		},
		async all<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
			return (await client.query<Row>(sql, [...values])).rows;
		},
		async one<Row extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<Row> {
			const row = (await client.query<Row>(sql, [...values])).rows[0];
			if (!row) throw new Error(`query gave no row: ${sql.slice(0, 80)}`);
			return row;
		},
		async run(sql, values = []) {
			await client.query(sql, [...values]);
		},
	};
}

/** The longest that a call of any team can still be running. */
export async function readLongestCallMs(snapshot: Snapshot): Promise<number> {
	const row = await snapshot.one<{ longest: string }>("SELECT tollgate.longest_call_ms($1) AS longest", [DEFAULT_TEAM_POLICY.maxCallMs]);
	return Number(row.longest);
}
