import { expect, it } from "vitest";
import { type CountRead, mostPerSecond } from "#test/govern/most-per-second.ts";

/** Of what happens at these times, looked at twice a second or so, with an answer that takes its time. */
function reads(times: readonly number[], seconds: number): CountRead[] {
	return Array.from({ length: Math.floor((seconds * 1_000) / 530) }, (_, index) => {
		const askedAtMs = index * 530;
		const answeredAtMs = askedAtMs + (index % 3) * 90;
		const seenAtMs = index % 2 === 0 ? askedAtMs : answeredAtMs;
		return { askedAtMs, answeredAtMs, count: times.filter((atMs) => atMs <= seenAtMs).length };
	});
}

const bursts = (each: number, seconds: number): number[] => Array.from({ length: seconds }, (_, second) => Array<number>(each).fill(second * 1_000 + 1)).flat();
const evenly = (perSecond: number, seconds: number): number[] => Array.from({ length: perSecond * seconds }, (_, index) => (index * 1_000) / perSecond);

it("is not above fifty for what happens fifty times in any second, at once or evenly, however slowly the reads are answered", () => {
	for (const times of [bursts(50, 40), evenly(50, 40)]) {
		expect(mostPerSecond(reads(times, 40))).toBeLessThanOrEqual(50);
		expect(mostPerSecond(reads(times, 40))).toBeGreaterThan(47);
	}
});

it("is above fifty for little more of it, in as many seconds as a measurement has", () => {
	for (const times of [bursts(53, 40), evenly(53, 40)]) expect(mostPerSecond(reads(times, 40))).toBeGreaterThan(50);
});

it("sees one part of it that is too fast", () => {
	const calm = evenly(20, 30);
	const fast = evenly(60, 15).map((atMs) => 30_000 + atMs);
	expect(mostPerSecond(reads([...calm, ...fast], 60))).toBeGreaterThan(50);
});

it("says nothing of what was looked at for less than ten seconds", () => {
	expect(mostPerSecond(reads(evenly(500, 9), 9))).toBe(0);
});
