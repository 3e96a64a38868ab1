import { createRandom, type Random } from "#test/faults/random.ts";
import { drawScenario } from "./draw.ts";
import { type Judged, judge, quiet } from "./judge.ts";
import { type Ordered, performRun, type Run } from "./run.ts";
import { type DeferredRun, type OrderedDeferred, performDeferredRun, readAgain } from "./run-deferred.ts";
import type { FaultOrder, Scenario } from "./scenario.ts";
import { BatchSystem, COMPONENTS, type Component } from "./system.ts";

export type CheckOptions = {
	readonly seed: number;
	/** Random ones; of no meaning with a scenario. */
	readonly batches: number;
	readonly scenario: Scenario | undefined;
	/** Keeps what the processes keep. */
	readonly folder: string;
	readonly onProgress: (line: string) => void;
};

export type CheckCounts = Judged & {
	/** Orders of batches; one that its budget refused altogether is one too. */
	readonly batches: number;
	/** Of batches: answers of 402. */
	readonly refusals: number;
	readonly kills: Readonly<Record<Component, number>>;
};

/** What went on so far. */
type Done = { readonly runs: Run[]; readonly deferred: DeferredRun[] };

/** Of every team: how long it lets a request wait for money. */
const ADMISSION_WAIT_MS = 300;
/** Batches that go on side by side and share what is killed. */
const BATCHES_PER_WAVE = 20;

/**
 * Random batches and items handed in alone, or those of a scenario, with processes killed in between and a provider that fails; afterwards each
 * item must have been delivered and booked exactly once, told to the channel that it named, and nothing be held.
 * @throws Broken where it was not; anything else says that the check could not be run.
 */
export async function checkBatches({ seed, batches, scenario, folder, onProgress }: CheckOptions): Promise<CheckCounts> {
	const random = createRandom(seed);
	const system = await BatchSystem.open(folder, seed);
	const kills: Record<Component, number> = { worker: 0, gateway_1: 0, gateway_2: 0, postgres: 0, temporal: 0 };
	const done: Done = { runs: [], deferred: [] };
	const { runs } = done;
	const ordered = scenario?.batches.length ?? batches;
	try {
		for (;;) {
			const wave = scenario ?? drawScenario(random.fork(), Math.min(BATCHES_PER_WAVE, ordered - runs.length));
			await performWave(system, wave, { random: random.fork(), kills, done });
			const judged = await judge(system, done, onProgress);
			const killed = Object.values(kills).reduce((sum, count) => sum + count, 0);
			const { accepted, late } = judged.deferred;
			const { taken, refused } = judged.webhooks;
			onProgress(
				`${runs.length} of ${ordered} batches, ${judged.delivered} items delivered, ${judged.realTime} of them in real time, ${accepted} alone and ${late} of them late, ${taken + refused} told of, ${judged.billed} billed, ${killed} kills`,
			);
			if (runs.length >= ordered) return { batches: runs.length, ...judged, refusals: runs.reduce((sum, { refusals }) => sum + refusals, 0), kills };
		}
	} catch (error) {
		onProgress(system.log());
		throw error;
	} finally {
		await system.close();
	}
}

type Performing = { readonly random: Random; readonly kills: Record<Component, number>; readonly done: Done };

/** What was killed is started again before a failure of the runs is told. */
async function performWave(system: BatchSystem, { batches, deferred, faults }: Scenario, { random, kills, done }: Performing): Promise<void> {
	const ordered: Ordered[] = [];
	for (const order of batches) {
		const { resubmit, relane, limitNanoUsd } = order;
		const team = await system.teamOfRules(BigInt(limitNanoUsd), { admissionWaitMs: ADMISSION_WAIT_MS, resubmit, relane });
		ordered.push({ order, team, random: random.fork() });
	}
	const alone: OrderedDeferred[] = [];
	for (const order of deferred)
		alone.push({
			order,
			team: await system.teamOfKeys(BigInt(order.limitNanoUsd), { admissionWaitMs: ADMISSION_WAIT_MS, keys: order.keys }),
			random: random.fork(),
		});
	const working = Promise.all(ordered.map((each) => performRun(system, each)));
	const workingAlone = Promise.all(alone.map((each) => performDeferredRun(system, each)));
	const [worked, workedAlone, failed] = await Promise.allSettled([working, workingAlone, makeFaults(system, faults, kills)]);
	for (const each of [worked, workedAlone, failed]) if (each.status === "rejected") throw each.reason;
	if (worked.status === "fulfilled") done.runs.push(...worked.value);
	if (workedAlone.status !== "fulfilled") return;
	await quiet(system);
	for (const run of workedAlone.value) done.deferred.push(await readAgain(run));
}

type Moment = { readonly atMs: number; take(): Promise<void> };

/** Each fault at its time, or right after the one before. Whatever it was, everything runs at the end, and the provider fails no more. */
async function makeFaults(system: BatchSystem, faults: readonly FaultOrder[], kills: Record<Component, number>): Promise<void> {
	const startedAtMs = performance.now();
	const starting: Promise<void>[] = [];
	// A gateway cannot start without PostgreSQL: nobody waits for it before that is up.
	const start = async (component: Component): Promise<void> => {
		const started = system.start(component);
		if (!component.startsWith("gateway")) return started;
		starting.push(started);
		started.catch(() => undefined); // told at the end
	};
	const moments = faults.flatMap((fault): Moment[] => {
		const { atMs } = fault;
		if (fault.kind === "provider") return [{ atMs, take: () => system.steer("faults", fault.faults) }];
		if (fault.kind === "clock") return [{ atMs, take: () => system.steer("clock", { advanceMs: fault.advanceMs }) }];
		const { component, forMs } = fault;
		const kill = async (): Promise<void> => {
			if (!system.isRunning(component)) return;
			await system.kill(component);
			kills[component] += 1;
		};
		return [
			{ atMs, take: kill },
			{ atMs: atMs + forMs, take: () => start(component) },
		];
	});
	try {
		for (const { atMs, take } of moments.toSorted((one, other) => one.atMs - other.atMs)) {
			await after(startedAtMs + atMs - performance.now());
			await take();
		}
	} finally {
		await system.start("postgres");
		await Promise.all(starting);
		for (const component of COMPONENTS) await system.start(component);
		await system.steer("faults", { next: [], rates: {} });
	}
}

function after(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, Math.max(ms, 0)));
}
