import {
	type BudgetDefinition,
	type BudgetSelector,
	checkBudgetDefinition,
	checkBudgetSelector,
	checkBudgetsTogether,
	type FieldProblem,
	selectorKey,
} from "#domain/budget/scope.ts";
import {
	CHAIN_HEADS_MAX,
	type ChainHead,
	type HeldFreeze,
	type RefusalNote,
	type TeamBudgetState,
	type TotalsReport,
	type WindowReport,
} from "#domain/budget/team-budget-state.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import { invalidInput } from "../shared/handler-errors.ts";
import type { ApplyPolicyInput, FreezeInput, UnfreezeInput } from "./messages.ts";

const PERSON_LENGTH_MAX = 100;
const FREEZE_REASON_LENGTH_MAX = 200;
const NOTE_TEXT_LENGTH_MAX = 512;
const GATEWAY_ID_LENGTH_MAX = 128;
/** The last instant a Date can hold (ECMA-262, time value). */
const LAST_INSTANT_MS = 8.64e15;

/** Synchronous, read-only, shape only: a rejection leaves no event. What is refused names its field. */
export function validatePolicy(input: ApplyPolicyInput, teamId: string): void {
	const problems: FieldProblem[] = [];
	if (input?.mode !== "replace" && input?.mode !== "patch") throw invalidInput([{ field: "mode", problem: "must be replace or patch" }]);
	if (!Array.isArray(input.set)) throw invalidInput([{ field: "set", problem: "must be a list of budgets" }]);
	if (!Array.isArray(input.remove)) throw invalidInput([{ field: "remove", problem: "must be a list of selectors" }]);
	const setChecks = input.set.map((budget, index) => checkBudgetDefinition(budget, teamId, `set[${index}]`));
	const removeChecks = input.remove.map((selector, index) => checkBudgetSelector(selector, teamId, `remove[${index}]`));
	for (const check of [...setChecks, ...removeChecks]) if (check.kind === "invalid") problems.push(...check.problems);
	if (input.clearsOverruns !== undefined && typeof input.clearsOverruns !== "boolean")
		problems.push({ field: "clearsOverruns", problem: "must be true or false" });
	problems.push(...repeated(input.set, "set"), ...checkPerson(input.requestedBy));
	if (problems.length > 0) throw invalidInput(problems);
}

/** Judged against the team's present budgets, so not in the validator: the state may not be loaded there. */
export function checkPolicyFits(input: ApplyPolicyInput, state: TeamBudgetState): void {
	const removed = new Set(input.remove.map(selectorKey));
	const kept = input.mode === "replace" ? [] : state.budgets.filter(({ key }) => !removed.has(key)).map(({ definition }) => definition);
	const set = definitionsIn(input, state.teamId);
	const after = new Map<string, BudgetDefinition>([...kept, ...set].map((budget) => [selectorKey(budget), budget]));
	const problems = checkBudgetsTogether([...after.values()], state.teamId, "set");
	if (problems.length > 0) throw invalidInput(problems);
}

/** The budgets to set in their normal form: what a caller left out, or an older one said in other words, is there. */
export function definitionsIn(input: ApplyPolicyInput, teamId: string): BudgetDefinition[] {
	const checks = input.set.map((budget, index) => checkBudgetDefinition(budget, teamId, `set[${index}]`));
	const problems = checks.flatMap((check) => (check.kind === "invalid" ? check.problems : []));
	if (problems.length > 0) throw invalidInput(problems);
	return checks.flatMap((check) => (check.kind === "valid" ? [check.value] : []));
}

export function validateFreeze(input: FreezeInput): void {
	const problems = [
		...checkHeldSeq(input?.heldSeq),
		...checkPerson(input?.requestedBy),
		...checkText("reason", input?.reason, { minLength: 0, maxLength: FREEZE_REASON_LENGTH_MAX }),
	];
	if (problems.length > 0) throw invalidInput(problems);
}

export function validateUnfreeze(input: UnfreezeInput): void {
	const problems = [...checkHeldSeq(input?.heldSeq), ...checkPerson(input?.requestedBy)];
	if (problems.length > 0) throw invalidInput(problems);
}

/** Signals cannot be refused, so the shape of every element is checked before anything is read from them. */
export function isTotalsReport(report: TotalsReport): boolean {
	return (
		Array.isArray(report?.windows) &&
		Array.isArray(report.lastRefusals) &&
		report.windows.every(isWindowReport) &&
		report.lastRefusals.every(isRefusalNote) &&
		(report.freeze === undefined || isHeldFreeze(report.freeze)) &&
		(report.documentRevision === undefined || isCount(report.documentRevision)) &&
		(report.chainHeads === undefined || areChainHeads(report.chainHeads))
	);
}

function isWindowReport(window: WindowReport): boolean {
	const amounts = [window?.granted, window?.posted, window?.overrun, window?.approved ?? "0", window?.refusedAtStop ?? "0"];
	const areAmounts = amounts.every((amount) => typeof amount === "string" && /^(0|[1-9][0-9]{0,29})$/.test(amount));
	const areCounts = [window?.leases, window?.refusals, window?.version, window?.observedRefusals ?? 0].every(isCount);
	return areAmounts && areCounts && typeof window.key === "string" && isInstant(window.startsAtMs) && (window.endsAtMs === null || isInstant(window.endsAtMs));
}

/** Request ids are the caller's text: their length is bounded here, their characters where they are shown. */
function isRefusalNote(note: RefusalNote): boolean {
	const areTexts = [note?.key, note?.code, note?.requestId].every((text) => typeof text === "string" && text.length <= NOTE_TEXT_LENGTH_MAX);
	return areTexts && isInstant(note.atMs);
}

function isHeldFreeze(freeze: HeldFreeze): boolean {
	return typeof freeze?.isFrozen === "boolean" && (freeze.reason === null || typeof freeze.reason === "string") && isCount(freeze.seq);
}

function areChainHeads(heads: readonly ChainHead[]): boolean {
	return Array.isArray(heads) && heads.length <= CHAIN_HEADS_MAX && heads.every(isChainHead);
}

function isChainHead(head: ChainHead): boolean {
	const areTexts = [head?.gatewayId, head?.epoch, head?.chunkSeq, head?.hash].every((text) => typeof text === "string");
	if (!areTexts || head.gatewayId.length > GATEWAY_ID_LENGTH_MAX) return false;
	return [head.epoch, head.chunkSeq].every((text) => /^[0-9]{1,19}$/.test(text)) && /^[0-9a-f]{64}$/.test(head.hash);
}

function isCount(count: unknown): boolean {
	return typeof count === "number" && Number.isSafeInteger(count) && count >= 0;
}

function checkHeldSeq(seq: unknown): FieldProblem[] {
	return seq === undefined || isCount(seq) ? [] : [{ field: "heldSeq", problem: "must be a whole number" }];
}

function isInstant(epochMs: unknown): boolean {
	return typeof epochMs === "number" && Math.abs(epochMs) <= LAST_INSTANT_MS;
}

function checkPerson(name: unknown): FieldProblem[] {
	return checkText("requestedBy", name, { minLength: 1, maxLength: PERSON_LENGTH_MAX });
}

function checkText(field: string, value: unknown, bounds: { readonly minLength: number; readonly maxLength: number }): FieldProblem[] {
	const problem = storableTextProblem(value, bounds);
	return problem === undefined ? [] : [{ field, problem }];
}

function repeated(budgets: readonly BudgetSelector[], field: string): FieldProblem[] {
	const seen = new Set<string>();
	return budgets.flatMap((budget, index) => {
		if (typeof budget !== "object" || budget === null) return [];
		const key = selectorKey(budget);
		if (seen.has(key)) return [{ field: `${field}[${index}]`, problem: "names the same budget as an earlier entry" }];
		seen.add(key);
		return [];
	});
}
