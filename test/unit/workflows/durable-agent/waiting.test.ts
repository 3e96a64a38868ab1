import { describe, expect, test } from "vitest";
import { CHECK_EVERY_MS_MAX, checkAgainMs } from "#workflows/durable-agent/waiting.ts";

const HOUR_MS = 3_600_000;

describe("when an agent looks again at a run that stands still", () => {
	test("is when the gateway says, between the floor and ten minutes", () => {
		expect(checkAgainMs(30_000, 0)).toBe(30_000);
		expect(checkAgainMs(3 * HOUR_MS, 0)).toBe(CHECK_EVERY_MS_MAX);
		expect(checkAgainMs(0, 0)).toBe(1_000);
		expect(checkAgainMs(-5, 0)).toBe(1_000);
		expect(checkAgainMs(Number.NaN, 0)).toBe(1_000);
		expect(checkAgainMs(1_000.4, 0)).toBe(1_001);
	});

	test("is ever later where nobody can say, or what is said is wrong each time", () => {
		for (const askAgainMs of [null, 0])
			expect(Array.from({ length: 12 }, (_, checks) => checkAgainMs(askAgainMs, checks) / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
	});

	test("makes about a thousand looks in a week, whatever is said", () => {
		for (const askAgainMs of [null, 0, 1, 900_000, 24 * HOUR_MS]) {
			let checks = 0;
			for (let waitedMs = 0; waitedMs < 168 * HOUR_MS; checks += 1) waitedMs += checkAgainMs(askAgainMs, checks);
			expect(checks).toBeGreaterThan(1_000);
			expect(checks).toBeLessThan(1_025);
		}
	});

	test("is a whole number of milliseconds after any number of looks", () => {
		expect(checkAgainMs(null, 1_000_000)).toBe(CHECK_EVERY_MS_MAX);
	});
});
