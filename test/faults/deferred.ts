import { expect } from "vitest";
import { DeferredCaller } from "#test/batches/check/deferred-caller.ts";
import { type DeferredItem, deferredOrder } from "#test/batches/check/deferred-order.ts";
import { DEFERRED, ENTRIES } from "#test/batches/check/judge.ts";
import { type DeferredEntry, type DeferredRow, judgeDeferred } from "#test/batches/check/judge-deferred.ts";
import type { AcceptedItem, DeferredRun } from "#test/batches/check/run-deferred.ts";
import { preloading } from "#test/support/preload.ts";
import { startTestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";
import { startWorkerProcess, type WorkerProcess } from "./worker-process.ts";

/** The worker killed while requests that were handed in alone are in both lanes, beside calls that spend from other budgets of the same authority. */

const ITEMS_PER_LANE = 12;
const HOUR_MS = 3_600_000;
/** Too near for any batch: they go in real time at once. */
const NEAR_SECONDS = 12;
const ENDS_WITHIN_MS = 150_000;
/** An hour of the provider takes two seconds. */
const PROVIDER_PACE = 1_800;
/** What calls in real time wait for. */
const ANSWERS = "answers";

/** Of different batches, so that no job waits for both. */
const MODELS = { openai: { near: "gpt-4o", far: "gpt-4o-mini" }, anthropic: { near: "claude-haiku-4-5", far: "claude-sonnet-4-5" } } as const;

type Told = { readonly item: DeferredItem; readonly id: string };

/** The first half in real time, where each call is held by the provider; the others with a batch. */
function itemsOf(run: FaultRun, order: DeferredRun["order"]): DeferredItem[] {
	const models = MODELS[order.protocol];
	return Array.from({ length: 2 * ITEMS_PER_LANE }, (_, index): DeferredItem => {
		const isNear = index < ITEMS_PER_LANE;
		const directive = { outputTokens: run.random.integer(1, 20), ...(isNear && { holdUntil: ANSWERS }) };
		const plan = { turnaroundMs: 5 * HOUR_MS, validationMs: 0 };
		return {
			...{
				name: `${order.protocol}-${index}`,
				hasIdempotencyKey: true,
				key: 0,
				model: isNear ? models.near : models.far,
				feature: null,
				user: null,
				fate: "answered",
			},
			text: `question ${index} [[simulate:${JSON.stringify(directive)}]][[simulate-batch:${JSON.stringify(plan)}]]`,
			...{ deadlineSeconds: isNear ? NEAR_SECONDS : null, isBatchOnly: false, atMs: 0, cancelAfterMs: null, isRepeated: false, webhook: null },
		};
	});
}

/** How many of each lane are with the provider, and how many have ended. */
async function standing(stand: FaultStand): Promise<{ batch: number; realTime: number; ended: number }> {
	const [found] = await stand.sql<{ batch: number; ended: number }>(`
		SELECT count(*) FILTER (WHERE p.lane = 'batch' AND p.state = 'running' AND i.outcome IS NULL)::int AS batch,
		       count(*) FILTER (WHERE i.answered_at IS NOT NULL)::int AS ended
		FROM tollgate.batch_item i LEFT JOIN tollgate.batch_part p ON p.batch_number = i.batch_number AND p.part = i.part WHERE i.attribution IS NOT NULL`);
	const { held } = await stand.base.provider.control("state");
	return { batch: found?.batch ?? 0, ended: found?.ended ?? 0, realTime: Number(held) };
}

type Outage = { readonly component: "worker"; readonly fromMs: number; readonly untilMs: number };

async function killBetween(run: FaultRun, stand: FaultStand, items: number): Promise<Outage> {
	const temporal = await startTestTemporal();
	run.defer(() => temporal.close());
	const environment = {
		TOLLGATE_HOME: stand.base.home,
		TOLLGATE_SIMULATED_PROVIDER_URL: stand.base.provider.url,
		NODE_OPTIONS: preloading("quick-batches.mjs"),
	};
	const start = (): Promise<WorkerProcess> => startWorkerProcess(run, { databaseUrl: stand.base.database.url, temporalAddress: temporal.address, environment });
	const worker = await start();
	await until(
		"both lanes to be under way",
		async () => {
			const { batch, realTime } = await standing(stand);
			return batch > 0 && realTime > 0;
		},
		ENDS_WITHIN_MS,
	);
	const fromMs = Date.now();
	await worker.kill();
	await stand.base.provider.control("release", { name: ANSWERS });
	await start();
	const untilMs = Date.now();
	await until("the end of all", async () => (await standing(stand)).ended === items, ENDS_WITHIN_MS);
	return { component: "worker", fromMs, untilMs };
}

type HandedIn = { readonly order: DeferredRun["order"]; readonly teamId: string; readonly caller: DeferredCaller; readonly told: readonly Told[] };

async function handIn(stand: FaultStand, run: FaultRun, protocol: "openai" | "anthropic"): Promise<HandedIn> {
	const order = deferredOrder.parse({ protocol, items: 2 * ITEMS_PER_LANE });
	const { teamId, key } = await stand.base.team(BigInt(order.limitNanoUsd));
	const caller = new DeferredCaller(protocol, { keys: [key], urls: stand.gateways.map(({ url }) => url), random: run.random.fork() });
	const told: Told[] = [];
	for (const item of itemsOf(run, order)) told.push({ item, id: (await caller.handIn(item)).id ?? expect.fail(`${item.name} was refused`) });
	return { order, teamId, caller, told };
}

async function readAll({ order, teamId, caller, told }: HandedIn): Promise<DeferredRun> {
	const accepted: AcceptedItem[] = [];
	for (const { item, id } of told) accepted.push({ item, ids: [id], seen: await caller.read(id) });
	return { order, teamId, accepted, refused: [], unheard: [], lostAnswers: 0, read: (id) => caller.read(id) };
}

export const DEFERRED_FAULTS: readonly Fault[] = [
	{
		id: "F45",
		name: "the worker killed while requests handed in alone are with a batch and in calls in real time",
		async run(run) {
			const stand = await run.open({ gateways: 2, environment: { NODE_OPTIONS: preloading("short-lease.mjs", "quick-batches.mjs") } });
			await stand.base.provider.control("batches/clock", { pace: PROVIDER_PACE });
			const load = await stand.load(run.random, { calls: 100, teams: 20 });
			await load.beginFault(2 * LEASE_MS);
			const handedIn = [await handIn(stand, run, "openai"), await handIn(stand, run, "anthropic")];
			const outage = await killBetween(run, stand, 4 * ITEMS_PER_LANE);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			const runs: DeferredRun[] = [];
			for (const each of handedIn) runs.push(await readAll(each));
			const [rows, entries] = [await stand.sql<DeferredRow>(DEFERRED), await stand.sql<DeferredEntry>(ENTRIES)];
			const late: string[] = [];
			const judged = judgeDeferred({ runs, rows, entries, logged: stand.base.provider.calls(), outages: [outage] }, (line) => late.push(line));
			expect([judged.accepted, judged.succeeded]).toEqual([4 * ITEMS_PER_LANE, 4 * ITEMS_PER_LANE]);
			expect(judged.batch).toBeGreaterThan(0);
			// What was sent and not answered when it was killed is charged until the log tells, and goes again.
			const unknown = entries.filter(({ outcome }) => outcome === "unresolved").length;
			expect(unknown).toBeGreaterThan(0);
			const counts = await stand.finish(load.records, { shouldResolve: true });
			return {
				counts,
				recoveryMs: null,
				note: `${judged.realTime} in real time, ${judged.batch} with batches, ${unknown} tries charged unknown, ${judged.late} late`,
			};
		},
	},
];
