import { expect, test } from "vitest";
import type { PartRecord, ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { type JobStep, movesToEnd, nextMove } from "#domain/batching/job-plan.ts";
import { reduceJob, type StepOutcome } from "#domain/batching/job-reducer.ts";
import { emptyJob, type JobBatch, type JobPicture, type JobState, jobWord } from "#domain/batching/job-state.ts";

const NOW = 1_700_000_000_000;
const batch: JobBatch = {
	...{ state: "running", version: "1", protocol: "openai", provider: "openai", model: "m-1", items: 2, rules: { mayResubmit: false, mayRelane: false } },
	counts: { open: 2, succeeded: 0, errored: 0, expired: 0, cancelled: 0 },
	...{ heldNanoUsd: "200", settledNanoUsd: "0", createdAtMs: NOW, deadlineMs: null, cancelAskedAtMs: null, problem: null },
};
const part = (more: Partial<PartRecord> = {}): PartRecord => ({
	...{ batchId: "batch_1", part: 1, token: "t-1", state: "written", items: 2, bytes: 10, providerFileId: null, providerBatchId: null },
	...{ submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null, ...more },
});
const status = (state: ProviderBatchStatus["state"], more: Partial<ProviderBatchStatus> = {}): ProviderBatchStatus => ({
	...{ providerBatchId: "pb-1", state, total: 2, succeeded: 0, failed: 0, problems: [], createdAtMs: NOW, expiresAtMs: null },
	...{ outputFileId: null, errorFileId: null, resultsUrl: null, ...more },
});

function jobOf(parts: PartRecord[], more: Partial<JobBatch> = {}, hasItemsToSend = false): JobState {
	const picture: JobPicture = { batch: { ...batch, ...more }, parts, hasItemsToSend };
	return reduceJob(emptyJob("batch_1", "search"), {
		kind: "stepped",
		step: { kind: "read" },
		result: { picture, outcome: { kind: "done" } },
		nowMs: NOW,
		jitter: 0.5,
	});
}

function after(job: JobState, outcome: StepOutcome, change: Partial<PartRecord> = {}, nowMs = NOW): JobState {
	const step = nextMove(job, nowMs) as JobStep;
	const parts = (job.picture?.parts ?? []).map((record) => ({ ...record, ...change }));
	return reduceJob(job, { kind: "stepped", step, result: { picture: { ...(job.picture as JobPicture), parts }, outcome }, nowMs, jitter: 0.5 });
}

test("the rows are read first, and whenever something changed", () => {
	const job = emptyJob("batch_1", "search");
	expect(nextMove(job, NOW)).toEqual({ kind: "read" });
	expect(jobWord(job)).toBe("starting");
	const told = reduceJob(jobOf([part()]), { kind: "told", retriesNow: false });
	expect(nextMove(told, NOW)).toEqual({ kind: "read" });
});

test("items that no part carries are written first; of a batch that is to end they end", () => {
	expect(nextMove(jobOf([], {}, true), NOW)).toEqual({ kind: "writeParts" });
	expect(nextMove(jobOf([], { cancelAskedAtMs: NOW }, true), NOW)).toEqual({ kind: "endUnsent", as: "cancelled", problem: null });
});

test("a file is handed in where the provider wants one, and once", () => {
	expect(nextMove(jobOf([part()]), NOW)).toEqual({ kind: "upload", part: 1 });
	expect(nextMove(jobOf([part({ providerFileId: "f-1" })]), NOW)).toEqual({ kind: "create", part: 1, isClear: false });
	expect(nextMove(jobOf([part()], { protocol: "anthropic" }), NOW)).toEqual({ kind: "create", part: 1, isClear: false });
});

test("an attempt of unknown outcome is looked for, three times in three minutes, and then goes again as another part", () => {
	let job = after(jobOf([part({ providerFileId: "f-1" })]), { kind: "unknown", message: "cut" }, { state: "submitting" });
	const waits: number[] = [];
	for (let look = 0; look < 3; look++) {
		const wait = nextMove(job, NOW + waits.reduce((sum, ms) => sum + ms, 0));
		expect(wait.kind).toBe("wait");
		const elapsed = waits.reduce((sum, ms) => sum + ms, 0);
		waits.push((wait as { untilMs: number }).untilMs - NOW - elapsed);
		const atMs = (wait as { untilMs: number }).untilMs;
		expect(nextMove(job, atMs)).toEqual({ kind: "find", part: 1, notOurs: [] });
		job = after(job, { kind: "absent" }, {}, atMs);
	}
	expect(waits).toEqual([10_000, 60_000, 120_000]);
	expect(nextMove(job, NOW + 190_000)).toMatchObject({ kind: "drop", as: "again" });
});

test("a step of creation that was cut is looked for, and nothing else that was cut is", () => {
	const job = jobOf([part({ providerFileId: "f-1" })]);
	const cut = reduceJob(job, { kind: "failed", step: nextMove(job, NOW) as JobStep, message: "the worker is gone", nowMs: NOW, jitter: 0.5 });
	expect(nextMove(cut, NOW)).toEqual({ kind: "read" });
	expect(cut).toMatchObject({ retries: 1, trouble: { step: "create", message: "the worker is gone" } });
	const submitting = after(cut, { kind: "done" }, { state: "submitting" });
	expect(nextMove(submitting, NOW + 10_000)).toMatchObject({ kind: "find" });
});

test("what the provider certainly refused for now goes again without a look, later each time, and not before it said", () => {
	let job = after(
		jobOf([part({ providerFileId: "f-1" })]),
		{ kind: "refused", isFinal: false, message: "busy", retryAfterMs: 90_000 },
		{ state: "submitting" },
	);
	expect(nextMove(job, NOW)).toEqual({ kind: "wait", untilMs: NOW + 90_000 });
	expect(nextMove(job, NOW + 90_000)).toEqual({ kind: "create", part: 1, isClear: true });
	expect(jobWord(job)).toBe("waiting");
	job = after(job, { kind: "said", status: status("running") }, { state: "running", providerBatchId: "pb-1", runningSinceMs: NOW }, NOW + 90_000);
	expect(jobWord(job)).toBe("running");
});

test("what it refuses for good ends with what it said; what it does not take within a day expires", () => {
	const refused = after(jobOf([part()]), { kind: "refused", isFinal: true, message: "no such model", retryAfterMs: null });
	expect(nextMove(refused, NOW)).toEqual({ kind: "drop", part: 1, as: "errored", problem: "no such model" });
	expect(nextMove(jobOf([part()]), NOW + 86_400_000)).toMatchObject({ kind: "drop", as: "expired" });
});

test("a batch refused as a whole for a limit goes again, for anything else it ends", () => {
	const running = jobOf([part({ state: "running", providerBatchId: "pb-1", runningSinceMs: NOW })]);
	const failed = (code: string) => after(running, { kind: "said", status: status("failed", { problems: [{ line: 3, code, message: "no" }] }) });
	expect(nextMove(failed("token_limit_exceeded"), NOW)).toMatchObject({ kind: "drop", as: "again", problem: "line 3: no" });
	expect(nextMove(failed("invalid_json_line"), NOW)).toMatchObject({ kind: "drop", as: "errored", problem: "line 3: no" });
});

test("a cancellation goes at once, again when it shows no effect, and never to what may be somebody else's", () => {
	const running = jobOf([part({ state: "running", providerBatchId: "pb-1", runningSinceMs: NOW })], { cancelAskedAtMs: NOW });
	expect(nextMove(running, NOW)).toEqual({ kind: "cancel", part: 1, providerBatchId: "pb-1" });
	const sent = after(running, { kind: "said", status: status("running") });
	expect(nextMove(sent, NOW + 30_000)).toEqual({ kind: "poll", part: 1 });
	expect(nextMove(sent, NOW + 900_000)).toMatchObject({ kind: "cancel" });
	const found = after(
		jobOf([part({ state: "submitting" })], { cancelAskedAtMs: NOW }),
		{ kind: "found", status: status("running"), isCertain: false, doubles: [] },
		{ state: "running", providerBatchId: "pb-1" },
	);
	expect(nextMove(found, NOW + 900_000)).toEqual({ kind: "poll", part: 1 });
});

const tally = { booked: 1, goAgain: 0, missing: 0, unresolved: 0, unknown: 0, repeated: 0, unreadable: 0 };

test("results that lack items are read again, and what is missing the third time is charged", () => {
	let job = jobOf([part({ state: "ended", providerBatchId: "pb-1" })]);
	expect(nextMove(job, NOW)).toEqual({ kind: "poll", part: 1 });
	job = after(job, { kind: "said", status: status("ended") });
	for (const [reading, isLast] of [[1, false] as const, [2, false] as const, [3, true] as const]) {
		const atMs = NOW + reading * 900_000;
		expect(nextMove(job, atMs)).toMatchObject({ kind: "collect", reading, isLast });
		job = after(job, { kind: "collected", tally: { ...tally, missing: 1, unreadable: 1 } }, {}, atMs);
	}
	expect(job.trouble?.message).toBe("1 items have no result, and 1 lines could not be read");
});

test.each([
	{ mayResubmit: true, mayRelane: false },
	{ mayResubmit: false, mayRelane: true },
])("what did not run goes again where the rules say so; what the provider lost is charged: %j", (rules) => {
	const ended = after(jobOf([part({ state: "ended", providerBatchId: "pb-1" })], { rules }), { kind: "said", status: status("ended") });
	expect(nextMove(ended, NOW)).toMatchObject({ kind: "collect", mayGoAgain: true });
	expect(nextMove(after(ended, { kind: "collected", tally: { ...tally, goAgain: 1 } }), NOW)).toEqual({ kind: "again", part: 1 });
	expect(nextMove(after(ended, { kind: "lost", message: "gone" }), NOW)).toMatchObject({ kind: "collect", status: null, isLast: true });
});

test("what did not run ends where the rules do not say that it may go again, or its end was asked for", () => {
	const again = { mayResubmit: true, mayRelane: false };
	for (const changes of [{}, { rules: again, cancelAskedAtMs: NOW }, { rules: { mayResubmit: false, mayRelane: true }, cancelAskedAtMs: NOW }]) {
		const ended = after(jobOf([part({ state: "ended", providerBatchId: "pb-1" })], changes), { kind: "said", status: status("ended") });
		expect(nextMove(ended, NOW)).toMatchObject({ kind: "collect", mayGoAgain: false });
	}
});

test("somebody else's batch is left alone: the true one is looked for once more, else it was never made", () => {
	const ended = after(jobOf([part({ state: "ended", providerBatchId: "pb-1" })]), { kind: "said", status: status("ended") });
	const foreign = after(ended, { kind: "foreign", providerBatchId: "pb-1" });
	expect(nextMove(foreign, NOW)).toEqual({ kind: "find", part: 1, notOurs: ["pb-1"] });
	expect(nextMove(after(foreign, { kind: "absent" }), NOW)).toMatchObject({ kind: "drop", as: "again" });
	const other = after(
		foreign,
		{ kind: "found", status: status("ended", { providerBatchId: "pb-2" }), isCertain: false, doubles: [] },
		{ providerBatchId: "pb-2" },
	);
	expect(nextMove(other, NOW + 60_000)).toMatchObject({ kind: "collect", status: { providerBatchId: "pb-2" } });
});

test("what was found by its size, and turns out to be another part's while it runs, is left to that one", () => {
	const running = jobOf([part({ state: "running", providerBatchId: "pb-1" })]);
	const foreign = after(running, { kind: "foreign", providerBatchId: "pb-1" });
	expect(nextMove(foreign, NOW)).toEqual({ kind: "find", part: 1, notOurs: ["pb-1"] });
	expect(nextMove(after(foreign, { kind: "absent" }), NOW)).toMatchObject({ kind: "drop", as: "again" });
	const other = { kind: "found", status: status("running", { providerBatchId: "pb-2" }), isCertain: false, doubles: [] } as const;
	expect(nextMove(after(foreign, other, { providerBatchId: "pb-2" }), NOW + 60_000)).toEqual({ kind: "poll", part: 1 });
});

test("a double is cancelled before the batch ends, and its failure holds up nothing else", () => {
	const submitting = jobOf([part({ state: "submitting" })]);
	const found = after(
		submitting,
		{ kind: "found", status: status("running"), isCertain: true, doubles: ["pb-2"] },
		{ state: "running", providerBatchId: "pb-1" },
	);
	const step = nextMove(found, NOW);
	expect(step).toEqual({ kind: "cancel", part: 1, providerBatchId: "pb-2" });
	const failed = reduceJob(found, { kind: "failed", step: step as JobStep, message: "away", nowMs: NOW, jitter: 0.5 });
	expect(nextMove(failed, NOW + 30_000)).toMatchObject({ kind: "cancel", providerBatchId: "pb-2" });
	const cancelled = after(found, { kind: "said", status: status("cancelling") });
	expect(cancelled.doubles).toMatchObject([{ part: 1, providerBatchId: "pb-2", phase: "cancelled" }]);
	expect(nextMove(cancelled, NOW)).toEqual({ kind: "settleDouble", part: 1, providerBatchId: "pb-2" });
});

test("a part that was given up is looked for once more before the end, and what shows is cancelled and settled", () => {
	const counts = { ...batch.counts, open: 0, succeeded: 2 };
	const job = jobOf([part({ state: "failed", submitBeganAtMs: NOW }), part({ part: 2, state: "collected", providerBatchId: "pb-2" })], { counts });
	expect(nextMove(job, NOW)).toEqual({ kind: "seek", part: 1 });
	expect(nextMove(after(job, { kind: "absent" }), NOW)).toMatchObject({ kind: "finish", to: "completed" });
	let shown = after(job, { kind: "found", status: status("running"), isCertain: true, doubles: [] });
	expect(nextMove(shown, NOW)).toEqual({ kind: "cancel", part: 1, providerBatchId: "pb-1" });
	shown = after(shown, { kind: "said", status: status("cancelling") });
	shown = after(shown, { kind: "said", status: status("cancelling") });
	expect(nextMove(shown, NOW)).toEqual({ kind: "wait", untilMs: NOW + 30_000 });
	shown = after(shown, { kind: "collected", tally }, {}, NOW + 30_000);
	expect(nextMove(shown, NOW + 30_000)).toMatchObject({ kind: "finish" });
});

test("the end is named by what became of the items", () => {
	const end = (counts: Partial<JobBatch["counts"]>, state: PartRecord["state"] = "collected") => {
		const move = nextMove(jobOf([part({ state })], { counts: { ...batch.counts, open: 0, ...counts } }), NOW);
		return move.kind === "finish" ? move.to : move.kind;
	};
	expect(end({ succeeded: 1, errored: 1 })).toBe("completed");
	expect(end({ errored: 2 })).toBe("completed");
	expect(end({ succeeded: 1, expired: 1 })).toBe("expired");
	expect(end({ cancelled: 1, expired: 1 })).toBe("cancelled");
	expect(end({ errored: 2 }, "failed")).toBe("failed");
});

test("the way to the end passes where the rows allow it", () => {
	expect(movesToEnd("running", "completed")).toEqual(["finalizing", "completed"]);
	expect(movesToEnd("held", "cancelled")).toEqual(["cancelling", "finalizing", "cancelled"]);
	expect(movesToEnd("held", "expired")).toEqual(["running", "finalizing", "expired"]);
	expect(movesToEnd("cancelling", "cancelled")).toEqual(["finalizing", "cancelled"]);
	expect(movesToEnd("finalizing", "completed")).toEqual(["completed"]);
	expect(movesToEnd("running", "failed")).toEqual(["failed"]);
	expect(movesToEnd("cancelling", "failed")).toEqual(["finalizing", "completed"]);
	expect(movesToEnd("completed", "completed")).toEqual([]);
});

test("an operator's retry does at once what waits", () => {
	const waiting = after(jobOf([part()]), { kind: "refused", isFinal: false, message: "busy", retryAfterMs: 900_000 });
	const told = reduceJob(waiting, { kind: "told", retriesNow: true });
	expect(nextMove(after(told, { kind: "done" }), NOW)).toEqual({ kind: "upload", part: 1 });
});
