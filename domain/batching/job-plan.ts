import type { BatchState } from "./batch.ts";
import { isFinalBatch, isFinalPart } from "./batch-moves.ts";
import type { PartRecord, ProviderBatchStatus } from "./batch-part.ts";
import { type DoubleBatch, driveOf, type JobPicture, type JobState, type PartDrive } from "./job-state.ts";
import { LANE_MARGIN_MS, REAL_TIME_P99_MS } from "./lane.ts";

/**
 * What the job of a batch does next: a pure function of its rows, of what the provider said last, and of the time. It is asked anew after
 * every step, so a step that failed, that was cut, or whose answer was lost needs no plan of its own. A part is created once at most where
 * its outcome is not known: it is looked for, and what is not there goes again as another part, with other ids. Money is given back only
 * for what is known not to be billed.
 */

/** Readings of one part's results before what is missing in them is charged. */
export const READINGS_MAX = 3;
/** Looks for a batch whose creation has no known outcome, before it is taken for not created: some three minutes after the attempt. */
export const LOOKS_MAX = 3;
/** A part that the provider does not take for so long is not sent any more. */
const SUBMIT_FOR_MS = 86_400_000;
/** Parts that the provider did not take, or refused for a limit of its own, before the rest ends: with the delays between them a day. */
const FAILED_PARTS_MAX = 100;
/** A cancellation that shows no effect is asked for again. */
const CANCEL_AGAIN_MS = 900_000;
/** After a provider should have given a batch up. */
const PROVIDER_GRACE_MS = 3_600_000;
/** Longer than anything is waited for. */
const WAIT_MAX_MS = 10 * 86_400_000;
/** What a provider calls a batch that it would run later, but not now. */
const LIMIT_CODES: ReadonlySet<string> = new Set(["token_limit_exceeded", "batch_queue_limit_exceeded", "rate_limit_exceeded"]);

export type FinalBatchState = Extract<BatchState, "completed" | "expired" | "cancelled" | "failed">;
/** How items end that the provider did not run. */
export type EndedUnrun = "errored" | "expired" | "cancelled";

export type PartStep =
	/** Hands in the request file, for providers that want one. */
	| { readonly kind: "upload"; readonly part: number }
	/** `isClear`: an attempt was made before, and certainly did nothing; else none was. */
	| { readonly kind: "create"; readonly part: number; readonly isClear: boolean }
	/** Looks whether the provider has it. */
	| { readonly kind: "find"; readonly part: number; readonly notOurs: readonly string[] }
	| { readonly kind: "poll"; readonly part: number }
	| { readonly kind: "cancel"; readonly part: number; readonly providerBatchId: string }
	/** Books results. `status` null: there is nothing to read any more. `isLast`: what is still missing then is charged at its bound. */
	| {
			readonly kind: "collect";
			readonly part: number;
			readonly status: ProviderBatchStatus | null;
			readonly reading: number;
			readonly isLast: boolean;
			readonly mayGoAgain: boolean;
	  }
	/** What did not run in a part that was read goes into another. */
	| { readonly kind: "again"; readonly part: number }
	/** Calls the provider for items of a part in real time, most urgent first, for a while. */
	| { readonly kind: "call"; readonly part: number }
	/** Ends a part that the provider did not take, or ran nothing of. */
	| { readonly kind: "drop"; readonly part: number; readonly as: EndedUnrun | "again"; readonly problem: string | null };

export type JobStep =
	| { readonly kind: "read" }
	/** Splits what has to go into parts, and writes their request files. */
	| { readonly kind: "writeParts" }
	/** The same where items may go in real time: each goes with a batch or does that. */
	| { readonly kind: "chooseLanes" }
	/** Sends what its batch does not bring in time in real time too. */
	| { readonly kind: "hedge" }
	/** Ends items that no part carries. */
	| { readonly kind: "endUnsent"; readonly as: EndedUnrun; readonly problem: string | null }
	/** Looks once more for a part that was given up as not created. */
	| { readonly kind: "seek"; readonly part: number }
	/** Looks how a double stands; when it has ended, books what it billed. */
	| { readonly kind: "settleDouble"; readonly part: number; readonly providerBatchId: string }
	/** Writes the answers of items that were handed in alone to where they are read. */
	| { readonly kind: "deliver" }
	/** Tells people that it is late, once. */
	| { readonly kind: "tellLate" }
	/** Joins the outputs, gives back what is held, and closes the batch. */
	| { readonly kind: "finish"; readonly to: FinalBatchState; readonly problem: string | null }
	| PartStep;

export type JobMove = JobStep | { readonly kind: "wait"; readonly untilMs: number } | { readonly kind: "done" };

type Planned = { readonly step: JobStep; readonly dueAtMs: number };

/**
 * `called`: the part whose items are being called in real time, or null. That takes as long as the provider does, so everything else of the batch goes on
 * beside it; but no other part is called, for all share one rate.
 */
export function nextMove(state: JobState, nowMs: number, called: number | null = null): JobMove {
	const { picture } = state;
	if (picture !== null && isFinalBatch(picture.batch.state)) return { kind: "done" };
	const planned: Planned[] = picture === null || state.isStale ? [{ step: { kind: "read" }, dueAtMs: state.dueAtMs }] : planAll(state, picture, nowMs);
	const free = called === null ? planned : planned.filter(({ step }) => step.kind !== "call" && !("part" in step && step.part === called));
	const due = free.find(({ dueAtMs }) => dueAtMs <= nowMs);
	if (due !== undefined) return due.step;
	// With nothing else to do the end of the call is waited for, which is a change.
	return { kind: "wait", untilMs: Math.min(nowMs + WAIT_MAX_MS, ...free.map(({ dueAtMs }) => dueAtMs)) };
}

/** Whatever waits for something; the first that is due is done. There is always something. */
function planAll(state: JobState, picture: JobPicture, nowMs: number): Planned[] {
	const { dueAtMs } = state;
	const doubles = state.doubles.flatMap((double) => planDouble(double, dueAtMs) ?? []);
	const ofParts = picture.parts
		.flatMap((record) => planPart(record, driveOf(state, record.part), picture, nowMs) ?? [])
		.filter((planned) => !mustWait(planned, state, picture));
	// Whoever waits for an answer is helped first, and no batch ends that owes one.
	const isDeliveryDue = picture.hasAnswersToDeliver === true;
	const deliver: Planned[] = isDeliveryDue ? [{ step: { kind: "deliver" }, dueAtMs }] : [];
	const ofBatch = planBatch(state, picture, doubles.length + ofParts.length === 0 && !isDeliveryDue);
	const batchDueAtMs = ofBatch?.kind === "writeParts" || ofBatch?.kind === "chooseLanes" ? Math.max(dueAtMs, state.sendDueAtMs) : dueAtMs;
	const lateAtMs = lateSince(state, picture);
	const late: Planned[] = lateAtMs === undefined ? [] : [{ step: { kind: "tellLate" }, dueAtMs: Math.max(lateAtMs, dueAtMs) }];
	const first = [...deliver, ...planHedge(state, picture), ...doubles];
	return [...first, ...(ofBatch === undefined ? [] : [{ step: ofBatch, dueAtMs: batchDueAtMs }]), ...late, ...ofParts];
}

/** When the first item that waits for its batch has to go in real time, so that the call ends before the deadline. */
function planHedge({ dueAtMs, hedgeDueAtMs, pacePermille }: JobState, { batch, hedgeByMs }: JobPicture): Planned[] {
	if (hedgeByMs == null || batch.cancelAskedAtMs !== null) return [];
	const leadMs = ((REAL_TIME_P99_MS + LANE_MARGIN_MS) * pacePermille) / 1_000;
	return [{ step: { kind: "hedge" }, dueAtMs: Math.max(hedgeByMs - leadMs, hedgeDueAtMs, dueAtMs) }];
}

/** undefined: it was told, or nobody says when it should be back. */
function lateSince({ drives, isLateTold }: JobState, { batch }: JobPicture): number | undefined {
	if (isLateTold || batch.counts.open === 0) return undefined;
	const ends = drives.flatMap(({ status }) => (status?.expiresAtMs == null ? [] : [status.expiresAtMs + PROVIDER_GRACE_MS]));
	const times = batch.deadlineMs === null ? ends : [...ends, batch.deadlineMs];
	return times.length === 0 ? undefined : Math.min(...times);
}

function planDouble({ part, providerBatchId, phase, dueAtMs }: DoubleBatch, batchDueAtMs: number): Planned | undefined {
	if (phase === "settled") return undefined;
	const step: JobStep = { kind: phase === "found" ? "cancel" : "settleDouble", part, providerBatchId };
	return { step, dueAtMs: Math.max(dueAtMs, batchDueAtMs) };
}

function planBatch({ sought }: JobState, picture: JobPicture, isEverythingRead: boolean): JobStep | undefined {
	const { batch, parts, hasItemsToSend } = picture;
	if (!hasItemsToSend) {
		if (!isEverythingRead) return undefined;
		const unsought = parts.find((record) => isPerhapsThere(record) && !sought.includes(record.part));
		return unsought === undefined ? { kind: "finish", ...endOf(picture) } : { kind: "seek", part: unsought.part };
	}
	if (batch.cancelAskedAtMs !== null) return { kind: "endUnsent", as: "cancelled", problem: null };
	if (parts.filter(({ state }) => state === "failed").length >= FAILED_PARTS_MAX)
		return { kind: "endUnsent", as: "expired", problem: "the provider had no room for it" };
	const isChosen = batch.rules.mayRelane && (batch.origin === "collected" || parts.some(hasRun));
	return { kind: isChosen ? "chooseLanes" : "writeParts" };
}

/** A caller's own batch goes with the provider's batches, as he asked, until one of them ran and left something undone. */
function hasRun({ state, lane }: PartRecord): boolean {
	return lane !== "real_time" && (state === "ended" || state === "collected");
}

/** It was tried and not found: a provider may show it after all, hours later. */
function isPerhapsThere({ state, lane, providerBatchId, submitBeganAtMs }: PartRecord): boolean {
	return lane !== "real_time" && state === "failed" && providerBatchId === null && submitBeganAtMs !== null;
}

/** Cancelled where anything was; expired where anything did; failed where the provider took none of it. */
function endOf({ batch, parts }: JobPicture): { readonly to: FinalBatchState; readonly problem: string | null } {
	const { counts, problem } = batch;
	if (counts.cancelled > 0) return { to: "cancelled", problem };
	if (counts.expired > 0) return { to: "expired", problem };
	const wasTaken = parts.some(({ state }) => state === "collected");
	return wasTaken ? { to: "completed", problem } : { to: "failed", problem: problem ?? "the provider took none of it" };
}

function planPart(record: PartRecord, drive: PartDrive, picture: JobPicture, nowMs: number): Planned | undefined {
	if (isFinalPart(record.state)) return undefined;
	if (record.lane === "real_time") return { step: stepInRealTime(record, drive, nowMs), dueAtMs: drive.dueAtMs };
	const isOthers = record.providerBatchId !== null && drive.notOurs.includes(record.providerBatchId);
	if (isOthers) return { step: stepOfForeign(record, drive), dueAtMs: drive.dueAtMs };
	if (record.state === "running") return planRunning(record, drive, picture, nowMs);
	if (record.state === "ended") return { step: stepOfEnded(record, drive, picture), dueAtMs: drive.dueAtMs };
	if (isInDoubt(record, drive)) return { step: findOf(record, drive), dueAtMs: drive.dueAtMs };
	return planUnsent(record, drive, picture, nowMs);
}

/** It gives back what is cancelled by itself, for what was sent may have to be paid. */
function stepInRealTime({ part, state }: PartRecord, { sinceMs }: PartDrive, nowMs: number): PartStep {
	if (state === "ended" || nowMs - sinceMs < SUBMIT_FOR_MS) return { kind: "call", part };
	return { kind: "drop", part, as: "expired", problem: "the provider did not take it within a day" };
}

function isInDoubt({ state }: PartRecord, { isClear, looks }: PartDrive): boolean {
	return state === "submitting" && !isClear && looks < LOOKS_MAX;
}

/** Parts of one size cannot be told apart without metadata: while one is looked for no other is made. */
function mustWait({ step }: Planned, state: JobState, { batch, parts }: JobPicture): boolean {
	return step.kind === "create" && batch.protocol === "anthropic" && parts.some((record) => isInDoubt(record, driveOf(state, record.part)));
}

/** The provider certainly has nothing of it. */
function planUnsent({ part, state, providerFileId }: PartRecord, drive: PartDrive, { batch }: JobPicture, nowMs: number): Planned {
	const drop = (as: EndedUnrun | "again", problem: string | null): Planned => ({ step: { kind: "drop", part, as, problem }, dueAtMs: atOnce(drive) });
	if (batch.cancelAskedAtMs !== null) return drop("cancelled", null);
	if (drive.refusal !== null) return drop("errored", drive.refusal);
	if (nowMs - drive.sinceMs >= SUBMIT_FOR_MS) return drop("expired", "the provider did not take it within a day");
	if (drive.looks >= LOOKS_MAX) return drop("again", "it was not found at the provider, and goes again as another part");
	const isUploadNeeded = batch.protocol === "openai" && providerFileId === null;
	const step: PartStep = isUploadNeeded ? { kind: "upload", part } : { kind: "create", part, isClear: state === "submitting" };
	return { step, dueAtMs: drive.dueAtMs };
}

function planRunning(record: PartRecord, drive: PartDrive, picture: JobPicture, nowMs: number): Planned {
	const { part, providerBatchId } = record;
	const { status, cancelSentAtMs } = drive;
	if (drive.isLost) return { step: lastCollect(record, drive), dueAtMs: drive.dueAtMs };
	if (status?.state === "failed") return { step: dropOf(part, status, picture), dueAtMs: drive.dueAtMs };
	const isUnwanted = picture.batch.cancelAskedAtMs !== null || picture.unneededParts?.includes(part) === true;
	const isCancelWanted = isUnwanted && status?.state !== "cancelling" && status?.state !== "ended";
	const isCancelDue = cancelSentAtMs === null || nowMs - cancelSentAtMs >= CANCEL_AGAIN_MS;
	// What was found by its size alone may be somebody else's.
	if (isCancelWanted && isCancelDue && drive.isCertain && providerBatchId !== null)
		return { step: { kind: "cancel", part, providerBatchId }, dueAtMs: atOnce(drive) };
	return { step: { kind: "poll", part }, dueAtMs: drive.dueAtMs };
}

function dropOf(part: number, { problems }: ProviderBatchStatus, { batch }: JobPicture): JobStep {
	const [first] = problems;
	const problem = first === undefined ? "the provider refused the batch" : `${first.line === null ? "" : `line ${first.line}: `}${first.message}`;
	if (batch.cancelAskedAtMs !== null) return { kind: "drop", part, as: "cancelled", problem };
	return { kind: "drop", part, as: first !== undefined && LIMIT_CODES.has(first.code) ? "again" : "errored", problem };
}

function stepOfEnded(record: PartRecord, drive: PartDrive, picture: JobPicture): JobStep {
	const { part } = record;
	const { status, tally } = drive;
	if (drive.isLost) return lastCollect(record, drive);
	// Of the true one, which was found behind somebody else's.
	if (status?.state === "failed") return dropOf(part, status, picture);
	if (tally !== null && tally.missing === 0 && tally.goAgain > 0) return { kind: "again", part };
	// Where results are read is the provider's to say, and is not kept.
	if (status?.state !== "ended") return { kind: "poll", part };
	const reading = drive.readings + 1;
	const { rules, cancelAskedAtMs } = picture.batch;
	const mayGoAgain = (rules.mayResubmit || rules.mayRelane) && cancelAskedAtMs === null;
	return { kind: "collect", part, status, reading, isLast: reading >= READINGS_MAX, mayGoAgain };
}

/** What was taken for it is another's: the true one is looked for. */
function stepOfForeign(record: PartRecord, drive: PartDrive): JobStep {
	if (drive.isLost) return lastCollect(record, drive);
	if (drive.looks < LOOKS_MAX) return findOf(record, drive);
	return { kind: "drop", part: record.part, as: "again", problem: "none of the provider's batches is it" };
}

function findOf({ part }: PartRecord, { notOurs }: PartDrive): JobStep {
	return { kind: "find", part, notOurs };
}

function lastCollect({ part }: PartRecord, { readings }: PartDrive): JobStep {
	return { kind: "collect", part, status: null, reading: readings + 1, isLast: true, mayGoAgain: false };
}

/** What need not wait for the time of the next look, unless it failed. */
function atOnce({ failures, dueAtMs }: PartDrive): number {
	return failures > 0 ? dueAtMs : 0;
}

/** The moves from where a batch stands to where it ends, as domain/batching/batch-moves.ts allows them. */
export function movesToEnd(state: BatchState, to: FinalBatchState): readonly BatchState[] {
	if (state === to) return [];
	const isBefore = state === "held" || state === "running";
	if (to === "failed" && isBefore) return ["failed"];
	const before = isBefore ? (to === "cancelled" ? "cancelling" : "running") : state;
	// One that was to be cancelled does not fail: it ends with nothing in it.
	const path: readonly BatchState[] = [before, "finalizing", to === "failed" ? "completed" : to];
	return path.slice(path.lastIndexOf(state) + 1);
}
