import { CEILING_KINDS } from "#domain/agents/ceilings.ts";
import { checkRunLimits, writeRunLimits } from "#domain/agents/run-limits.ts";
import type { RunEventRow, RunSnapshot, RunStepRow, StandingCeiling } from "#domain/agents/run-snapshot.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { RunLimitsInput, RunReasonInput } from "./messages.ts";

const PERSON_LENGTH_MAX = 100;
const REASON_LENGTH_MAX = 200;
const ROWS_MAX = 100;
const CEILINGS_MAX = 2_500;
const AMOUNT = /^(?:0|[1-9]\d{0,29})$/;
const WHOLE = /^-?\d{1,30}$/;
const STATES: ReadonlySet<unknown> = new Set(["running", "paused", "stopped", "finished"]);
const KINDS: ReadonlySet<unknown> = new Set(CEILING_KINDS);

/** Synchronous, read-only, shape only: a rejection leaves no event. What is refused names its field. */
export function validateReason(input: RunReasonInput): void {
	const problems = checkReason(input);
	if (problems.length > 0) throw invalidInput(problems);
}

export function validateLimits(input: RunLimitsInput): void {
	const limits = checkRunLimits(input?.limits);
	const problems: FieldProblem[] = [...(limits.kind === "invalid" ? limits.problems : []), ...checkReason(input)];
	if (limits.kind === "valid" && limits.value.length === 0) problems.push({ field: "limits", problem: "must name at least one ceiling" });
	if (problems.length > 0) throw invalidInput(problems);
}

/** Limits in their normal form; they were validated. */
export function limitsIn({ limits }: RunLimitsInput): Readonly<Record<string, unknown>> {
	const checked = checkRunLimits(limits);
	if (checked.kind === "invalid") throw invalidInput(checked.problems);
	return writeRunLimits(checked.value);
}

/** Signals cannot be refused, so the shape of all that is read or shown is checked before anything is. */
export function isRunSnapshot(snapshot: RunSnapshot): boolean {
	if (typeof snapshot?.run !== "object" || snapshot.run === null || !isTotals(snapshot)) return false;
	const { run, openedAtMs, heldAtMs = null, pauseHours = 1 } = snapshot;
	const areTexts = [run.runId, run.teamId, run.origin, snapshot.rootRunId, snapshot.parentRunId ?? ""].every(isText);
	const areNumbers = [openedAtMs, run.openedMsAgo, run.pausedMs, heldAtMs ?? 0].every(Number.isFinite);
	if (!areTexts || !areNumbers || !STATES.has(run.state) || !AMOUNT.test(run.version) || !(pauseHours > 0)) return false;
	if (run.hold !== null && !isHold(run.hold)) return false;
	return isList(snapshot.ceilings, CEILINGS_MAX, isCeiling) && isList(snapshot.steps, ROWS_MAX, isStep) && isList(snapshot.events, ROWS_MAX, isEvent);
}

function checkReason(input: RunReasonInput): FieldProblem[] {
	const by = storableTextProblem(input?.by, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
	const reason = storableTextProblem(input?.reason, { minLength: 1, maxLength: REASON_LENGTH_MAX });
	return [...(by === undefined ? [] : [{ field: "by", problem: by }]), ...(reason === undefined ? [] : [{ field: "reason", problem: reason }])];
}

function isTotals({ totals }: RunSnapshot): boolean {
	if (typeof totals !== "object" || totals === null || !WHOLE.test(totals.costNanoUsd)) return false;
	const areCounts = [totals.inputTokens, totals.outputTokens, totals.steps, totals.outputBytes].every(Number.isFinite);
	return areCounts && typeof totals.toolCalls === "object" && totals.toolCalls !== null && Object.values(totals.toolCalls).every(Number.isFinite);
}

function isHold(hold: NonNullable<RunSnapshot["run"]["hold"]>): boolean {
	return (
		typeof hold === "object" &&
		[hold.guard, hold.evidence, hold.measured, hold.threshold, hold.ofRunId, hold.by, hold.tool ?? "", hold.pauseId ?? ""].every(isText)
	);
}

function isCeiling(ceiling: StandingCeiling): boolean {
	return KINDS.has(ceiling?.kind) && isText(ceiling.ofRunId) && isText(ceiling.tool ?? "") && AMOUNT.test(ceiling.at) && AMOUNT.test(ceiling.taken);
}

function isStep(step: RunStepRow): boolean {
	const areTexts = [step?.requestId, step?.model, step?.outcome].every(isText);
	return areTexts && Number.isFinite(step.atMs) && Number.isFinite(step.tokens) && WHOLE.test(step.costNanoUsd);
}

function isEvent(event: RunEventRow): boolean {
	return [event?.seq, event?.kind].every(isText) && Number.isFinite(event.atMs) && typeof event.detail === "object" && event.detail !== null;
}

function isList<Row>(list: readonly Row[], most: number, isRow: (row: Row) => boolean): boolean {
	return Array.isArray(list) && list.length <= most && list.every(isRow);
}

function isText(text: unknown): boolean {
	return typeof text === "string";
}
