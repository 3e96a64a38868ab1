import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { setBudget } from "#activities/administration/budgets.ts";
import { createSqlGovernor } from "#test/support/administration.ts";
import { chat } from "#test/support/gateway-process.ts";
import { openTestPool } from "#test/support/pool.ts";
import { until } from "#test/support/until.ts";
import { type CallRecord, planCall, send } from "./call.ts";
import type { Fault, FaultResult, FaultRun } from "./fault.ts";
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

/** One gateway is stopped for 3 leases, while what it knows of limits and money becomes untrue. */
async function stopOne(run: FaultRun): Promise<FaultResult> {
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
	const counts = await stand.finish(load.records);
	const [{ posted: spent } = { posted: "" }] = await stand.sql<{ posted: string }>("SELECT sum(l.posted)::text AS posted FROM tollgate.lease l");
	const [{ cost } = { cost: "" }] = await stand.sql<{ cost: string }>("SELECT sum(cost_nano_usd)::text AS cost FROM tollgate.attempt");
	expect(spent, "phantom spend").toBe(cost);
	return { counts, recoveryMs };
}

const RESTORED = 3;

/** One gateway dies with calls in its hands, and starts again on its folder as it was 2 leases before: a snapshot of its volume, restored. */
async function restoreOne(run: FaultRun): Promise<FaultResult> {
	const stand = await run.open({ gateways: RESTORED });
	const volumes = await mkdtemp(path.join(tmpdir(), "tollgate-volumes-"));
	run.defer(() => rm(volumes, { recursive: true, force: true }));
	const [volume, snapshot] = [path.join(volumes, "volume"), path.join(volumes, "snapshot")];
	await stand.start(RESTORED, { TOLLGATE_HOME: volume });
	const load = await stand.load(run.random);
	await load.beginFault(3 * LEASE_MS);
	const callIt = (directive: Record<string, unknown>): Promise<CallRecord> =>
		send(
			{ ...planCall(stand.ample, run.random), isStream: true, outputTokens: 60, maxTokens: 60, directive },
			{ url: stand.gateway(RESTORED).url, gateway: RESTORED, phase: "during" },
		);
	const later = [await callIt({})];
	const underWay = callIt({ tokensPerSecond: 40 }); // ends after the snapshot
	await until("a call under way", async () => Number((await stand.base.provider.control("state"))["inFlight"]) > 0);
	await cp(volume, snapshot, { recursive: true });
	for (const _ of Array(8)) later.push(await callIt({}));
	later.push(await underWay);
	await after(2 * LEASE_MS);
	await stand.base.verify(); // flushes: the ledger knows of calls that the snapshot does not
	const lost = Array.from({ length: 4 }, () => callIt({ tokensPerSecond: 40 }));
	await after(LEASE_MS / 4);
	await stand.gateway(RESTORED).end("SIGKILL");
	later.push(...(await Promise.all(lost)));
	await rm(volume, { recursive: true });
	await cp(snapshot, volume, { recursive: true });
	const restored = await stand.start(RESTORED, { TOLLGATE_HOME: volume });
	expect(restored.log()).toMatch(/"closedHow":"lump".*"lacks":"(reservations|outcomes)"/);
	const recoveryMs = await stand.recover();
	load.healed();
	await load.finish();
	expectEnds([...load.records, ...later], [CLOSED, BROKEN]);
	await passLongestCall(stand);
	const counts = await stand.finish([...load.records, ...later], { shouldResolve: true });
	const forgotten = await expectPaidByLumps(stand);
	return { counts, recoveryMs, note: `${forgotten} calls that the restored folder did not know, paid out of what its lease held` };
}

/** As if no call of the lost epoch could be running any more, so that what its lumps hold too much is given back by the provider's log. */
async function passLongestCall(stand: FaultStand): Promise<void> {
	await stand.sql("CREATE OR REPLACE FUNCTION tollgate.up_since() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT now() - interval '1 year' $$");
	await stand.sql("UPDATE tollgate.gateway_epoch SET last_seen_at = last_seen_at - interval '1 hour' WHERE closed_how = 'lump'");
}

/** Calls that nothing remembers are in the provider's log; no team pays more for them than they all cost. Resolves with how many there are. */
async function expectPaidByLumps(stand: FaultStand): Promise<number> {
	const known = new Set((await stand.sql<{ id: string }>("SELECT attempt_id AS id FROM tollgate.attempt")).map(({ id }) => id));
	const forgotten = stand.base.provider.calls().filter(({ attemptId }) => !known.has(attemptId ?? ""));
	expect(forgotten.length, "calls under way that nothing remembers").toBeGreaterThan(0);
	const cost = forgotten.reduce((sum, { usage }) => sum + Number(usage["prompt_tokens"]) * 2_500 + Number(usage["completion_tokens"]) * 10_000, 0);
	const lumps = await stand.sql<{ account: string; amount: string }>(
		"SELECT debit_account AS account, sum(amount_nano_usd)::text AS amount FROM tollgate.entry WHERE attempt_id IS NULL GROUP BY 1",
	);
	const ample = lumps.find(({ account }) => account === `team/${stand.ample.teamId}`);
	expect(ample?.amount, "what the team that made them pays").toBe(String(cost));
	expect(
		lumps.filter(({ amount }) => Number(amount) > cost),
		"phantom spend",
	).toEqual([]);
	return forgotten.length;
}

export const GATEWAY_FAULTS: readonly Fault[] = [
	{
		id: "F10",
		name: "one gateway remembers limits and money of 3 leases ago; another starts on the folder it had then",
		async run(run) {
			const stopped = await stopOne(run);
			const restored = await restoreOne(run);
			const recoveryMs = Math.max(stopped.recoveryMs ?? 0, restored.recoveryMs ?? 0);
			return { ...restored, recoveryMs, note: `${restored.note}; the numbers are those of the restored folder, the stopped gateway was judged before` };
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
