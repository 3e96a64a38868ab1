import { readFileSync } from "node:fs";
import { createRandom, type Random } from "#test/faults/random.ts";
import { until } from "#test/support/until.ts";
import { Broken } from "./broken.ts";
import { type CountRead, mostPerSecond } from "./most-per-second.ts";
import { GovernedSystem } from "./system.ts";

/**
 * What a worker needs for many teams, each with its workflow, and how soon their crossings are told: `npm run check:govern -- --teams N`.
 * Totals are moved in PostgreSQL as grants and settles would move them; everything behind that is the real thing.
 */
export type ManyTeamsCounts = {
	readonly teams: number;
	/** Resident memory of the worker process. */
	readonly workerMegabytesMax: number;
	/** Totals that left for workflows, at the most, of either part. */
	readonly mostSentPerSecond: number;
	readonly secondsUntilAllTold: number;
	/** Until Temporal had no workflow task left of those: what crosses next meets a system that is not still starting. */
	readonly secondsUntilAllTaken: number;
	readonly crossings: number;
	/** From the commit of the crossing until Temporal had the signal with it in the history of the team's workflow. */
	readonly toldMs: Waits;
	/** From the same until the workflow's announcement, which makes the alert, stood in PostgreSQL. */
	readonly announcedMs: Waits;
};

type Waits = { readonly p50: number; readonly p99: number; readonly max: number };

const LIMIT = 1_000_000_000n;
const CROSSINGS_PER_SECOND = 50;
const CROSSING_SECONDS = 20;
/** Others whose totals move by more than 1 % in every second, so that there is always more to tell than may be told. */
const MOVING_TEAMS = 500;
/** Above those that cross. */
const FIRST_MOVING_TEAM = CROSSINGS_PER_SECOND * CROSSING_SECONDS + 1;
/** No bar: how soon an alert is made is up to Temporal; the measurement has to end. */
const ANNOUNCED_WITHIN_MS = 180_000;
const LIMITS = { workerMegabytes: 1_024, sentPerSecond: 50, toldMs: 2_000 } as const;

const MAKE_TEAMS = "INSERT INTO tollgate.team (id) SELECT 'many-' || n FROM generate_series(1, $1::int) n";
const MAKE_BUDGETS = `
	INSERT INTO tollgate.budget (team_id, dimension, window_kind, limit_amount)
	SELECT 'many-' || n, 'team', 'quarter', $2::bigint FROM generate_series(1, $1::int) n`;
const OPEN_WINDOWS = "SELECT count(tollgate.open_window(id)) FROM tollgate.budget WHERE team_id LIKE 'many-%'";
const MAKE_LEASES = `
	INSERT INTO tollgate.lease (gateway_id, epoch, window_id, granted, posted, version)
	SELECT 'many', 1, w.id, 0, 0, 1 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id LIKE 'many-%'`;
/** Raises what is granted and posted, as a grant and a settle do. */
const MOVE = `
	WITH moved AS (
		UPDATE tollgate.lease l SET granted = l.granted + $2::bigint, posted = l.posted + $2::bigint, version = l.version + 1
		FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE w.id = l.window_id AND l.gateway_id = 'many' AND b.team_id = ANY ($1)
		RETURNING l.window_id
	)
	UPDATE tollgate.budget_window SET granted = granted + $2::bigint FROM moved WHERE id = moved.window_id RETURNING clock_timestamp() AS at`;
const TOLD_TEAMS = "SELECT count(*)::int AS told FROM tollgate.totals_told WHERE team_id LIKE 'many-%'";
const FIRED = "SELECT team_id, at FROM tollgate.governance_event WHERE team_id LIKE 'many-%' AND event = 'threshold.warn.fired'";

export async function measureManyTeams(input: { seed: number; teams: number; folder: string; onProgress: (line: string) => void }): Promise<ManyTeamsCounts> {
	const { teams, folder, onProgress } = input;
	const system = await GovernedSystem.open(folder, { keepsTemporal: false });
	try {
		await system.sql(MAKE_TEAMS, [teams]);
		await system.sql(MAKE_BUDGETS, [teams, LIMIT.toString()]);
		await system.sql(OPEN_WINDOWS);
		await system.sql(MAKE_LEASES);
		const watch = watchWorker(system);
		const startedAtMs = performance.now();
		await until(
			`${teams} workflows`,
			async () => {
				const told = (await system.sql<{ told: number }>(TOLD_TEAMS))[0]?.told ?? 0;
				onProgress(`${told} of ${teams} workflows are told`);
				if (told < teams) await new Promise((resolve) => setTimeout(resolve, 2_000)); // the measurement is not to be the load
				return told === teams;
			},
			(teams / LIMITS.sentPerSecond) * 3_000 + 60_000,
		);
		const secondsUntilAllTold = Math.round((performance.now() - startedAtMs) / 1_000);
		await until(
			"the workflows' tasks",
			async () => {
				const waiting = await system.waitingWorkflowTasks();
				onProgress(`${waiting} workflow tasks wait`);
				if (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 2_000)); // as above
				return waiting === 0;
			},
			(teams / LIMITS.sentPerSecond) * 3_000 + 60_000,
		);
		const secondsUntilAllTaken = Math.round((performance.now() - startedAtMs) / 1_000);
		const crossed = await crossAll(system, { teams, random: createRandom(input.seed), onProgress });
		const watched = await watch.stop();
		const counts = {
			teams,
			...watched,
			secondsUntilAllTold,
			secondsUntilAllTaken,
			crossings: crossed.length,
			toldMs: waitsOf(await toldMsOf(system, crossed)),
			announcedMs: waitsOf(crossed.map(({ announcedMs }) => announcedMs)),
		};
		onProgress(JSON.stringify(counts));
		refuseAbove("resident memory of the worker, MB", counts.workerMegabytesMax, LIMITS.workerMegabytes);
		refuseAbove("totals sent in one second", counts.mostSentPerSecond, LIMITS.sentPerSecond);
		refuseAbove("milliseconds until a crossing was told", counts.toldMs.max, LIMITS.toldMs);
		return counts;
	} finally {
		await system.close();
	}
}

function refuseAbove(what: string, measured: number, limit: number): void {
	if (measured > limit) throw new Broken(`${what}: ${measured}, more than ${limit}`);
}

type Crossed = { readonly teamId: string; readonly atMs: number; readonly announcedMs: number };

type Crossing = { readonly teams: number; readonly random: Random; readonly onProgress: (line: string) => void };

/** Fifty teams a second pass 80 % of their limits while hundreds of others move. */
async function crossAll(system: GovernedSystem, { teams, random, onProgress }: Crossing): Promise<Crossed[]> {
	const crossedAt = new Map<string, Date>();
	let next = 1;
	for (let second = 0; second < CROSSING_SECONDS && next <= teams; second += 1) {
		const beganAtMs = performance.now();
		const crossing = Array.from({ length: Math.min(CROSSINGS_PER_SECOND, teams - next + 1) }, (_, index) => `many-${next + index}`);
		next += crossing.length;
		const [moved] = await system.sql<{ at: Date }>(MOVE, [crossing, ((LIMIT * 85n) / 100n).toString()]);
		for (const teamId of crossing) crossedAt.set(teamId, moved?.at ?? new Date());
		const others = Array.from({ length: MOVING_TEAMS }, () => random.integer(FIRST_MOVING_TEAM, Math.max(teams, FIRST_MOVING_TEAM)));
		await system.sql(MOVE, [others.filter((team) => team <= teams).map((team) => `many-${team}`), ((LIMIT * 2n) / 100n).toString()]);
		await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1_000 - (performance.now() - beganAtMs))));
	}
	const fired = await until(
		"all crossings",
		async () => {
			const rows = await system.sql<{ team_id: string; at: Date }>(FIRED);
			const ofCrossed = rows.filter(({ team_id }) => crossedAt.has(team_id));
			onProgress(`${ofCrossed.length} of ${crossedAt.size} crossings are announced`);
			if (ofCrossed.length < crossedAt.size) await new Promise((resolve) => setTimeout(resolve, 2_000)); // as above
			return ofCrossed.length === crossedAt.size && ofCrossed;
		},
		ANNOUNCED_WITHIN_MS,
	);
	return fired.map(({ team_id: teamId, at }) => {
		const atMs = crossedAt.get(teamId)?.getTime() ?? 0;
		return { teamId, atMs, announcedMs: at.getTime() - atMs };
	});
}

/** As Temporal wrote it down, not as the publisher saw it. */
async function toldMsOf(system: GovernedSystem, crossed: readonly Crossed[]): Promise<number[]> {
	const waits: number[] = [];
	for (const { teamId, atMs } of crossed) {
		const reports = await system.reportsTo(teamId);
		const told = reports.find(({ report }) => report.windows.some(({ posted }) => BigInt(posted) >= (LIMIT * 80n) / 100n));
		if (told === undefined) throw new Broken(`the workflow of ${teamId} was not told of its crossing`);
		waits.push(Math.round(told.atMs - atMs));
	}
	return waits;
}

function waitsOf(milliseconds: readonly number[]): Waits {
	const sorted = milliseconds.toSorted((left, right) => left - right);
	const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
	return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

type Watched = Pick<ManyTeamsCounts, "workerMegabytesMax" | "mostSentPerSecond">;

/** Looks at the worker twice a second. */
function watchWorker(system: GovernedSystem): { stop(): Promise<Watched> } {
	const sent: CountRead[] = [];
	let workerMegabytesMax = 0;
	const look = async (): Promise<void> => {
		const status = readFileSync(`/proc/${system.workerPid}/status`, "utf8");
		workerMegabytesMax = Math.max(workerMegabytesMax, Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024));
		const askedAtMs = performance.now();
		const count = Number(/^tollgate_totals_sent_total (\d+)$/m.exec(await system.workerMetrics())?.[1] ?? 0);
		sent.push({ askedAtMs, answeredAtMs: performance.now(), count });
	};
	let isStopped = false;
	let problem: unknown;
	const keepLooking = async (): Promise<void> => {
		while (!isStopped) {
			await look();
			await new Promise((resolve) => setTimeout(resolve, 500));
		}
	};
	const looking = keepLooking().catch((error: unknown) => {
		problem = error;
	});
	return {
		async stop() {
			isStopped = true;
			await looking;
			if (problem !== undefined) throw problem;
			return { workerMegabytesMax, mostSentPerSecond: mostPerSecond(sent) };
		},
	};
}
