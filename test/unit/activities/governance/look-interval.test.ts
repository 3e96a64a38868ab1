import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TotalsPublisher } from "#activities/governance/totals-publisher.ts";
import type { TotalsSource } from "#activities/governance/totals-source.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

/** Looks begun within ten seconds where one takes so long. */
async function looksInTenSeconds(lookMs: number): Promise<number> {
	let looks = 0;
	const source = {
		tryLock: async () => true,
		readUntoldPolicies: async () => new Map(),
		movedSince: async () => [],
		readTeams: async () => [],
		async readHorizon() {
			looks++;
			await new Promise((resolve) => setTimeout(resolve, lookMs));
			return "1";
		},
		teamsRefused: async () => new Map(),
	} as unknown as TotalsSource;
	const observer = {
		reachabilityChanged: () => undefined,
		roleChanged: () => undefined,
		failed(error: unknown) {
			throw error;
		},
	};
	const openingBalances = { refresh: () => undefined, settled: async () => undefined };
	const publisher = new TotalsPublisher({ source, sink: { reportTotals: async () => undefined }, observer, openingBalances, now: () => Date.now() });
	publisher.start(0);
	await vi.advanceTimersByTimeAsync(10_000);
	const stopped = publisher.stop();
	await vi.advanceTimersByTimeAsync(lookMs);
	await stopped;
	return looks;
}

test.each([
	{ lookMs: 10, looks: 40 },
	{ lookMs: 125, looks: 20 },
	{ lookMs: 250, looks: 10 },
	{ lookMs: 900, looks: 10 },
])("a look that takes $lookMs ms is taken $looks times in ten seconds: a quarter of the time at most, and one look a second at least", async (given) => {
	const looks = await looksInTenSeconds(given.lookMs);
	expect(looks).toBeGreaterThanOrEqual(given.looks - 1);
	expect(looks).toBeLessThanOrEqual(given.looks + 2);
});
