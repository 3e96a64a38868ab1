import type pg from "pg";
import { Connection } from "#activities/database/connection.ts";
import { createLedgerWriter } from "#activities/ledger/writer.ts";
import { copyDatabase, fillStore, withClient } from "../lanes/store.ts";
import { textTable } from "../output/text-table.ts";
import { attemptRowOf } from "./ledger-rows.ts";
import type { Measurement } from "./measurement.ts";

const CHUNK_ROWS = 500;
const TEAM = "bench-0";
const COLUMNS = ["id", "team", "model", "cost", "input", "output"] as const;

/**
 * Calls a second the ledger writer makes durable, beside the ceiling of the same database on the same disk: the same number of calls, as
 * two plain rows each, inserted with UNNEST in chunks of the same size. Both on core 1, fsync on.
 */
export const ledgerCeiling: Measurement = {
	name: "ledger writer",
	isLong: false,
	async run({ context }, isQuick) {
		const url = await copyDatabase(context.postgresUrl, context.templateDatabase, "ledger-ceiling");
		await fillStore(url, { budgets: 0 });
		const calls = isQuick ? 20_000 : 400_000;
		const writerPerSecond = await writeLedger(url, calls);
		const ceilingPerSecond = await writeRaw(url, calls);
		const data = { calls, writerPerSecond, ceilingPerSecond, share: writerPerSecond / ceilingPerSecond };
		const row = [writerPerSecond.toFixed(0), ceilingPerSecond.toFixed(0), `${(data.share * 100).toFixed(0)} %`];
		return {
			data,
			lines: [`ledger writer against plain UNNEST of two rows a call, ${calls} calls`, ...textTable(["writer calls/s", "ceiling calls/s", "share"], [row])],
		};
	},
};

/** Registers a gateway and flushes `calls` attempts through the product's writer; calls a second. */
export async function writeLedger(url: string, calls: number): Promise<number> {
	const sql = new Connection({ url, applicationName: "tollgate bench ledger" });
	const gatewayId = "ledger";
	const rows = await sql.query<{ reply: { epoch: number } }>("register", "SELECT tollgate.register_gateway($1, $1, 'off', '{}') AS reply", [gatewayId]);
	const epoch = BigInt(rows[0]?.reply.epoch ?? 0);
	const problems: unknown[] = [];
	const writer = createLedgerWriter({ sql, gatewayId, epoch, onQuarantine: (row) => problems.push(row), onRetry: (error) => problems.push(error) });
	const startedAtMs = performance.now();
	for (let n = 1; n <= calls; n += 1) {
		writer.enqueueAttempt(attemptRowOf({ gatewayId, epoch, teamId: TEAM }, n));
		if (n % 10_000 === 0) await writer.flush(60_000);
	}
	await writer.flush(60_000);
	const elapsedMs = performance.now() - startedAtMs;
	await sql.query("close", "UPDATE tollgate.gateway_epoch SET closed_at = clock_timestamp(), closed_how = 'drained' WHERE gateway_id = $1", [gatewayId]);
	await sql.close();
	if (problems.length > 0) throw new Error(`the ledger did not take every chunk at once: ${String(problems[0])}`);
	return (calls / elapsedMs) * 1000;
}

function writeRaw(url: string, calls: number): Promise<number> {
	return withClient(url, async (client) => {
		for (const table of ["raw_attempt", "raw_entry"])
			await client.query(`CREATE TABLE ${table} (id text PRIMARY KEY, team text, model text, cost bigint, input integer, output integer)`);
		const startedAtMs = performance.now();
		for (let first = 1; first <= calls; first += CHUNK_ROWS) await insertChunk(client, first);
		return (calls / (performance.now() - startedAtMs)) * 1000;
	});
}

async function insertChunk(client: pg.Client, first: number): Promise<void> {
	const ids = Array.from({ length: CHUNK_ROWS }, (_, index) => `ledger-1-${first + index}`);
	const same = <Value>(value: Value): Value[] => ids.map(() => value);
	const values = [ids, same(TEAM), same("model"), same("63000"), same(60), same(90)];
	const select = `SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::integer[], $6::integer[])`;
	const columns = COLUMNS.join(", ");
	const text = `WITH attempts AS (INSERT INTO raw_attempt (${columns}) ${select}) INSERT INTO raw_entry (${columns}) ${select}`;
	await client.query({ name: "raw", text, values });
}
