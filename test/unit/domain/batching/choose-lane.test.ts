import { describe, expect, test } from "vitest";
import { chooseCallerLane, chooseLane, type LaneChoiceConditions, type LaneItem, type RunTries } from "#domain/batching/choose-lane.ts";
import { UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";

const NOW = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const limits = { itemsMax: 10, bytesMax: 1_000, embeddingInputsMax: undefined, enqueuedTokensMax: undefined, itemOverheadBytes: 0 };
const conditions: LaneChoiceConditions = {
	...{ nowMs: NOW, turnaround: UNKNOWN_TURNAROUND, fillWaitMs: 0, realTimeP99Ms: 60_000, marginMs: 300_000, limits, mayBatch: true },
};
const item = (more: Partial<LaneItem> = {}): LaneItem => ({
	...{
		bytes: 10,
		boundInputTokens: 10,
		realTimeNanoUsd: 200n,
		batchNanoUsd: 100n,
		deadlineMs: NOW + HOUR_MS,
		mayGoRealTime: true,
		tries: 0,
		lastLane: null,
		...more,
	},
});

describe("the first time", () => {
	test.each<[string, Partial<LaneItem>, string]>([
		["a deadline that the provider's window passes", {}, "real_time"],
		["a deadline beyond the window", { deadlineMs: NOW + 25 * HOUR_MS }, "batch"],
		["no deadline", { deadlineMs: null }, "batch"],
		["a deadline that is past", { deadlineMs: NOW - 1 }, "real_time"],
		["too little time, and real time forbidden", { mayGoRealTime: false }, "batch"],
		["no saving", { deadlineMs: null, batchNanoUsd: 200n }, "real_time"],
		["more bytes than a batch takes", { deadlineMs: null, bytes: 2_000 }, "real_time"],
		["more bytes than a batch takes, and real time forbidden", { deadlineMs: null, bytes: 2_000, mayGoRealTime: false }, "end"],
	])("%s", (_, more, lane) => {
		expect(chooseLane(item(more), conditions)).toBe(lane);
	});

	test("an account that runs no batches leaves real time alone", () => {
		expect(chooseLane(item({ deadlineMs: null }), { ...conditions, mayBatch: false })).toBe("real_time");
		expect(chooseLane(item({ deadlineMs: null, mayGoRealTime: false }), { ...conditions, mayBatch: false })).toBe("end");
	});
});

describe("again", () => {
	test.each<[string, Partial<LaneItem>, string]>([
		["one batch, and time for another", { tries: 1, lastLane: "batch", deadlineMs: NOW + 25 * HOUR_MS }, "batch"],
		["one batch, and no time", { tries: 1, lastLane: "batch" }, "real_time"],
		["one batch, no time, and real time forbidden", { tries: 1, lastLane: "batch", mayGoRealTime: false }, "batch"],
		["one batch, too late, and real time forbidden", { tries: 1, lastLane: "batch", mayGoRealTime: false, deadlineMs: NOW - 1 }, "end"],
		["two batches", { tries: 2, lastLane: "batch", deadlineMs: null }, "real_time"],
		["two batches, and real time forbidden", { tries: 2, lastLane: "batch", deadlineMs: null, mayGoRealTime: false }, "end"],
		["real time, whatever time there is", { tries: 1, lastLane: "real_time", deadlineMs: null }, "real_time"],
		["three tries", { tries: 3, lastLane: "real_time", deadlineMs: null }, "end"],
	])("after %s", (_, more, lane) => {
		expect(chooseLane(item(more), conditions)).toBe(lane);
	});
});

describe("again, where a batch was not taken", () => {
	const far = NOW + 25 * HOUR_MS;
	test.each<[string, Partial<LaneItem>, RunTries, string]>([
		["was not taken, and has time", { tries: 1, deadlineMs: far }, { tries: [], untaken: 1 }, "batch"],
		["was not taken, and has no time left", { tries: 1 }, { tries: [], untaken: 1 }, "real_time"],
		["was not taken twice, and may not go in real time", { tries: 2, deadlineMs: null, mayGoRealTime: false }, { tries: [], untaken: 2 }, "batch"],
		["was never taken, and has time", { tries: 9, deadlineMs: null }, { tries: [], untaken: 9 }, "batch"],
		["was left undone, and then not taken", { tries: 2, deadlineMs: null }, { tries: [1], untaken: 1 }, "batch"],
		["was left undone twice, though another batch was not taken", { tries: 2, deadlineMs: null }, { tries: [1, 2], untaken: 1 }, "real_time"],
		["nobody spoke of twice", { tries: 3, deadlineMs: null, mayGoRealTime: false }, { tries: [], untaken: 1 }, "batch"],
		["was called twice, after it was not taken", { tries: 3, lastLane: "real_time", deadlineMs: null }, { tries: [2, 3], untaken: 1 }, "real_time"],
		["was called three times, after it was not taken", { tries: 4, lastLane: "real_time", deadlineMs: null }, { tries: [2, 3, 4], untaken: 1 }, "end"],
	])("what %s", (_, more, ran, lane) => {
		expect(chooseLane(item({ lastLane: "batch", ...more }), conditions, ran)).toBe(lane);
	});
});

describe("an item of a caller's own batch", () => {
	const [resubmit, relane, both] = [
		{ mayResubmit: true, mayRelane: false },
		{ mayResubmit: false, mayRelane: true },
		{ mayResubmit: true, mayRelane: true },
	];
	test.each<[string, typeof both, number, LaneItem["lastLane"], string]>([
		["the first time", relane, 0, null, "batch"],
		["after a batch, in real time alone", relane, 1, "batch", "real_time"],
		["after a batch and a call", relane, 2, "real_time", "real_time"],
		["after three tries", relane, 3, "real_time", "end"],
		["after a batch, with both rules", both, 1, "batch", "batch"],
		["after two batches, with both rules", both, 2, "batch", "real_time"],
		["after a batch and a call, with both rules", both, 2, "real_time", "real_time"],
		["after two batches, with another batch alone", resubmit, 2, "batch", "end"],
		["after a batch, with another batch alone", resubmit, 1, "batch", "batch"],
	])("%s", (_, rules, tries, lastLane, lane) => {
		expect(chooseCallerLane({ tries, lastLane }, rules)).toBe(lane);
	});

	test.each<[string, typeof both, number, LaneItem["lastLane"], { tries: number[]; untaken: number }, string]>([
		["was not taken, goes with a batch", relane, 1, "batch", { tries: [], untaken: 1 }, "batch"],
		["was never taken, goes with a batch after any number of them", resubmit, 9, "batch", { tries: [], untaken: 9 }, "batch"],
		["was left undone, goes in real time though another batch was not taken", relane, 1, "batch", { tries: [1], untaken: 1 }, "real_time"],
		["was left undone and then not taken, goes with a batch", both, 2, "batch", { tries: [1], untaken: 1 }, "batch"],
		["was left undone after it was not taken, has had one try", both, 2, "batch", { tries: [2], untaken: 1 }, "batch"],
		["nobody spoke of, goes with one batch more", relane, 2, "batch", { tries: [], untaken: 1 }, "batch"],
		["nobody spoke of twice, goes no more with a batch", relane, 3, "batch", { tries: [], untaken: 1 }, "real_time"],
		["was called, goes with no batch any more", both, 2, "real_time", { tries: [1], untaken: 1 }, "real_time"],
	])("what %s", (_, rules, tries, lastLane, ran, lane) => {
		expect(chooseCallerLane({ tries, lastLane }, rules, ran)).toBe(lane);
	});
});
