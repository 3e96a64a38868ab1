import { expect } from "vitest";
import { until } from "#test/support/until.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { CLOSED, expectEnds, type Load } from "./load.ts";
import { OwnServer } from "./server.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** PostgreSQL itself killed, or out of disk. */

const SMALL_MEGABYTES = 120;
const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As PostgreSQL says it when a file cannot grow. */
const SAY_DISK_FULL = `
	CREATE FUNCTION tollgate.disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
	CREATE TRIGGER full_entry BEFORE INSERT ON tollgate.entry EXECUTE FUNCTION tollgate.disk_is_full();
	CREATE TRIGGER full_event BEFORE INSERT ON tollgate.window_event EXECUTE FUNCTION tollgate.disk_is_full()`;

async function conclude(stand: FaultStand, load: Load): Promise<{ recoveryMs: number }> {
	const recoveryMs = await stand.recover();
	load.healed();
	await load.finish();
	expectEnds(load.records, [CLOSED]);
	return { recoveryMs };
}

/** The write-ahead log has no room for its next segment: the server goes down, and stays down as long as it is so. */
async function exhaust(run: FaultRun, server: OwnServer, stand: FaultStand): Promise<void> {
	await server.fillDisk();
	if (run.seed % 2 === 0) await stand.sql("SELECT pg_switch_wal()").catch(() => undefined); // the server goes down on it
}

export const SERVER_FAULTS: readonly Fault[] = [
	{
		id: "F11",
		name: "PostgreSQL killed under load (fsync on), started again after 1 lease",
		async run(run) {
			const server = await OwnServer.start();
			run.defer(() => server.close());
			const stand = await run.open({ database: server.database });
			const load = await stand.load(run.random);
			await load.beginFault(2 * LEASE_MS);
			await server.kill();
			await after(LEASE_MS);
			await server.restart();
			const { recoveryMs } = await conclude(stand, load);
			return { counts: await stand.finish(load.records), recoveryMs };
		},
	},
	{
		id: "F12",
		name: "no disk left for PostgreSQL for 3 leases",
		async run(run) {
			const server = await OwnServer.start(SMALL_MEGABYTES);
			run.defer(() => server.close());
			const stand = await run.open({ database: server.database });
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			if (server.filesystem === null) await stand.sql(SAY_DISK_FULL);
			else await exhaust(run, server, stand);
			await after(3 * LEASE_MS);
			if (server.filesystem === null) await stand.sql("DROP FUNCTION tollgate.disk_is_full() CASCADE");
			else await server.emptyDisk();
			if (!(await server.isAnswering())) await server.restart();
			await until("PostgreSQL to answer", () => server.isAnswering());
			const { recoveryMs } = await conclude(stand, load);
			const refused = stand.gateways.some((gateway) => /No space left on device|did not answer|does not take/.test(gateway.log()));
			expect(refused, "a gateway that met the full disk").toBe(true);
			const note = server.filesystem === null ? "not run on a full disk: no file system could be mounted; PostgreSQL said so instead" : undefined;
			return { counts: await stand.finish(load.records), recoveryMs, ...(note !== undefined && { note }) };
		},
	},
];
