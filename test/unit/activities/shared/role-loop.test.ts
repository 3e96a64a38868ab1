import { beforeEach, expect, test, vi } from "vitest";
import { RoleLoop } from "#activities/shared/role-loop.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

let told: unknown[];
let isHeld: boolean;
let work: () => Promise<void>;
let looks: number;
let changes: number;
let loop: RoleLoop;

beforeEach(() => {
	[told, isHeld, looks, changes] = [[], true, 0, 0];
	work = async () => undefined;
	loop = new RoleLoop({
		tryLock: async () => isHeld,
		look: () => {
			looks += 1;
			return work();
		},
		observer: {
			reachabilityChanged: (isReachable) => void told.push(`reachable ${isReachable}`),
			roleChanged: (isRole) => void told.push(`role ${isRole}`),
			failed: (error) => void told.push(error),
		},
		now: () => performance.now(),
		intervalMs: () => 1,
		onRoleChange: () => {
			changes += 1;
		},
	});
});

const away = new CostControlError("authority.unreachable", "PostgreSQL is away");
const noTemporal = new CostControlError("governance.unreachable", "Temporal is away");

test("looks while the role is held alone, and says once that it was taken or lost", async () => {
	await loop.cycle();
	await loop.cycle();
	isHeld = false;
	await loop.cycle();
	expect([looks, told, changes]).toEqual([2, ["role true", "role false"], 2]);
});

test("an outage loses the role and is no error; anything else is one and keeps it", async () => {
	await loop.cycle();
	work = () => Promise.reject(away);
	await loop.cycle();
	expect(told).toEqual(["role true", "role false"]);
	for (const broken of [new Error("broken"), new CostControlError("batch.missing", "there is no such batch")]) {
		work = () => Promise.reject(broken);
		await expect(loop.cycle()).rejects.toBe(broken);
	}
	expect(told).toEqual(["role true", "role false", "role true"]);
});

test("Temporal away is said once, when it begins and when it is over; what is wrong with one alone is said each time", () => {
	expect([loop.isAway(noTemporal), loop.isAway(noTemporal)]).toEqual([true, true]);
	loop.temporalAnswered();
	loop.temporalAnswered();
	const wrong = new Error("no such workflow type");
	expect([loop.isAway(wrong), loop.isAway(wrong)]).toEqual([false, false]);
	expect(told).toEqual(["reachable false", "reachable true", wrong, wrong]);
});

test("goes on after a look that failed, and once stopped waits for the look under way and begins no other", async () => {
	const broken = new Error("broken");
	work = () => Promise.reject(broken);
	loop.start(0);
	await expect.poll(() => looks).toBeGreaterThan(1);
	expect(told).toContain(broken);
	let finish = (): void => undefined;
	work = () =>
		new Promise((resolve) => {
			finish = resolve;
		});
	const before = looks;
	await expect.poll(() => looks).toBe(before + 1);
	const stopped = vi.fn();
	const stopping = loop.stop().then(stopped);
	// A turn of the event loop, in which a stop that waits for nothing would be over.
	await new Promise((resolve) => setImmediate(resolve));
	expect(stopped).not.toHaveBeenCalled();
	vi.useFakeTimers();
	try {
		finish();
		await stopping;
		await vi.advanceTimersByTimeAsync(1_000);
	} finally {
		vi.useRealTimers();
	}
	expect(looks).toBe(before + 1);
});
