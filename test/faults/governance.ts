import { Registry } from "prom-client";
import { expect } from "vitest";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { GovernanceClient } from "#clients/governance-client.ts";
import type { BudgetDefinition } from "#domain/budget/scope.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { type CuttableProxy, openCuttableProxy } from "#test/support/cuttable-proxy.ts";
import { DAILY_BUDGET } from "#test/support/daily-budget.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import { startBudgetRole } from "../../workers/budget.ts";
import type { Fault, FaultResult, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";
import { startWorkerProcess } from "./worker-process.ts";

/** Temporal away, its worker killed, its messages doubled, late or too many. Gateways never wait for any of it. */

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const TOLD_WITHIN_MS = 60_000;

export type Governed = { readonly stand: FaultStand; readonly temporal: TestTemporal; readonly proxy: CuttableProxy; readonly governance: GovernanceClient };

async function openGoverned(run: FaultRun): Promise<Governed> {
	const stand = await run.open({ windowKind: "day" });
	const temporal = await startTestTemporal();
	run.defer(() => temporal.close());
	const proxy = await openCuttableProxy(Number(temporal.address.split(":")[1]));
	run.defer(() => proxy.close());
	return { stand, temporal, proxy, governance: new GovernanceClient({ connection: temporal.connection, client: temporal.client, messagesPerRun: 40 }) };
}

/** The worker's part for budgets, in this process. */
async function startRole(run: FaultRun, { stand, proxy }: Governed): Promise<void> {
	const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
	const role = await startBudgetRole({
		...{ databaseUrl: stand.base.database.url, temporalAddress: `127.0.0.1:${proxy.port}`, temporalNamespace: "default", log },
		metrics: new Registry(),
	});
	run.defer(() => role.stop());
	await role.polls;
}

/** Messages to workflows beside a workload that must not notice them. Resolves with what a reader should know besides. */
export async function beside(run: FaultRun, work: (governed: Governed) => Promise<string>): Promise<FaultResult> {
	const governed = await openGoverned(run);
	const { stand } = governed;
	await startRole(run, governed);
	const load = await stand.load(run.random, { calls: 200 });
	await load.beginFault(2 * LEASE_MS);
	const note = await work(governed);
	load.healed();
	await load.finish();
	expectEnds(load.records, []);
	return { counts: await stand.finish(load.records), recoveryMs: null, note };
}

type Crossed = { team_id: string; is_warned: boolean; is_stopped: boolean };

/** What PostgreSQL says each team's money has crossed. A window that refuses calls beyond its warning is stopped in effect. */
const crossings = (stand: FaultStand, teams: readonly Team[]): Promise<Crossed[]> =>
	stand.sql<Crossed>(
		`SELECT team_id, posted >= warned_at AS is_warned, posted >= limit_amount OR (is_refusing AND posted >= warned_at) AS is_stopped
		 FROM (
			SELECT b.team_id, b.limit_amount, tollgate.line_amount(b.thresholds->0->'at', b.limit_amount) AS warned_at, (SELECT coalesce(sum(posted), 0) FROM tollgate.lease l WHERE l.window_id = w.id) AS posted,
			       EXISTS (SELECT 1 FROM tollgate.refusal r WHERE r.window_id = w.id AND NOT r.is_observed) AS is_refusing
			FROM tollgate.budget b JOIN tollgate.budget_window w ON w.budget_id = b.id WHERE b.team_id = ANY ($1)
		 ) x`,
		[teams.map(({ teamId }) => teamId)],
	);

/** Every threshold that money crossed was announced once, and none that it did not. */
async function expectAnnouncedOnce(stand: FaultStand, teams: readonly Team[]): Promise<number> {
	const expected = (await crossings(stand, teams)).flatMap(({ team_id, is_warned, is_stopped }) => [
		...(is_warned ? [`${team_id} threshold.warn.fired`] : []),
		...(is_stopped ? [`${team_id} threshold.stop.fired`] : []),
	]);
	const announced = async (): Promise<string[]> =>
		(
			await stand.sql<{ line: string }>("SELECT team_id || ' ' || event AS line FROM tollgate.governance_event WHERE team_id = ANY ($1)", [
				teams.map(({ teamId }) => teamId),
			])
		).map(({ line }) => line);
	await until(`${expected.length} announcements`, async () => (await announced()).length >= expected.length, TOLD_WITHIN_MS);
	expect((await announced()).sort()).toEqual([...expected].sort());
	return expected.length;
}

const daily = (limitAmount: bigint): BudgetDefinition => ({
	...DAILY_BUDGET,
	limitAmount: limitAmount.toString(),
});

export const setLimit = (governance: GovernanceClient, { teamId }: Team, limit: bigint): Promise<{ revision: number }> =>
	governance.applyPolicy(teamId, { mode: "patch", set: [daily(limit)], remove: [], requestedBy: "ada" });

/** As a person would: says it again until somebody answers. */
export async function insist(what: string, ask: () => Promise<unknown>): Promise<void> {
	await until(
		what,
		() =>
			ask().then(
				() => true,
				(error: unknown) => {
					if (error instanceof CostControlError && error.code === "governance.unreachable") return false;
					throw error;
				},
			),
		TOLD_WITHIN_MS,
	);
}

export const limitOf = async (stand: FaultStand, { teamId }: Team): Promise<string> => {
	const text = "SELECT w.limit_amount AS amount FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1";
	return (await stand.sql<{ amount: string }>(text, [teamId]))[0]?.amount ?? "";
};

export const GOVERNANCE_FAULTS: readonly Fault[] = [
	{
		id: "F32",
		name: "Temporal silent for 2 leases, then away for 2",
		async run(run) {
			const governed = await openGoverned(run);
			const { stand, proxy, governance } = governed;
			const teams: Team[] = [];
			const load = await stand.load(run.random, {
				prepare: async (made) => {
					teams.push(...made);
					// Low enough that most teams cross it while Temporal is away.
					await stand.sql(`UPDATE tollgate.budget SET thresholds = '[{"action": "notify", "at": {"basisPoints": 3000}}]' WHERE team_id = ANY ($1)`, [
						made.map(({ teamId }) => teamId),
					]);
					await startRole(run, governed);
				},
			});
			await load.beginFault(4 * LEASE_MS);
			proxy.stall();
			await after(2 * LEASE_MS);
			await proxy.cut();
			await after(2 * LEASE_MS);
			await proxy.restore();
			load.healed();
			const backAtMs = performance.now();
			const [team] = teams;
			await insist("a limit to be taken", () => setLimit(governance, team ?? stand.ample, 2_000_000_000_000n));
			const recoveryMs = Math.round(performance.now() - backAtMs);
			await load.finish();
			expectEnds(load.records, []); // no call ever waited for Temporal
			await stand.base.verify(); // flushes
			const announced = await expectAnnouncedOnce(stand, teams);
			await until("the limit in PostgreSQL", async () => (await limitOf(stand, team ?? stand.ample)) === "2000000000000");
			return { counts: await stand.finish(load.records), recoveryMs, note: `${announced} thresholds announced once each` };
		},
	},
	{
		id: "F33",
		name: "the worker killed again and again, activities delivered twice",
		async run(run) {
			const { stand, temporal, governance } = await openGoverned(run);
			const start = () => startWorkerProcess(run, { databaseUrl: stand.base.database.url, temporalAddress: temporal.address });
			let worker = await start();
			const teams: Team[] = [];
			const load = await stand.load(run.random, { prepare: async (made) => void teams.push(...made) });
			await load.beginFault(4 * LEASE_MS);
			const governedTeams = teams.slice(1, 5);
			const changes = governedTeams.map(async (team, index) => {
				for (let change = 1n; change <= 3n; change += 1n)
					await insist(`change ${change} of ${team.teamId}`, () => setLimit(governance, team, 3_000_000_000n * change + BigInt(index)));
			});
			for (let kill = 0; kill < 3; kill += 1) {
				await after(run.random.integer(50, 1_000));
				await worker.kill();
				worker = await start();
			}
			await Promise.all(changes);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			for (const [index, team] of governedTeams.entries()) {
				const wanted = (9_000_000_000n + BigInt(index)).toString();
				await until(`the last limit of ${team.teamId}`, async () => (await limitOf(stand, team)) === wanted);
				await insist(`the workflow of ${team.teamId}, with nothing left to do`, async () => {
					const status = await governance.status(team.teamId);
					if (status.heldRevision !== status.revision || status.waitingEffects > 0) throw new CostControlError("governance.unreachable", "not yet");
				});
			}
			await expectOnceEach(stand, run);
			return { counts: await stand.finish(load.records), recoveryMs: null };
		},
	},
	{
		id: "F35",
		name: "totals doubled, in any order, and told to a run that is closed",
		run: (run) =>
			beside(run, async ({ stand, temporal, governance }) => {
				const team = await stand.base.team(1_000_000n);
				await setLimit(governance, team, 1_000_000n);
				await until("the budget in the workflow", async () => (await governance.status(team.teamId)).budgets.length === 1);
				const startsAtMs = Math.floor(Date.now() / 86_400_000) * 86_400_000;
				const window = { key: "team||nano_usd|day", startsAtMs, endsAtMs: startsAtMs + 2 * 86_400_000, overrun: "0", leases: 1, refusals: 0 };
				const reports = Array.from({ length: 12 }, (_, index) => {
					const posted = ((index + 1) * 75_000).toString();
					return { windows: [{ ...window, granted: posted, posted, version: 1_000 + index }], lastRefusals: [] };
				});
				const order = [...reports, ...reports].map((report) => ({ report, at: run.random.share() })).sort((one, other) => one.at - other.at);
				for (const { report } of order) await governance.reportTotals(team.teamId, report);
				await until("the newest totals", async () => (await governance.status(team.teamId)).budgets[0]?.window?.posted === "900000");
				const events = async () =>
					(await stand.sql<{ event: string }>("SELECT event FROM tollgate.governance_event WHERE team_id = $1", [team.teamId])).map(({ event }) => event);
				await until("the warning", async () => (await events()).length > 0);
				expect(await events()).toEqual(["threshold.warn.fired"]);
				// Its run is closed from outside: the next totals begin another, which reads what PostgreSQL holds.
				await temporal.client.workflow.getHandle(`team-budget/${team.teamId}`).terminate("a mistake");
				await governance.reportTotals(team.teamId, reports[3] ?? { windows: [], lastRefusals: [] });
				await until("a new run", async () => (await governance.status(team.teamId)).budgets.length === 1);
				expect(await events()).toEqual(["threshold.warn.fired"]);
				expect(await limitOf(stand, team).then((limit) => limit || "1000000")).toBe("1000000");
				return `${order.length} reports told`;
			}),
	},
];

/** What Temporal may deliver twice is written once. */
async function expectOnceEach(stand: FaultStand, run: FaultRun): Promise<void> {
	const connection = new Connection({ url: stand.base.database.url, applicationName: "twice" });
	run.defer(() => connection.close());
	const store = createPostgresBudgetStore(connection);
	const event = { eventKey: `twice ${run.random.text(8)}`, teamId: stand.ample.teamId, event: "threshold.warn.fired", detail: { posted: "1" } };
	expect([await store.recordEvent(event), await store.recordEvent(event)]).toEqual([true, false]);
	const write = { teamId: stand.ample.teamId, revision: 1, requestedBy: "ada", set: [daily(999_000_000_000n)], remove: [] };
	const [first, second] = [await store.writeBudgets(write), await store.writeBudgets({ ...write, set: [daily(1n)] })];
	expect(second).toEqual(first);
	expect(await limitOf(stand, stand.ample)).toBe("999000000000");
}
