import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Departure } from "#activities/request/leaving.ts";
import { WATCHERS_MAX } from "#activities/runs/run-watchers.ts";
import { GuardStand, type StandGateway } from "#test/support/guard-stand.ts";

let stand: GuardStand;
let gateway: StandGateway;

beforeEach(() => {
	vi.useFakeTimers();
	stand = new GuardStand(2);
	gateway = stand.first;
});

afterEach(() => {
	vi.useRealTimers();
});

const watched = (version: string | null, runId = "r-7", teamId = "search") => ({ teamId, runId, version });
const header = (runId: string, parentRunId: string | null = null) => ({ claim: { runId, parentRunId } });

/** What a promise has come to, without waiting for more than what is due. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
	await vi.advanceTimersByTimeAsync(0);
	return Promise.race([promise, Promise.resolve("waits")]);
}

async function stop(runId = "r-7"): Promise<void> {
	await stand.runs.decide({ runId, by: "ann", reason: "enough", decision: { kind: "stop" } });
}

describe("whoever watches a run", () => {
	test("is answered at once where it has another version than the one he knows", async () => {
		await gateway.step({});
		for (const version of [null, "7"]) expect(await gateway.guard.whenChanged(watched(version), 60_000, new Departure())).toMatchObject({ version: "1" });
	});

	test("waits until it changes, on a gateway that never served it, too", async () => {
		await gateway.step({});
		const waiting = stand.gateways.map(({ guard }) => guard.whenChanged(watched("1"), 60_000, new Departure()));
		for (const one of waiting) expect(await stateOf(one)).toBe("waits");
		await stop();
		for (const one of waiting) expect(await stateOf(one)).toMatchObject({ version: "2", state: "stopped" });
		expect(stand.gateways.map(({ guard }) => guard.sizes.watched)).toEqual([0, 0]);
	});

	test("is answered when his time is over, after a minute at most", async () => {
		await gateway.step({});
		const waiting = gateway.guard.whenChanged(watched("1"), 600_000, new Departure());
		expect(await stateOf(waiting)).toBe("waits");
		await vi.advanceTimersByTimeAsync(60_000);
		expect(await stateOf(waiting)).toMatchObject({ version: "1", state: "running" });
	});

	test("of another team finds no run, nor does one who names none", async () => {
		await gateway.step({});
		for (const one of stand.gateways) {
			expect(await one.guard.whenChanged(watched("1", "r-7", "support"), 60_000, new Departure())).toBeUndefined();
			expect(await one.guard.whenChanged(watched("1", "nobody"), 60_000, new Departure())).toBeUndefined();
		}
	});

	test("is not woken for good by another run of the tree", async () => {
		await gateway.step(header("r-7"));
		await gateway.step(header("r-7.1", "r-7"));
		await gateway.step(header("r-7.2", "r-7"));
		const other = stand.gateways[1]!;
		const waiting = other.guard.whenChanged(watched("1", "r-7.1"), 60_000, new Departure());
		expect(await stateOf(waiting)).toBe("waits");
		await stop("r-7.2");
		expect(await stateOf(waiting)).toBe("waits");
		await stop("r-7.1");
		expect(await stateOf(waiting)).toMatchObject({ runId: "r-7.1", state: "stopped" });
	});

	test("who leaves, or waits when the gateway ends, is waited for no longer", async () => {
		await gateway.step({});
		const leaving = new Departure();
		const waiting = [gateway.guard.whenChanged(watched("1"), 60_000, leaving), gateway.guard.whenChanged(watched("1"), 60_000, new Departure())];
		await vi.advanceTimersByTimeAsync(0);
		expect(gateway.guard.sizes.watched).toBe(2);
		leaving.leave();
		expect(gateway.guard.sizes.watched).toBe(1);
		gateway.guard.beginDrain();
		expect(await Promise.all(waiting)).toMatchObject([{ version: "1" }, { version: "1" }]);
		expect(await gateway.guard.whenChanged(watched("1"), 60_000, new Departure())).toMatchObject({ version: "1" });
	});

	test("hears of a change that came while he was asked after", async () => {
		await gateway.step({});
		const other = stand.gateways[1]!;
		const waiting = other.guard.whenChanged(watched("1"), 60_000, new Departure());
		await stop();
		expect(await stateOf(waiting)).toMatchObject({ version: "2" });
	});

	test("waits on while PostgreSQL is away, and is answered when his time is over", async () => {
		await gateway.step({});
		const waiting = gateway.guard.whenChanged(watched("1"), 10_000, new Departure());
		await vi.advanceTimersByTimeAsync(0);
		stand.runs.error = new Error("connection refused");
		gateway.guard.follow(["r-7"]);
		expect(await stateOf(waiting)).toBe("waits");
		await vi.advanceTimersByTimeAsync(10_000);
		expect(await stateOf(waiting)).toMatchObject({ version: "1" });
	});

	test("is asked to come again where ten thousand wait", async () => {
		await gateway.step({});
		const waiting = Array.from({ length: WATCHERS_MAX }, () => gateway.guard.whenChanged(watched("1"), 60_000, new Departure()));
		await vi.advanceTimersByTimeAsync(0);
		expect(gateway.guard.sizes.watched).toBe(WATCHERS_MAX);
		await expect(gateway.guard.whenChanged(watched("1"), 60_000, new Departure())).rejects.toMatchObject({ code: "gateway.overloaded" });
		gateway.guard.beginDrain();
		expect(await Promise.all(waiting)).toHaveLength(WATCHERS_MAX);
	});
});
