import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RateAuthority } from "#activities/limits/port.ts";
import { createMemoryRates } from "#test/support/memory-rates.ts";
import { isAdmitted, openRateGateway, ratesOf } from "#test/support/rate-fleet.ts";
import { startVirtualTime, type VirtualTime } from "#test/support/virtual-time.ts";

/**
 * Random arrivals at up to eight gateways, with random delays on the way to PostgreSQL and back, in simulated time: never above the limit in
 * any minute, and at least nine tenths of it used where the demand is there. Calls in flight never above their limit.
 */
let time: VirtualTime;
beforeEach(() => {
	time = startVirtualTime();
});
afterEach(() => time.restore());

const MINUTES = 4;
const MINUTE_MS = 60_000;

type Run = {
	readonly gateways: number;
	readonly limit: number;
	readonly demand: number;
	readonly delayMs: number;
	readonly shape: Shape;
	readonly seed: number;
};
type Shape = "even" | "one" | "moving" | "bursts";

const runs = fc.record<Run>({
	gateways: fc.integer({ min: 1, max: 8 }),
	limit: fc.constantFrom(10, 25, 60, 120),
	demand: fc.constantFrom(3, 5),
	delayMs: fc.constantFrom(0, 5, 80),
	shape: fc.constantFrom<Shape>("even", "one", "moving", "bursts"),
	seed: fc.nat(),
});

/** Small and seeded: the same run again is the same. */
function randomOf(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}

function delayed(authority: RateAuthority, mostMs: number, random: () => number): RateAuthority {
	const pause = () => (mostMs === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, random() * mostMs)));
	return {
		async takeRates(request) {
			await pause();
			const reply = await authority.takeRates(request);
			await pause();
			return reply;
		},
	};
}

function gatewayAt({ shape, gateways }: Run, atMs: number, random: () => number): number {
	if (shape === "one") return 0;
	if (shape === "moving") return Math.floor(atMs / 45_000) % gateways;
	return Math.floor(random() * gateways);
}

function arrivals(run: Run, random: () => number): number[] {
	const count = Math.round(run.limit * run.demand * MINUTES);
	const at = Array.from({ length: count }, () => {
		const second = random() * MINUTES * MINUTE_MS;
		return run.shape === "bursts" ? Math.floor(second / 7_000) * 7_000 + random() * 500 : second;
	});
	return at.sort((left, right) => left - right);
}

function openFleet(run: Run, random: () => number) {
	const { nowMs } = time;
	const memory = createMemoryRates(nowMs);
	return Array.from({ length: run.gateways }, (_, index) => openRateGateway(delayed(memory.of(`g${index}`), run.delayMs, random), { nowMs }));
}

/** The most that fell into any minute, by amounts at times (ascending). */
function mostInAMinute(taken: readonly { readonly atMs: number; readonly amount: number }[]): number {
	let most = 0;
	let sum = 0;
	let oldest = 0;
	for (const { atMs, amount } of taken) {
		sum += amount;
		while ((taken[oldest]?.atMs ?? 0) <= atMs - MINUTE_MS) sum -= taken[oldest++]?.amount ?? 0;
		most = Math.max(most, sum);
	}
	return most;
}

test("requests: never above the limit in any minute, nine tenths of it used", { timeout: 180_000 }, async () => {
	await fc.assert(
		fc.asyncProperty(runs, async (run) => {
			const startMs = time.nowMs();
			const random = randomOf(run.seed);
			const fleet = openFleet(run, random);
			const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: run.limit });
			const taken: { atMs: number; amount: number }[] = [];
			for (const atMs of arrivals(run, random)) {
				await time.advanceTo(startMs + atMs);
				const gateway = fleet[gatewayAt(run, atMs, random)];
				void gateway?.call(rates).then((answer) => isAdmitted(answer) && taken.push({ atMs: time.nowMs(), amount: 1 }));
			}
			await time.advanceTo(time.nowMs() + 2_000);
			expect(mostInAMinute(taken)).toBeLessThanOrEqual(run.limit);
			expect(taken.length).toBeGreaterThanOrEqual(0.9 * run.limit * MINUTES);
			const closed = Promise.all(fleet.map(({ keeper }) => keeper.close()));
			await time.advanceTo(time.nowMs() + 1_000);
			await closed;
			expect(fleet.flatMap(({ errors }) => errors)).toEqual([]);
		}),
		{ numRuns: 40 },
	);
});

test("tokens: what was used, corrected when calls end, is never above the limit in any minute", { timeout: 180_000 }, async () => {
	await fc.assert(
		fc.asyncProperty(runs, async (run) => {
			const startMs = time.nowMs();
			const random = randomOf(run.seed);
			const fleet = openFleet(run, random);
			const limit = run.limit * 100;
			const rates = ratesOf({ dimension: "user", dimensionValue: "*", tokensPerMinute: limit });
			const taken: { atMs: number; amount: number }[] = [];
			for (const atMs of arrivals({ ...run, demand: 2 * run.demand }, random)) {
				await time.advanceTo(startMs + atMs);
				const gateway = fleet[gatewayAt(run, atMs, random)];
				const bound = 50 + Math.floor(random() * 150);
				const used = Math.floor(random() * bound);
				const lastsMs = random() * 20_000;
				void gateway?.call(rates, { tokens: bound }).then((answer) => {
					if (!isAdmitted(answer)) return;
					taken.push({ atMs: time.nowMs(), amount: used });
					setTimeout(() => gateway.keeper.end(answer, { isSent: true, tokensUsed: used }), lastsMs);
				});
			}
			await time.advanceTo(time.nowMs() + 25_000);
			expect(mostInAMinute(taken)).toBeLessThanOrEqual(limit);
			const total = taken.reduce((sum, { amount }) => sum + amount, 0);
			// What calls may still take is held beside what they used: with as much asked for again, a third of the limit at least is used.
			expect(total).toBeGreaterThanOrEqual(0.33 * limit * MINUTES);
			const closed = Promise.all(fleet.map(({ keeper }) => keeper.close()));
			await time.advanceTo(time.nowMs() + 1_000);
			await closed;
		}),
		{ numRuns: 40 },
	);
});

test("calls in flight: never above the limit, and none is left when all have ended", { timeout: 180_000 }, async () => {
	await fc.assert(
		fc.asyncProperty(runs, async (run) => {
			const startMs = time.nowMs();
			const random = randomOf(run.seed);
			const fleet = openFleet(run, random);
			const limit = Math.ceil(run.limit / 5);
			const rates = ratesOf({ dimension: "team", dimensionValue: "", inFlight: limit });
			let open = 0;
			let most = 0;
			let admitted = 0;
			for (const atMs of arrivals(run, random)) {
				await time.advanceTo(startMs + atMs);
				const gateway = fleet[gatewayAt(run, atMs, random)];
				const lastsMs = random() * 30_000;
				const isSent = random() > 0.1;
				void gateway?.call(rates).then((answer) => {
					if (!isAdmitted(answer)) return;
					admitted += 1;
					open += 1;
					most = Math.max(most, open);
					setTimeout(() => {
						open -= 1;
						gateway.keeper.end(answer, { isSent, tokensUsed: undefined });
					}, lastsMs);
				});
			}
			await time.advanceTo(time.nowMs() + 40_000);
			expect(most).toBeLessThanOrEqual(limit);
			expect(admitted).toBeGreaterThan(limit);
			expect(fleet.map(({ keeper }) => keeper.inFlight)).toEqual(fleet.map(() => 0));
			const closed = Promise.all(fleet.map(({ keeper }) => keeper.close()));
			await time.advanceTo(time.nowMs() + 1_000);
			await closed;
		}),
		{ numRuns: 40 },
	);
});
