import { expect } from "vitest";
import type { Cut } from "./database-proxy.ts";
import type { Fault } from "./fault.ts";
import { CLOSED, endOf, expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** PostgreSQL away, slow, silent, or cut off around a COMMIT, as gateways see it. */

/** pg names each prepared statement in every execution of it; the text comes along the first time. */
const MONEY_STATEMENT = /settle_chunk|grant_lease|grant\0|heartbeat/;

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function expectFewConnections(stand: FaultStand): Promise<void> {
	const text = `SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'tollgate gateway%' GROUP BY 1`;
	const rows = await stand.sql<{ name: string; count: number }>(text);
	expect(rows.length).toBeGreaterThan(0);
	// Three per gateway, each under a name of its own; one that was lost may still be noticed by PostgreSQL.
	expect(rows.filter(({ count }) => count > 2)).toEqual([]);
}

export const DATABASE_FAULTS: readonly Fault[] = [
	{
		id: "F7",
		name: "PostgreSQL down for 3 leases",
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			await stand.proxy.down();
			const downAtMs = performance.now();
			await after(3 * LEASE_MS);
			const upAtMs = performance.now();
			await stand.proxy.up();
			const recoveryMs = await stand.recover();
			load.healed();
			await load.finish();
			expectEnds(load.records, [CLOSED]);
			// A call that waited until PostgreSQL was back may well be served.
			const late = load.records.filter(({ startedAtMs, endedAtMs }) => startedAtMs > downAtMs + LEASE_MS && endedAtMs < upAtMs);
			expect(late.filter(({ status }) => status === 200).length, "calls served after the lease had ended").toBe(0);
			expect(late.some((record) => endOf(record) === CLOSED)).toBe(true);
			for (const gateway of stand.gateways) {
				expect(gateway.log()).toContain("did not answer"); // told, not swallowed
				const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
				expect(metrics, "calls beyond the lease, which nobody named an allowance for").toContain("tollgate_attempts_on_outage_allowance_total 0\n");
			}
			return { counts: await stand.finish(load.records), recoveryMs };
		},
	},
	{
		id: "F8",
		name: "PostgreSQL slow by 500 ms for 2 leases, then silent for 2",
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			await load.beginFault(4 * LEASE_MS);
			stand.proxy.slowDown(250); // either way
			await after(2 * LEASE_MS);
			stand.proxy.fallSilent();
			await after(2 * LEASE_MS);
			stand.proxy.slowDown(0);
			stand.proxy.goOn();
			const recoveryMs = await stand.recover();
			load.healed();
			await expectFewConnections(stand);
			await load.finish();
			expectEnds(load.records, [CLOSED]);
			return { counts: await stand.finish(load.records), recoveryMs };
		},
	},
	{
		id: "F9",
		name: "connections cut around COMMIT, so that nobody knows whether it happened",
		isShort: true,
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			const draws = run.random.fork();
			await load.beginFault(3 * LEASE_MS);
			stand.proxy.cutWhere((statement): Cut => {
				if (!MONEY_STATEMENT.test(statement.toString("latin1")) || draws.share() > 0.15) return "none";
				return draws.pick(["before", "instead_of_answer"] as const);
			});
			await after(3 * LEASE_MS);
			stand.proxy.cutWhere(() => "none");
			const recoveryMs = await stand.recover();
			load.healed();
			await load.finish();
			expect(stand.proxy.cuts).toBeGreaterThan(5);
			expectEnds(load.records, [CLOSED]);
			return { counts: await stand.finish(load.records), recoveryMs, note: `${stand.proxy.cuts} connections cut` };
		},
	},
];
