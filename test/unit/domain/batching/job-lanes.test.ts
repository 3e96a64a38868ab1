import { expect, test } from "vitest";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import { type JobStep, nextMove } from "#domain/batching/job-plan.ts";
import { reduceJob, type StepOutcome } from "#domain/batching/job-reducer.ts";
import { emptyJob, type JobBatch, type JobPicture, type JobState } from "#domain/batching/job-state.ts";

/** What the job of a collected batch plans, beside what every job does (job-plan.test.ts). */
const NOW = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const LEAD_MS = 360_000;
const batch: JobBatch = {
	...{ state: "running", version: "1", protocol: "openai", provider: "openai", model: "m-1", items: 2, rules: { mayResubmit: true, mayRelane: true } },
	counts: { open: 2, succeeded: 0, errored: 0, expired: 0, cancelled: 0 },
	...{ heldNanoUsd: "200", settledNanoUsd: "0", createdAtMs: NOW, deadlineMs: null, cancelAskedAtMs: null, problem: null, origin: "collected" },
};
const part = (more: Partial<PartRecord> = {}): PartRecord => ({
	...{ batchId: "batch_1", part: 1, token: "t-1", state: "written", items: 2, bytes: 10, providerFileId: null, providerBatchId: null },
	...{ submitBeganAtMs: null, runningSinceMs: null, endedAtMs: null, ...more },
});
const called = (more: Partial<PartRecord> = {}) => part({ lane: "real_time", ...more });
const atProvider = part({ state: "running", providerBatchId: "pb-1", runningSinceMs: NOW });

type Rows = Partial<Omit<JobPicture, "batch">> & { readonly batch?: Partial<JobBatch> };

function jobOf({ batch: change, ...rows }: Rows): JobState {
	return after(emptyJob("batch_1", "search"), { kind: "done" }, { batch: { ...batch, ...change }, parts: [], hasItemsToSend: false, ...rows });
}

function after(job: JobState, outcome: StepOutcome, picture = job.picture as JobPicture, nowMs = NOW): JobState {
	const step = nextMove(job, nowMs) as JobStep;
	return reduceJob(job, { kind: "stepped", step, result: { picture, outcome }, nowMs, jitter: 0.5 });
}

test("lanes are chosen where the rules say so: of a collected batch at once, of a caller's own when a batch of the provider ran", () => {
	expect(nextMove(jobOf({ hasItemsToSend: true }), NOW)).toEqual({ kind: "chooseLanes" });
	expect(nextMove(jobOf({ hasItemsToSend: true, batch: { origin: "caller" } }), NOW)).toEqual({ kind: "writeParts" });
	expect(nextMove(jobOf({ hasItemsToSend: true, batch: { rules: { mayResubmit: true, mayRelane: false } } }), NOW)).toEqual({ kind: "writeParts" });
	const own = (rules: JobBatch["rules"], parts: readonly PartRecord[]) =>
		nextMove(jobOf({ hasItemsToSend: true, parts, batch: { origin: "caller", rules } }), NOW);
	const [relane, resubmit] = [
		{ mayResubmit: false, mayRelane: true },
		{ mayResubmit: true, mayRelane: false },
	];
	for (const state of ["ended", "collected"] as const) {
		expect(own(relane, [part({ state, providerBatchId: "pb-1" })])).toEqual({ kind: "chooseLanes" });
		expect(own(resubmit, [part({ state, providerBatchId: "pb-1" })])).toEqual({ kind: "writeParts" });
	}
	// What no provider ran is handed in again, however often.
	for (const parts of [[], [part({ state: "failed" })], [called({ state: "collected" })]]) expect(own(relane, parts)).toEqual({ kind: "writeParts" });
	expect(nextMove(jobOf({ hasItemsToSend: true, batch: { cancelAskedAtMs: NOW } }), NOW)).toMatchObject({ kind: "endUnsent" });
});

test("answers are delivered first, and no batch ends that owes one", () => {
	const owing = jobOf({ hasAnswersToDeliver: true, parts: [part({ state: "collected" })], batch: { counts: { ...batch.counts, open: 0, succeeded: 2 } } });
	expect(nextMove(owing, NOW)).toEqual({ kind: "deliver" });
	const failed = reduceJob(owing, { kind: "failed", step: { kind: "deliver" }, message: "no blob store", nowMs: NOW, jitter: 0.5 });
	expect(nextMove(failed, NOW)).toMatchObject({ kind: "wait" });
	expect(nextMove(after(owing, { kind: "done" }, { ...(owing.picture as JobPicture), hasAnswersToDeliver: false }), NOW)).toMatchObject({ kind: "finish" });
});

test("a part in real time is called until nothing is left, and not before its provider wants it", () => {
	for (const state of ["written", "submitting", "running", "ended"] as const)
		expect(nextMove(jobOf({ parts: [called({ state })] }), NOW)).toEqual({ kind: "call", part: 1 });
	const put = after(jobOf({ parts: [called({ state: "running" })] }), { kind: "called", left: 1, waitMs: 30_000, why: "the provider said 429" });
	expect(nextMove(put, NOW)).toEqual({ kind: "wait", untilMs: NOW + 30_000 });
	expect(put.trouble).toMatchObject({ message: "the provider said 429" });
	const going = after(put, { kind: "called", left: 1, waitMs: 0, why: null }, undefined, NOW + 30_000);
	expect(nextMove(going, NOW + 30_000)).toEqual({ kind: "call", part: 1 });
	expect(going.trouble).toBeNull();
});

test("while a part is called everything else goes on, and no other part is called", () => {
	const parts = [called({ state: "running" }), called({ part: 2 }), part({ part: 3 })];
	expect(nextMove(jobOf({ parts }), NOW, 1)).toEqual({ kind: "upload", part: 3 });
	expect(nextMove(jobOf({ parts: parts.slice(0, 2) }), NOW, 1)).toMatchObject({ kind: "wait" });
	expect(nextMove(jobOf({ parts: [called({ state: "running" })], hasAnswersToDeliver: true }), NOW, 1)).toEqual({ kind: "deliver" });
	// A day after it was written it would end, but for the call.
	expect(nextMove(jobOf({ parts: parts.slice(0, 1) }), NOW + DAY_MS, 1)).toMatchObject({ kind: "wait" });
	expect(nextMove(jobOf({ parts: parts.slice(0, 2) }), NOW)).toEqual({ kind: "call", part: 1 });
});

test("one that ends in the middle is called all the same, for what was sent may have to be paid; what a day did not bring expires", () => {
	expect(nextMove(jobOf({ parts: [called({ state: "running" })], batch: { cancelAskedAtMs: NOW } }), NOW)).toEqual({ kind: "call", part: 1 });
	expect(nextMove(jobOf({ parts: [called({ state: "running" })] }), NOW + DAY_MS)).toMatchObject({ kind: "drop", part: 1, as: "expired" });
	expect(nextMove(jobOf({ parts: [called({ state: "ended" })] }), NOW + DAY_MS)).toEqual({ kind: "call", part: 1 });
});

test("a part in real time that failed is looked for at no provider", () => {
	const over = { counts: { ...batch.counts, open: 0, expired: 2 } };
	expect(nextMove(jobOf({ parts: [called({ state: "failed", submitBeganAtMs: NOW })], batch: over }), NOW)).toMatchObject({ kind: "finish", to: "expired" });
});

test("what its batch does not bring goes in real time so early that the call ends in time, and again later where nobody pays for it", () => {
	const job = after(jobOf({ parts: [atProvider], hedgeByMs: NOW + LEAD_MS + 1_000 }), { kind: "said", status: statusOf("running") });
	expect(nextMove(job, NOW + 999)).toMatchObject({ kind: "wait", untilMs: NOW + 1_000 });
	expect(nextMove(job, NOW + 1_000)).toEqual({ kind: "hedge" });
	const waitsAfter = (refused: number, state: JobState, nowMs: number) =>
		after(state, { kind: "hedged", sent: 0, refused }, undefined, nowMs).hedgeDueAtMs - nowMs;
	const refused = after(job, { kind: "hedged", sent: 0, refused: 1 }, undefined, NOW + 1_000);
	expect(waitsAfter(1, job, NOW + 1_000)).toBe(3_750);
	expect(waitsAfter(1, refused, NOW + 4_750)).toBe(7_500);
	expect(nextMove(refused, NOW + 2_000)).toEqual({ kind: "wait", untilMs: NOW + 4_750 });
	expect(nextMove(after(refused, { kind: "hedged", sent: 1, refused: 0 }, undefined, NOW + 4_750), NOW + 4_750)).toEqual({ kind: "hedge" });
	expect(nextMove(jobOf({ parts: [atProvider], hedgeByMs: NOW, batch: { cancelAskedAtMs: NOW } }), NOW)).toMatchObject({ kind: "cancel" });
});

test("a batch that most items left is cancelled once", () => {
	const job = jobOf({ parts: [atProvider], unneededParts: [1] });
	expect(nextMove(job, NOW)).toEqual({ kind: "cancel", part: 1, providerBatchId: "pb-1" });
	expect(nextMove(after(job, { kind: "said", status: statusOf("cancelling") }), NOW + 60_000)).toEqual({ kind: "poll", part: 1 });
	expect(nextMove(jobOf({ parts: [atProvider], unneededParts: [2] }), NOW)).toEqual({ kind: "poll", part: 1 });
});

function statusOf(state: "running" | "cancelling") {
	return {
		...{ providerBatchId: "pb-1", state, total: 2, succeeded: 0, failed: 0, problems: [], createdAtMs: NOW, expiresAtMs: null },
		...{ outputFileId: null, errorFileId: null, resultsUrl: null },
	};
}
