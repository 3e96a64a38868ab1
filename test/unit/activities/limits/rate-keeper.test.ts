import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RateProblem } from "#activities/limits/rate-keeper.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { RatePermit } from "#domain/limits/rate-permit.ts";
import { createMemoryRates, type MemoryRates } from "#test/support/memory-rates.ts";
import { CALLER, isAdmitted, openRateGateway, type RateGateway, ratesOf } from "#test/support/rate-fleet.ts";

let memory: MemoryRates;
let first: RateGateway;
let second: RateGateway;
const nowMs = () => Date.now();

beforeEach(() => {
	vi.useFakeTimers({ now: 0 });
	memory = createMemoryRates(nowMs);
	first = openRateGateway(memory.of("g1"), { nowMs });
	second = openRateGateway(memory.of("g2"), { nowMs });
});

afterEach(async () => {
	await Promise.all([first.keeper.close(), second.keeper.close()]);
	vi.useRealTimers();
});

const PER_MINUTE = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 20 });

async function calls(gateway: RateGateway, count: number, rates = PER_MINUTE): Promise<number> {
	const answers = Promise.all(Array.from({ length: count }, () => gateway.call(rates)));
	await vi.advanceTimersByTimeAsync(1_000);
	return (await answers).filter(isAdmitted).length;
}

const ended = { isSent: true, tokensUsed: undefined };

describe("rates of one gateway among others", () => {
	test("two gateways together admit the limit and no call more, and say when to try again", async () => {
		expect((await calls(first, 15)) + (await calls(second, 15))).toBe(20);
		const answer = second.call(PER_MINUTE);
		await vi.advanceTimersByTimeAsync(1_000);
		expect(await answer).toMatchObject({
			code: "limit.requests",
			message: expect.stringMatching(/^The limit of 20 requests per minute for team team is reached\. .* Try again in (59|60) s\.$/),
			limit: "requests; dimension=team; limit=20",
		});
	});

	test("a minute later there is room again, on whichever gateway it is asked for", async () => {
		expect(await calls(first, 20)).toBe(20);
		await vi.advanceTimersByTimeAsync(63_000);
		expect(await calls(second, 25)).toBe(20);
	});

	test("a steady flow waits for PostgreSQL only until its first minute is full", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 600 });
		const flow = async (seconds: number): Promise<void> => {
			for (let step = 0; step < seconds * 5; step++) {
				const answer = first.call(rates);
				await vi.advanceTimersByTimeAsync(200);
				expect(isAdmitted(await answer)).toBe(true);
			}
		};
		await flow(70);
		const before = first.counters.sqlRoundTripsBeforeSend;
		await flow(60);
		expect(first.counters.sqlRoundTripsBeforeSend - before).toBe(0);
	});

	test("calls in flight come free when they end, wherever they are", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", inFlight: 3 });
		const held = (await Promise.all([first.call(rates), first.call(rates), second.call(rates)])).filter(isAdmitted);
		expect(held).toHaveLength(3);
		expect(await calls(second, 1, rates)).toBe(0);
		first.keeper.end(held[0] as RatePermit, ended);
		await vi.advanceTimersByTimeAsync(2_500);
		expect(await calls(second, 2, rates)).toBe(1);
	});

	test("a call that is not sent gives back all it took, one that is sent the tokens it did not use", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 1, tokensPerMinute: 100, inFlight: 1 });
		const unsent = (await first.call(rates, { tokens: 100 })) as RatePermit;
		first.keeper.end(unsent, { isSent: false, tokensUsed: undefined });
		const sent = (await first.call(rates, { tokens: 100 })) as RatePermit;
		expect(isAdmitted(sent)).toBe(true);
		first.keeper.end(sent, { isSent: true, tokensUsed: 30 });
		const tokensOnly = ratesOf({ dimension: "team", dimensionValue: "", tokensPerMinute: 100 });
		expect(isAdmitted(await first.call(tokensOnly, { tokens: 70 }))).toBe(true);
		expect(await first.call(tokensOnly, { tokens: 1 })).toMatchObject({ code: "limit.tokens" });
	});

	test("a permit ends once", async () => {
		const permit = (await first.call(PER_MINUTE)) as RatePermit;
		first.keeper.end(permit, ended);
		expect(() => first.keeper.end(permit, ended)).toThrow("a permit ends once");
	});

	test("a second try of the same call counts as the same request, with the larger of its tokens", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 1, tokensPerMinute: 100 });
		const permit = (await first.call(rates, { tokens: 40 })) as RatePermit;
		expect(await first.keeper.take(permit, 100)).toBeUndefined();
		expect(await first.keeper.take(permit, 60)).toBeUndefined();
		first.keeper.end(permit, ended);
		expect(await first.call(rates, { tokens: 1 })).toMatchObject({ code: "limit.requests" });
	});

	test("all or nothing: a call that one rate refuses takes nothing of the others", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 50 }, { dimension: "user", dimensionValue: "*", requestsPerMinute: 1 });
		expect(isAdmitted(await first.call(rates, { caller: { user: "ann" } }))).toBe(true);
		for (let again = 0; again < 5; again++) expect(await first.call(rates, { caller: { user: "ann" } })).toMatchObject({ code: "limit.requests" });
		const others = Array.from({ length: 49 }, (_, index) => first.call(rates, { caller: { user: `user${index}` } }));
		expect((await Promise.all(others)).filter(isAdmitted)).toHaveLength(49);
	});

	test("the limit that is reached is named, not one whose share here is short because nothing was raised for a call that did not fit", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", requestsPerMinute: 9 }, { dimension: "user", dimensionValue: "*", requestsPerMinute: 1 });
		expect(isAdmitted(await first.call(rates))).toBe(true);
		const named = {
			limit: "requests; dimension=user; limit=1",
			evidence: { limit: "requests; dimension=user; limit=1", limitAmount: 1n, stoodAt: 1n, need: 1n },
		};
		expect(await first.call(rates)).toMatchObject({ ...named, evidence: { ...named.evidence, isRemembered: false } });
		expect(await first.call(rates)).toMatchObject({ ...named, evidence: { ...named.evidence, waitedMs: 0, isRemembered: true } });
	});

	test("a refusal says how much all gateways had taken, so that the call did not fit, and how long it waited", async () => {
		const tokens = ratesOf({ dimension: "team", dimensionValue: "", tokensPerMinute: 100 });
		await first.call(tokens, { tokens: 60 });
		await second.call(tokens, { tokens: 30 });
		const answer = second.call(tokens, { tokens: 20 });
		await vi.advanceTimersByTimeAsync(1_000);
		const { evidence } = (await answer) as RateProblem;
		expect(evidence).toMatchObject({ limit: "tokens; dimension=team; limit=100", limitAmount: 100n, need: 20n });
		expect(evidence?.stoodAt).toBeGreaterThanOrEqual(90n);
		expect(evidence?.stoodAt).toBeLessThanOrEqual(100n);
		expect(evidence?.waitedMs).toBeLessThanOrEqual(700);
	});

	test("a call that waits while the limit is lowered is refused by the limit in force", async () => {
		const inFlight = (limit: number) => ratesOf({ dimension: "team", dimensionValue: "", inFlight: limit });
		await Promise.all([first.call(inFlight(3)), first.call(inFlight(3)), first.call(inFlight(3))]);
		const waiting = first.call(inFlight(3));
		first.keeper.end(first.keeper.open(inFlight(2), CALLER) as RatePermit, { isSent: false, tokensUsed: undefined });
		await vi.advanceTimersByTimeAsync(1_000);
		const { limit, message, evidence } = (await waiting) as RateProblem;
		expect([limit, evidence?.limitAmount, evidence?.stoodAt]).toEqual(["in_flight; dimension=team; limit=2", 2n, 3n]);
		expect(message).toContain("limit of 2 calls at a time");
	});

	test("who is refused hears it again from memory, without another question", async () => {
		expect(await calls(first, 20)).toBe(20);
		expect(await calls(first, 1)).toBe(0);
		const before = first.counters.sqlRoundTripsBeforeSend;
		expect((await Promise.all([first.call(PER_MINUTE), first.call(PER_MINUTE)])).filter(isAdmitted)).toHaveLength(0);
		await vi.advanceTimersByTimeAsync(0);
		expect((await Promise.all([first.call(PER_MINUTE), first.call(PER_MINUTE)])).filter(isAdmitted)).toHaveLength(0);
		expect(first.counters.sqlRoundTripsBeforeSend - before).toBeLessThanOrEqual(2);
	});
});

describe("while PostgreSQL does not answer", () => {
	test("a gateway goes on within what it had of the limit, and no further", async () => {
		expect(await calls(first, 12)).toBe(12);
		const share = memory.shares("team|requests|team|one|");
		memory.problem = new CostControlError("authority.unreachable", "away");
		await vi.advanceTimersByTimeAsync(62_000);
		const answers = Promise.all(Array.from({ length: 20 }, () => first.call(PER_MINUTE)));
		await vi.advanceTimersByTimeAsync(5_000);
		const admitted = (await answers).filter(isAdmitted).length;
		expect(admitted).toBeGreaterThan(0);
		expect(admitted).toBeLessThanOrEqual(share);
		expect((await answers).find((answer) => !isAdmitted(answer))).toMatchObject({ code: "authority.unreachable" });
		memory.problem = undefined;
	});

	test("a gateway that has no share admits nothing", async () => {
		memory.problem = new CostControlError("authority.unreachable", "away");
		const answer = first.call(PER_MINUTE);
		await vi.advanceTimersByTimeAsync(3_000);
		expect(await answer).toMatchObject({ code: "authority.unreachable", retryAfterSeconds: 2 });
		memory.problem = undefined;
	});
});

describe("counters of many values", () => {
	test("are forgotten when nobody used them for a while, and their shares are back before", async () => {
		const each = ratesOf({ dimension: "user", dimensionValue: "*", inFlight: 2 });
		for (let index = 0; index < 50; index++) {
			const permit = (await first.call(each, { caller: { user: `user${index}` } })) as RatePermit;
			first.keeper.end(permit, ended);
		}
		await vi.advanceTimersByTimeAsync(10_000);
		expect(memory.shares("team|in_flight|user|each|user7")).toBe(0);
		expect(first.keeper.inFlight).toBe(0);
	});

	test("are bounded in number: what cannot be counted is refused, not let through", async () => {
		const small = openRateGateway(memory.of("g3"), { nowMs, maxCounters: 2 });
		const each = ratesOf({ dimension: "user", dimensionValue: "*", requestsPerMinute: 5 });
		for (const user of ["a", "b"]) expect(isAdmitted(await small.call(each, { caller: { user } }))).toBe(true);
		expect(small.keeper.open(each, { teamId: "team", feature: null, user: "c", model: "m", key: "k" })).toBe("full");
		await small.keeper.close();
	});

	test("leave nothing behind when the gateway ends", async () => {
		const rates = ratesOf({ dimension: "team", dimensionValue: "", inFlight: 10 });
		const permits = (await Promise.all(Array.from({ length: 10 }, () => first.call(rates)))).filter(isAdmitted);
		for (const permit of permits) first.keeper.end(permit, ended);
		await first.keeper.close();
		expect(memory.shares("team|in_flight|team|one|")).toBe(0);
		expect(await first.call(rates)).toMatchObject({ code: "authority.unreachable" });
	});
});
