import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TotalsPublisher } from "#activities/governance/totals-publisher.ts";
import type { TeamSnapshot, TotalsSource } from "#activities/governance/totals-source.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

/** A publisher of these teams, how often it has looked, and whom it told. */
function watchedPublisher({
	lookMs = 0,
	teams = [],
	answer = Promise.resolve(),
	recorded = async () => undefined,
}: {
	lookMs?: number;
	teams?: readonly TeamSnapshot[];
	answer?: Promise<void>;
	recorded?: () => Promise<void>;
}) {
	const seen = { looks: 0, told: [] as string[], failures: [] as unknown[] };
	const source = {
		tryLock: async () => true,
		readUntoldPolicies: async () => new Map(),
		movedSince: async () => [],
		teamIds: async () => teams.map(({ teamId }) => teamId),
		readTeams: async () => teams,
		async readHorizon() {
			seen.looks++;
			if (lookMs > 0) await new Promise((resolve) => setTimeout(resolve, lookMs));
			return "1";
		},
		teamsRefused: async () => new Map(),
		reports: async (teams: readonly TeamSnapshot[]) => teams.map(() => ({ windows: [] }) as unknown as TotalsReport),
		recordTold: recorded,
	} as unknown as TotalsSource;
	const observer = {
		reachabilityChanged: () => undefined,
		roleChanged: () => undefined,
		failed: (error: unknown) => void seen.failures.push(error),
	};
	const sink = {
		reportTotals(teamId: string): Promise<void> {
			seen.told.push(teamId);
			return answer;
		},
	};
	const openingBalances = { refresh: () => undefined, settled: async () => undefined };
	const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
	return { seen, publisher: new TotalsPublisher({ source, sink, observer, openingBalances, now: () => Date.now(), wait }) };
}

test.each([
	{ lookMs: 10, looks: 40 },
	{ lookMs: 125, looks: 20 },
	{ lookMs: 250, looks: 10 },
	{ lookMs: 900, looks: 10 },
])("a look that takes $lookMs ms is taken $looks times in ten seconds: a quarter of the time at most, and one look a second at least", async (given) => {
	const { publisher, seen } = watchedPublisher(given);
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(10_000);
	const stopped = publisher.stop();
	await vi.advanceTimersByTimeAsync(given.lookMs);
	await stopped;
	expect(seen.looks).toBeGreaterThanOrEqual(given.looks - 1);
	expect(seen.looks).toBeLessThanOrEqual(given.looks + 2);
});

const NOTHING = { approved: 0n, granted: 0n, posted: 0n, version: 1, refusals: 0, observedRefusals: 0 };

function teamCalled(teamId: string): TeamSnapshot {
	const windows = [{ windowId: `w-${teamId}`, limitAmount: 100n, lines: [], ...NOTHING }];
	return { teamId, windows, rows: [], freezeSeq: 0, documentRevision: 0, hasUntoldPolicy: false } as unknown as TeamSnapshot;
}

test("signals that are not answered yet hold up no look, and their teams are not told again meanwhile", async () => {
	const { promise: answer, resolve } = Promise.withResolvers<void>();
	const { publisher, seen } = watchedPublisher({ teams: [teamCalled("alpha"), teamCalled("beta")], answer });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(5_000);
	expect(seen.looks).toBeGreaterThanOrEqual(19);
	expect(seen.told).toEqual(["alpha", "beta"]);
	let isStopped = false;
	const stopped = publisher.stop().then(() => {
		isStopped = true;
	});
	await vi.advanceTimersByTimeAsync(1_000);
	expect(isStopped).toBe(false);
	resolve();
	await stopped;
});

const MANY = Array.from({ length: 40 }, (_, index) => teamCalled(`team-${index}`));

test("no more than 32 signals are on their way at once", async () => {
	const { promise: answer, resolve } = Promise.withResolvers<void>();
	const { publisher, seen } = watchedPublisher({ teams: MANY, answer });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(3_000);
	expect(seen.told).toHaveLength(32);
	resolve();
	await vi.advanceTimersByTimeAsync(3_000);
	expect(new Set(seen.told).size).toBe(MANY.length);
	await publisher.stop();
});

test("a crossing is told before those that came after it, although its team was told lately", async () => {
	const teams: TeamSnapshot[] = [];
	const crosses = (teamId: string, posted: bigint): TeamSnapshot => {
		const team = teamCalled(teamId);
		return { ...team, windows: team.windows.map((window) => ({ ...window, lines: [80n], posted, version: 2 })) };
	};
	for (let index = 0; index < 300; index++) teams.push(teamCalled(`old-${index}`));
	const { publisher, seen } = watchedPublisher({ teams });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(12_000);
	expect(new Set(seen.told).size).toBe(300);
	// Told just now, and again because it moved; then it crosses, and a second later more do than can be told at once.
	const lately = seen.told.at(-1) ?? "";
	const cross = (ids: ReadonlySet<string>) =>
		void teams.splice(0, teams.length, ...teams.map((team) => (ids.has(team.teamId) ? crosses(team.teamId, 90n) : team)));
	const others = teams.flatMap(({ teamId }) => (teamId === lately ? [] : [teamId]));
	seen.told.length = 0;
	cross(new Set([...others.slice(0, 80), lately]));
	await vi.advanceTimersByTimeAsync(900);
	cross(new Set(others.slice(80, 200)));
	await vi.advanceTimersByTimeAsync(6_000);
	const firstOfLater = seen.told.findIndex((teamId) => others.indexOf(teamId) >= 80);
	expect(seen.told.indexOf(lately)).toBeGreaterThanOrEqual(0);
	expect(seen.told.indexOf(lately)).toBeLessThan(firstOfLater);
	await publisher.stop();
});

test("what goes wrong behind a signal is told by the next look", async () => {
	const problem = new Error("a row that cannot be written");
	const { publisher, seen } = watchedPublisher({ teams: [teamCalled("alpha")], recorded: () => Promise.reject(problem) });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(600);
	expect(seen.failures[0]).toBe(problem);
	await publisher.stop();
});

test("with Temporal away no more than were on their way are tried, and one in each look that follows", async () => {
	const answer = Promise.reject(new CostControlError("governance.unreachable", "away"));
	answer.catch(() => undefined); // each signal hears it by itself
	const { publisher, seen } = watchedPublisher({ teams: MANY, answer });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(3_000);
	expect(seen.looks).toBeGreaterThan(5);
	expect(seen.told.length).toBeLessThanOrEqual(32 + seen.looks);
	await publisher.stop();
});
