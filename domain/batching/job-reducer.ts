import { isFinalPart } from "./batch-moves.ts";
import type { ProviderBatchStatus } from "./batch-part.ts";
import { pollDelayMs, retryDelayMs } from "./job-pace.ts";
import { type JobStep, LOOKS_MAX, type PartStep, READINGS_MAX } from "./job-plan.ts";
import { type CollectTally, type DoubleBatch, driveOf, type JobPicture, type JobState, type PartDrive } from "./job-state.ts";

/** After an attempt of unknown outcome, and after each look that found nothing: a provider may list a batch later than it takes it. */
const LOOK_DELAYS_MS = [10_000, 60_000, 120_000] as const;

/** What a step brought, beside the rows as they are after it. */
export type StepOutcome =
	/** The rows say everything. */
	| { readonly kind: "done" }
	/** The account has no room now; nothing was tried. */
	| { readonly kind: "noRoom"; readonly waitMs: number; readonly why: string }
	/** The provider certainly did not do it. `isFinal`: it never will, for what was asked. */
	| { readonly kind: "refused"; readonly isFinal: boolean; readonly message: string; readonly retryAfterMs: number | null }
	/** It may have been done. */
	| { readonly kind: "unknown"; readonly message: string }
	| { readonly kind: "absent" }
	/** `doubles`: further ones that are certainly of the same part. */
	| { readonly kind: "found"; readonly status: ProviderBatchStatus; readonly isCertain: boolean; readonly doubles: readonly string[] }
	| { readonly kind: "said"; readonly status: ProviderBatchStatus }
	/** The provider does not know it any more, or its results are gone. */
	| { readonly kind: "lost"; readonly message: string }
	| { readonly kind: "collected"; readonly tally: CollectTally }
	/** `waitMs`: nothing can be sent before. */
	| { readonly kind: "called"; readonly left: number; readonly waitMs: number; readonly why: string | null }
	/** `refused`: items about to be late of which no second bound could be held. */
	| { readonly kind: "hedged"; readonly sent: number; readonly refused: number }
	/** The results name none of our items: it is somebody else's. */
	| { readonly kind: "foreign"; readonly providerBatchId: string };

export type StepResult = { readonly picture: JobPicture; readonly outcome: StepOutcome };

type Moment = {
	readonly nowMs: number;
	/** From 0 up to 1. */
	readonly jitter: number;
};

export type JobEvent =
	/** The rows changed, by the caller or an operator. `retriesNow`: what waits is tried at once. */
	| { readonly kind: "told"; readonly retriesNow: boolean }
	| ({ readonly kind: "stepped"; readonly step: JobStep; readonly result: StepResult } & Moment)
	/** Nothing is known of what it did. */
	| ({ readonly kind: "failed"; readonly step: JobStep; readonly message: string } & Moment);

export function reduceJob(state: JobState, event: JobEvent): JobState {
	switch (event.kind) {
		case "told":
			return event.retriesNow ? retryNow(state) : { ...state, isStale: true, dueAtMs: 0 };
		case "stepped":
			return takeResult(takePicture(state, event.result.picture, event.nowMs), event.step, event.result.outcome, event);
		case "failed":
			return takeFailure(state, event);
	}
}

function retryNow(state: JobState): JobState {
	return {
		...state,
		isStale: true,
		failures: 0,
		dueAtMs: 0,
		sendDueAtMs: 0,
		hedgeDueAtMs: 0,
		drives: state.drives.map((drive) => ({ ...drive, failures: 0, dueAtMs: 0 })),
	};
}

/** Parts that are over are forgotten. */
function takePicture(state: JobState, picture: JobPicture, nowMs: number): JobState {
	const known = new Set(state.drives.map(({ part }) => part));
	const open = picture.parts.filter((record) => !isFinalPart(record.state));
	const drives = open.map(({ part }) => ({ ...driveOf(state, part), ...(!known.has(part) && { sinceMs: nowMs }) }));
	return { ...state, picture, isStale: false, drives };
}

function takeFailure(state: JobState, { step, message, nowMs, jitter }: Extract<JobEvent, { kind: "failed" }>): JobState {
	const put = troubled(state, step, message, nowMs);
	if (!isOfPart(state, step)) {
		const failures = state.failures + 1;
		return { ...put, failures, dueAtMs: later(state, nowMs, retryDelayMs(failures, jitter)) };
	}
	// What was cut may have left.
	if (step.kind === "create") return { ...withDrive(put, step.part, inDoubt(state, nowMs)), isStale: true };
	const failures = driveOf(state, step.part).failures + 1;
	return withDrive(put, step.part, { failures, dueAtMs: later(state, nowMs, retryDelayMs(failures, jitter)) });
}

function takeResult(state: JobState, step: JobStep, outcome: StepOutcome, moment: Moment): JobState {
	const { nowMs, jitter } = moment;
	if (!isOfPart(state, step)) return { ...afterBatchStep(state, step, outcome, moment), failures: 0, dueAtMs: 0, trouble: null };
	const calm = { ...state, trouble: null };
	switch (outcome.kind) {
		case "done":
			return afterDone(withDrive(calm, step.part, { failures: 0, dueAtMs: 0 }), step, moment);
		case "said":
			return afterSaid(calm, step, outcome.status, moment);
		case "found": {
			const { status, isCertain } = outcome;
			const doubles = outcome.doubles.map((providerBatchId) => doubleOf(step.part, providerBatchId));
			const found = { status, isCertain, looks: 0, isClear: false, failures: 0, dueAtMs: later(state, nowMs, pollDelayMs(0, jitter)) };
			return withDrive({ ...calm, doubles: [...state.doubles, ...doubles] }, step.part, found);
		}
		case "collected":
			return afterCollected(calm, step, outcome.tally, moment);
		case "lost":
			return withDrive(troubled(state, step, outcome.message, nowMs), step.part, { isLost: true, failures: 0, dueAtMs: 0 });
		case "foreign":
			return afterForeign(calm, step, outcome.providerBatchId);
		case "called": {
			const called = outcome.why === null ? calm : troubled(state, step, outcome.why, nowMs);
			return withDrive(called, step.part, { failures: 0, dueAtMs: outcome.waitMs > 0 ? later(state, nowMs, outcome.waitMs) : 0 });
		}
		case "hedged":
			return calm;
		default:
			return putOff(state, step, outcome, moment);
	}
}

function afterBatchStep(state: JobState, step: JobStep, outcome: StepOutcome, { nowMs, jitter }: Moment): JobState {
	switch (step.kind) {
		case "tellLate":
			return { ...state, isLateTold: true };
		case "hedge":
			return outcome.kind === "hedged" ? afterHedge(state, outcome, { nowMs, jitter }) : state;
		case "seek": {
			const found = outcome.kind === "found" && outcome.isCertain ? [outcome.status.providerBatchId, ...outcome.doubles] : [];
			const doubles = found.map((providerBatchId) => doubleOf(step.part, providerBatchId));
			return { ...state, sought: [...state.sought, step.part], doubles: [...state.doubles, ...doubles] };
		}
		case "cancel":
			return withDouble(state, step.providerBatchId, { phase: "cancelled" });
		case "settleDouble": {
			const readings =
				(state.doubles.find(({ providerBatchId }) => providerBatchId === step.providerBatchId)?.readings ?? 0) + Number(outcome.kind === "collected");
			const isCut = outcome.kind === "collected" && outcome.tally.unreadable > 0 && readings < READINGS_MAX;
			const isRunning = outcome.kind === "said" && outcome.status.state !== "failed";
			if (!isRunning && !isCut) return withDouble(state, step.providerBatchId, { phase: "settled", readings });
			return withDouble(state, step.providerBatchId, { readings, dueAtMs: later(state, nowMs, pollDelayMs(0, jitter, true)) });
		}
		default:
			return state;
	}
}

/** Who has no money for a second try may have it when others have ended. */
function afterHedge(state: JobState, { refused }: Extract<StepOutcome, { kind: "hedged" }>, { nowMs, jitter }: Moment): JobState {
	const hedgeFailures = refused > 0 ? state.hedgeFailures + 1 : 0;
	const hedgeDueAtMs = refused > 0 ? later(state, nowMs, retryDelayMs(hedgeFailures, jitter)) : 0;
	return { ...state, hedgeFailures, hedgeDueAtMs };
}

function doubleOf(part: number, providerBatchId: string): DoubleBatch {
	return { part, providerBatchId, phase: "found", readings: 0, dueAtMs: 0 };
}

function withDouble(state: JobState, providerBatchId: string, change: Partial<DoubleBatch>): JobState {
	return { ...state, doubles: state.doubles.map((double) => (double.providerBatchId === providerBatchId ? { ...double, ...change } : double)) };
}

type PutOff = Extract<StepOutcome, { kind: "noRoom" | "refused" | "unknown" | "absent" }>;

/** Nothing is settled by it, and it is looked at again later. */
function putOff(state: JobState, step: PartStep, outcome: PutOff, { nowMs, jitter }: Moment): JobState {
	const { part } = step;
	const drive = driveOf(state, part);
	switch (outcome.kind) {
		case "noRoom":
			return withDrive(troubled(state, step, outcome.why, nowMs), part, { failures: 0, dueAtMs: later(state, nowMs, outcome.waitMs) });
		case "unknown":
			return withDrive(troubled(state, step, outcome.message, nowMs), part, inDoubt(state, nowMs));
		case "absent": {
			const looks = drive.looks + 1;
			const delayMs = looks >= LOOKS_MAX ? 0 : (LOOK_DELAYS_MS[looks] ?? 0);
			return withDrive(state, part, { looks, failures: 0, dueAtMs: later(state, nowMs, delayMs) });
		}
		case "refused": {
			const put = withDrive(troubled(state, step, outcome.message, nowMs), part, { isClear: true, looks: 0 });
			if (outcome.isFinal) return withDrive(put, part, { refusal: outcome.message, failures: 0, dueAtMs: 0 });
			const failures = drive.failures + 1;
			return withDrive(put, part, { failures, dueAtMs: later(state, nowMs, retryDelayMs(failures, jitter, outcome.retryAfterMs ?? 0)) });
		}
	}
}

function inDoubt(state: JobState, nowMs: number): Partial<PartDrive> {
	return { looks: 0, isClear: false, failures: 0, dueAtMs: later(state, nowMs, LOOK_DELAYS_MS[0]) };
}

/** What the provider did not take goes again, and not at once. */
function afterDone(state: JobState, step: PartStep, { nowMs, jitter }: Moment): JobState {
	if (step.kind !== "drop" || step.as !== "again") return state;
	const failed = (state.picture?.parts ?? []).filter((part) => part.state === "failed").length;
	return { ...troubled(state, step, step.problem ?? "", nowMs), sendDueAtMs: later(state, nowMs, retryDelayMs(failed, jitter)) };
}

function afterSaid(state: JobState, step: PartStep, status: ProviderBatchStatus, { nowMs, jitter }: Moment): JobState {
	const isOver = status.state === "ended" || status.state === "failed";
	const since = state.picture?.parts.find(({ part }) => part === step.part)?.runningSinceMs ?? nowMs;
	const isCancelling = status.state === "cancelling" || step.kind === "cancel";
	const dueAtMs = isOver ? 0 : later(state, nowMs, pollDelayMs(nowMs - since, jitter, isCancelling));
	const sent = step.kind === "cancel" ? { cancelSentAtMs: nowMs } : {};
	return withDrive(state, step.part, { status, isClear: false, failures: 0, dueAtMs, ...sent });
}

function afterCollected(state: JobState, step: PartStep, tally: CollectTally, { nowMs, jitter }: Moment): JobState {
	const { part } = step;
	const readings = driveOf(state, part).readings + 1;
	const counted = { ...state, unresolved: state.unresolved + tally.unresolved, unknownLines: state.unknownLines + tally.unknown };
	// A part of which everything is booked has no drive any more.
	if (tally.missing === 0) return withDrive(counted, part, { readings, tally, failures: 0, dueAtMs: 0 });
	const message = `${tally.missing} items have no result, and ${tally.unreadable} lines could not be read`;
	const dueAtMs = later(state, nowMs, retryDelayMs(readings + 1, jitter));
	return withDrive(troubled(counted, step, message, nowMs), part, { readings, tally, failures: 0, dueAtMs });
}

/** The true one may stand beside it; one more look is enough, so long after the attempt. */
function afterForeign(state: JobState, { part }: PartStep, providerBatchId: string): JobState {
	const { notOurs } = driveOf(state, part);
	const fresh = { status: null, isCertain: true, looks: LOOKS_MAX - 1, failures: 0, dueAtMs: 0, cancelSentAtMs: null, readings: 0, tally: null };
	return withDrive(state, part, { ...fresh, notOurs: [...notOurs, providerBatchId] });
}

function troubled(state: JobState, { kind }: JobStep, message: string, nowMs: number): JobState {
	return { ...state, retries: state.retries + 1, trouble: { atMs: nowMs, step: kind, message } };
}

function withDrive(state: JobState, part: number, change: Partial<PartDrive>): JobState {
	return { ...state, drives: state.drives.map((drive) => (drive.part === part ? { ...drive, ...change } : drive)) };
}

function later({ pacePermille }: JobState, nowMs: number, delayMs: number): number {
	return nowMs + Math.ceil((delayMs * pacePermille) / 1_000);
}

/** What is done about a double is no step of its part, which may be over. */
function isOfPart({ doubles }: JobState, step: JobStep): step is PartStep {
	if (!("part" in step) || step.kind === "seek" || step.kind === "settleDouble") return false;
	return !(step.kind === "cancel" && doubles.some(({ providerBatchId }) => providerBatchId === step.providerBatchId));
}
