import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { setBudget } from "#activities/administration/budgets.ts";
import { createSqlGovernor } from "#test/support/administration.ts";
import { chat } from "#test/support/gateway-process.ts";
import { openTestPool } from "#test/support/pool.ts";
import { until } from "#test/support/until.ts";
import { planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { BROKEN, CLOSED, expectEnds, type Load } from "./load.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";

/** Gateways that are stopped and go on, that remember what is long past, or that are two of one name. */

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Stops one gateway under load, `meanwhile`, and lets it go on. */
async function pause(run: FaultRun, stand: FaultStand, load: Load, meanwhile: () => Promise<void>): Promise<{ stopped: number; recoveryMs: number }> {
	const stopped = run.random.integer(0, stand.gateways.length - 1);
	await load.beginFault(3 * LEASE_MS);
	stand.gateway(stopped).child.kill("SIGSTOP");
	await Promise.all([meanwhile(), after(3 * LEASE_MS)]);
	stand.gateway(stopped).child.kill("SIGCONT");
	const recoveryMs = await stand.recover();
	load.healed();
	await load.finish();
	return { stopped, recoveryMs };
}

/** Limits as an administrator changes them; the workflow's part is played by its SQL. */
async function withAdministration(stand: FaultStand, work: (setLimit: (team: Team, limit: bigint) => Promise<unknown>) => Promise<void>): Promise<void> {
	const { pool, close } = openTestPool(stand.base.database.url);
	const administration = { database: pool, governor: createSqlGovernor(pool), adminName: "ada" };
	try {
		await work((team, limit) => setBudget(administration, { teamId: team.teamId, windowKind: "lifetime", limitAmount: limit.toString() }));
	} finally {
		await close();
	}
}

export const GATEWAY_FAULTS: readonly Fault[] = [
	{
		id: "F10",
		name: "one gateway remembers limits and money of 3 leases ago",
		async run(run) {
			const stand = await run.open();
			const [poor, rich] = [await stand.base.team(2_000_000n, { admissionWaitMs: 0 }), await stand.base.team(50_000_000n, { admissionWaitMs: 0 })];
			// Every gateway knows both teams: one has money for a call or two, the other for many.
			for (const gateway of stand.gateways) await chat(gateway, rich.key);
			await chat(stand.gateway(0), poor.key);
			const load = await stand.load(run.random);
			const { stopped, recoveryMs } = await pause(run, stand, load, () =>
				withAdministration(stand, async (setLimit) => {
					await setLimit(poor, 500_000_000n);
					await setLimit(rich, 1n);
				}),
			);
			expectEnds(load.records, [CLOSED]);
			// It acts on what is true now: money that came is served, and what was taken away is not.
			await until("the raised limit", async () => (await chat(stand.gateway(stopped), poor.key)).status === 200);
			await until("the lowered limit", async () => (await chat(stand.gateway(stopped), rich.key)).status === 402);
			const posted = "SELECT sum(l.posted)::text AS posted FROM tollgate.lease l";
			const counts = await stand.finish(load.records);
			const [{ posted: spent } = { posted: "" }] = await stand.sql<{ posted: string }>(posted);
			const [{ cost } = { cost: "" }] = await stand.sql<{ cost: string }>("SELECT sum(cost_nano_usd)::text AS cost FROM tollgate.attempt");
			expect(spent, "phantom spend").toBe(cost);
			return { counts, recoveryMs };
		},
	},
	{
		id: "F13",
		name: "a gateway stopped for 3 leases goes on",
		isShort: true,
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			const { recoveryMs } = await pause(run, stand, load, async () => undefined);
			expectEnds(load.records, [CLOSED]);
			return { counts: await stand.finish(load.records), recoveryMs };
		},
	},
	{
		id: "F41",
		name: "two gateways of one identity, on one machine and on two",
		async run(run) {
			const stand = await run.open();
			const elsewhere = await mkdtemp(path.join(tmpdir(), "tollgate-elsewhere-"));
			run.defer(() => rm(elsewhere, { recursive: true, force: true }));
			await expect(stand.start(0), "the same folder").rejects.toThrow(/holder/);
			await expect(stand.start(0, { TOLLGATE_HOME: elsewhere }), "another folder, while the first is heard").rejects.toThrow(/was heard of/);
			const load = await stand.load(run.random);
			await load.beginFault(3 * LEASE_MS);
			const first = stand.gateway(0);
			const held = send({ ...planCall(stand.ample, run.random), directive: { holdUntil: "takeover" } }, { url: first.url, gateway: 0, phase: "during" });
			await until("a call in flight", async () => (await stand.base.provider.control("state"))["held"] === 1);
			first.child.kill("SIGSTOP");
			// Silent for long enough, it is taken for gone, and its name is given to another machine.
			await until("the takeover", () =>
				stand.start(0, { TOLLGATE_HOME: elsewhere }).then(
					() => true,
					() => false,
				),
			);
			first.child.kill("SIGCONT");
			await stand.base.provider.control("release", { name: "takeover" });
			await first.exited; // it learns that a later epoch exists, and ends
			expect(first.log()).toContain("gateway.fenced");
			const recoveryMs = await stand.recover();
			load.healed();
			await load.finish();
			expectEnds([...load.records, await held], [CLOSED, BROKEN, /^503 /]);
			const grants = `SELECT count(*)::int AS count FROM tollgate.window_event v JOIN tollgate.gateway_epoch e USING (gateway_id, epoch)
				WHERE v.kind = 'grant' AND e.fenced_at IS NOT NULL AND v.at > e.fenced_at`;
			expect(await stand.sql(grants), "grants to a fenced epoch").toEqual([{ count: 0 }]);
			// Its journal lies in the folder of the others, one of which adopts it.
			const open = "SELECT 1 FROM tollgate.gateway_epoch WHERE fenced_at IS NOT NULL AND closed_at IS NULL";
			await until("the fenced epoch to be closed", async () => (await stand.sql(open)).length === 0);
			return { counts: await stand.finish([...load.records, await held], { shouldResolve: true }), recoveryMs };
		},
	},
];
