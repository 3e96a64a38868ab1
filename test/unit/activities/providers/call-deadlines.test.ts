import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CallDeadlines, type Deadline } from "#activities/providers/call-deadlines.ts";

let deadlines: CallDeadlines;
let expired: string[];

beforeEach(() => {
	vi.useFakeTimers();
	deadlines = new CallDeadlines();
	expired = [];
});
afterEach(() => void vi.useRealTimers());

function begin(name: string, lengthMs: number): Deadline {
	return deadlines.begin({ expire: () => void expired.push(name) }, lengthMs);
}

test("each expires when its own time is over, and not before", () => {
	begin("first", 100);
	vi.advanceTimersByTime(40);
	begin("second", 100);
	begin("short", 20);
	vi.advanceTimersByTime(19);
	expect(expired).toEqual([]);
	vi.advanceTimersByTime(1);
	expect(expired).toEqual(["short"]);
	vi.advanceTimersByTime(40);
	expect(expired).toEqual(["short", "first"]);
	vi.advanceTimersByTime(39);
	expect(expired).toEqual(["short", "first"]);
	vi.advanceTimersByTime(1);
	expect(expired).toEqual(["short", "first", "second"]);
	expect(vi.getTimerCount()).toBe(0);
});

test("what was ended does not expire, wherever in the line it stood", () => {
	for (const ended of [0, 1, 2]) {
		expired = [];
		const begun = ["first", "second", "third"].map((name) => begin(name, 100));
		begun[ended]?.end();
		begun[ended]?.end();
		vi.advanceTimersByTime(100);
		expect(expired).toEqual(["first", "second", "third"].filter((_, index) => index !== ended));
	}
});

test("one timer serves however many calls, and the next call after all of them", () => {
	for (let call = 0; call < 50; call += 1) begin(`call ${call}`, 100).end();
	expect(vi.getTimerCount()).toBe(1);
	vi.advanceTimersByTime(60);
	begin("late", 100);
	expect(vi.getTimerCount()).toBe(1);
	vi.advanceTimersByTime(99);
	expect(expired).toEqual([]);
	vi.advanceTimersByTime(1);
	expect(expired).toEqual(["late"]);
});

test("a line in which nobody waits any more is begun anew", () => {
	begin("done", 100).end();
	vi.advanceTimersByTime(100);
	expect(vi.getTimerCount()).toBe(0);
	begin("again", 100);
	vi.advanceTimersByTime(100);
	expect(expired).toEqual(["again"]);
});

test("one that throws keeps none of the others", () => {
	deadlines.begin(
		{
			expire() {
				throw new Error("broken");
			},
		},
		100,
	);
	begin("other", 100);
	expect(() => vi.advanceTimersByTime(100)).toThrow("broken");
	vi.advanceTimersByTime(1);
	expect(expired).toEqual(["other"]);
});

test("who ends others when he expires ends them", () => {
	const begun: Deadline[] = [];
	deadlines.begin({ expire: () => begun[0]?.end() }, 100);
	begun.push(begin("ended by the first", 100));
	begin("last", 100);
	vi.advanceTimersByTime(100);
	expect(expired).toEqual(["last"]);
});

test("a call that is over keeps none that came after it", () => {
	const over = begin("over", 100);
	begin("later", 100);
	over.end();
	expect(over.next).toBeUndefined();
	expect(over.previous).toBeUndefined();
});

test("a line in which nobody waits keeps no process", () => {
	vi.useRealTimers();
	const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
	const before = timers();
	begin("over", 60_000).end();
	expect(timers()).toBe(before);
});
