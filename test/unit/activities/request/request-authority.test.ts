import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Departure } from "#activities/request/leaving.ts";
import { admitted, closePlayedAuthorities, openPlayedAuthority } from "#test/support/played-authority.ts";
import { testBound, testCall } from "#test/support/request-authority.ts";

/** How replies are put on the gateway's clock, and when a refusal stops holding: on a clock and an authority the test plays. */
const clock = { nowMs: 0 };

beforeEach(() => {
	clock.nowMs = 1_000;
	vi.spyOn(performance, "now").mockImplementation(() => clock.nowMs);
});

afterEach(async () => {
	vi.restoreAllMocks();
	await closePlayedAuthorities();
});

describe("a window on the gateway's clock", () => {
	it("ends counted from before asking: an answer that took long does not make it longer", async () => {
		const { authority, call } = await openPlayedAuthority({ item: { endsInMs: 500 }, onAsked: () => (clock.nowMs += 400) });
		(await admitted(call(10n))).release("test");
		clock.nowMs = 1_499;
		(await admitted(call(10n))).release("test");
		expect(authority.counters.grants).toBe(1);
		clock.nowMs = 1_500;
		const late = call(10n);
		expect(authority.counters.grants).toBe(2);
		await late;
	});

	it("begins counted from after the answer, where it was granted ahead", async () => {
		const { authority, beat, call, records, world } = await openPlayedAuthority({ item: { endsInMs: 3_000 }, ahead: { startsInMs: 3_000, endsInMs: 60_000 } });
		(await admitted(call(10n))).release("test");
		const asked = Promise.withResolvers<void>();
		world.onAsked = () => {
			clock.nowMs += 300;
			asked.resolve();
		};
		beat();
		await asked.promise;
		await new Promise((resolve) => setImmediate(resolve)); // the answer is there
		world.isAway = true;
		world.onAsked = () => undefined;
		clock.nowMs = 4_299;
		const leaving = new Departure();
		const early = call(10n, leaving);
		leaving.leave();
		expect((await early).kind).toBe("refused"); // it waited, and was told that he left
		clock.nowMs = 4_300;
		const grants = authority.counters.grants;
		await admitted(call(10n));
		expect([authority.counters.grants, records.at(-1)]).toMatchObject([grants, { type: "reservation", windows: [{ id: "12" }] }]);
	});
});

it("a remembered refusal is forgotten when money of its budget comes free: the next one has the numbers of a new grant", async () => {
	const { authority, call, refusals, world } = await openPlayedAuthority();
	const open = await admitted(call(10n));
	world.item = { posted: 900n, granted: 1_000n };
	for (let round = 0; round < 2; round++) expect((await call(500n)).kind).toBe("refused");
	expect(authority.counters.grants).toBe(2);
	open.release("test");
	expect((await call(500n)).kind).toBe("refused");
	expect(refusals.map(({ isRemembered }) => isRemembered)).toEqual([false, true, false]);
});

it("an output cap that a limit has set is journaled and sent like a clamp", async () => {
	const { authority, records } = await openPlayedAuthority();
	const resolution = await authority.resolveKey("tg-test");
	if (resolution.kind === "refused") throw new Error(resolution.message);
	const attempt = await admitted(authority.admit({ ...testCall(resolution.key, testBound(10n)), cappedOutputTokens: 10 }));
	expect([attempt.clampedOutputTokens, attempt.tokensBooked]).toEqual([10, undefined]);
	expect(records.at(-1)).toMatchObject({ type: "reservation", clampedOutputTokens: 10 });
	attempt.release("test");
	expect(attempt.tokensBooked).toBe(0);
});
