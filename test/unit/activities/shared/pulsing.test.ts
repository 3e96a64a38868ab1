import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createChargebackActivities } from "#activities/chargeback/activities.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { createReportActivities } from "#activities/reports/activities.ts";
import { pulsing } from "#activities/shared/pulsing.ts";

/** An activity that waits for one statement says that it is alive: else Temporal would give it to another worker after 20 seconds. */
beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

const silent: Queryable = { query: () => new Promise<never>(() => undefined) };
const heartbeat = vi.fn();
const ACTIVITIES = {
	...createChargebackActivities({ database: silent, heartbeat }),
	...createReportActivities({ database: silent, settings: { timeZone: "UTC" }, workflowId: () => undefined, heartbeat, now: Date.now }),
};

test.each(Object.keys(ACTIVITIES) as (keyof typeof ACTIVITIES)[])("%s beats while PostgreSQL says nothing", async (name) => {
	heartbeat.mockClear();
	void (ACTIVITIES[name] as (input: object) => Promise<unknown>)({ month: "2026-01", draft: 1, atMs: 0, kind: "daily", date: "2026-01-01" });
	await vi.advanceTimersByTimeAsync(19_000);
	expect(heartbeat.mock.calls.length).toBeGreaterThanOrEqual(3);
});

test.each(["done", "failed"])("work that is %s beats no more", async (how) => {
	heartbeat.mockClear();
	const work = pulsing(heartbeat, () => (how === "done" ? Promise.resolve() : Promise.reject(new Error("away"))));
	await work.catch(() => undefined);
	await vi.advanceTimersByTimeAsync(60_000);
	expect(heartbeat).not.toHaveBeenCalled();
});
