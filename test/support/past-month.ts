import type { TestLedger } from "./test-ledger.ts";

/** Partitions for the month before this one. `month` like "2026-10"; `back` is how far `passTime` has to go to be in the middle of it. */
export async function openPastMonth(ledger: TestLedger): Promise<{ readonly month: string; readonly back: string }> {
	const [past] = await ledger.sql<{ name: string; from: string; to: string; back: string }>(`
		SELECT to_char(m, '_YYYY_MM') AS name, (m AT TIME ZONE 'UTC')::text AS from, ((m + interval '1 month') AT TIME ZONE 'UTC')::text AS to,
		       (clock_timestamp() - (m + interval '10 days') AT TIME ZONE 'UTC')::text AS back
		FROM (SELECT date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') - interval '1 month' AS m) x`);
	for (const table of ["attempt", "entry"])
		await ledger.sql(`CREATE TABLE tollgate.${table}${past?.name} PARTITION OF tollgate.${table} FOR VALUES FROM ('${past?.from}') TO ('${past?.to}')`);
	return { month: (past?.name ?? "").slice(1).replace("_", "-"), back: past?.back ?? "" };
}
