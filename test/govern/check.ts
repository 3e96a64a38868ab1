import { createRandom, type Random } from "#test/faults/random.ts";
import { judgeRun } from "./judge.ts";
import { performRun } from "./run.ts";
import { COMPONENTS, type Component, GovernedSystem } from "./system.ts";

export type CheckOptions = {
	readonly seed: number;
	readonly runs: number;
	/** Keeps what the processes keep. */
	readonly folder: string;
	readonly onProgress: (line: string) => void;
};

export type CheckCounts = {
	readonly runs: number;
	readonly alerts: number;
	/** As the receiver wrote them down; above `alerts` by those that were told again under their id. */
	readonly messages: number;
	readonly kills: Readonly<Record<Component, number>>;
};

/** Runs that go on side by side and share what is killed. */
const RUNS_PER_WAVE = 10;
const KILLS_PER_WAVE = { fewest: 2, most: 4 };
const LONGEST_CALM_MS = 2_500;
const LONGEST_OUTAGE_MS = 1_500;

/**
 * Random runs with worker, Temporal, PostgreSQL and receiver killed in between; afterwards every alert must have arrived exactly once.
 * @throws Broken where one did not; anything else says that the check could not be run.
 */
export async function checkGovern({ seed, runs, folder, onProgress }: CheckOptions): Promise<CheckCounts> {
	const random = createRandom(seed);
	const system = await GovernedSystem.open(folder);
	const kills = { worker: 0, temporal: 0, postgres: 0, receiver: 0 };
	const counts = { runs: 0, alerts: 0, messages: 0, kills };
	try {
		while (counts.runs < runs) {
			const count = Math.min(RUNS_PER_WAVE, runs - counts.runs);
			const draws = Array.from({ length: count }, () => random.fork());
			const killing = killSome(system, random.fork(), kills);
			const performed = await bothEnd(Promise.all(draws.map((draw) => performRun(system, draw))), killing);
			for (const run of performed) {
				const judged = await judgeRun(system, run);
				counts.runs += 1;
				counts.alerts += judged.alerts;
				counts.messages += judged.messages;
			}
			onProgress(`${counts.runs} of ${runs} runs, ${counts.alerts} alerts, ${Object.values(kills).reduce((sum, killed) => sum + killed, 0)} kills`);
		}
		return counts;
	} catch (error) {
		onProgress(system.log());
		throw error;
	} finally {
		await system.close();
	}
}

/** What was killed is started again before a failure of the runs is told. */
async function bothEnd<Result>(work: Promise<Result>, killing: Promise<void>): Promise<Result> {
	const [worked, killed] = await Promise.allSettled([work, killing]);
	if (worked.status === "rejected") throw worked.reason;
	if (killed.status === "rejected") throw killed.reason;
	return worked.value;
}

/** One component after another, sometimes two at once; each is started again a moment later. */
async function killSome(system: GovernedSystem, random: Random, kills: Record<Component, number>): Promise<void> {
	const rounds = random.integer(KILLS_PER_WAVE.fewest, KILLS_PER_WAVE.most);
	for (let round = 0; round < rounds; round += 1) {
		await after(random.integer(50, LONGEST_CALM_MS));
		const victims = [...new Set([random.pick(COMPONENTS), ...(random.share() < 0.25 ? [random.pick(COMPONENTS)] : [])])];
		for (const victim of victims) {
			await system.kill(victim);
			kills[victim] += 1;
		}
		await after(random.integer(0, LONGEST_OUTAGE_MS));
		for (const victim of victims) await system.start(victim);
	}
}

function after(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
