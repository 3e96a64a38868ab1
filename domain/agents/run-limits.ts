import type { Checked, FieldProblem } from "../budget/scope.ts";
import { MAX_LIMIT_NANO_USD } from "../money/nano-usd.ts";
import { findCircles, renderCircle } from "../policy/circles.ts";
import { storableTextProblem } from "../text/storable-text.ts";
import { CEILING_KINDS, type Ceiling, type CeilingKind } from "./ceilings.ts";

/**
 * Limits of a run from untrusted input: one entry per ceiling, `toolCalls` one per tool ("*" = each tool by itself). An entry is a number,
 * short for a pause there, or `{ soft: { at, action, degradeTo }, hard: { at, action } }`. Money is a decimal string of nano-USD, all else whole
 * numbers. Actions default to warn and pause. Every problem names its field; unknown fields are refused.
 */
export function checkRunLimits(input: unknown, field = "limits"): Checked<readonly Ceiling[]> {
	if (!isFields(input)) return { kind: "invalid", problems: [{ field, problem: "must be an object with one entry per ceiling" }] };
	const problems: FieldProblem[] = [];
	const ceilings: Ceiling[] = [];
	for (const [name, entry] of Object.entries(input)) {
		const kind = CEILING_KINDS.find((known) => known === name);
		if (kind === undefined) problems.push({ field: `${field}.${printable(name)}`, problem: `is not one of ${CEILING_KINDS.join(", ")}` });
		else if (kind === "toolCalls") ceilings.push(...checkTools(entry, `${field}.toolCalls`, problems));
		else ceilings.push(...checkEntry(entry, { kind, field: `${field}.${kind}`, problems }));
	}
	if (problems.length === 0) problems.push(...contradictions(ceilings, field));
	return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: ceilings };
}

/** The same limits as JSON that `checkRunLimits` takes: how they are stored, and travel to workflows. */
export function writeRunLimits(ceilings: readonly Ceiling[]): Readonly<Record<string, unknown>> {
	const written = new Map<string, unknown>();
	const tools: [string, unknown][] = [];
	for (const { kind, tool, soft, hard } of ceilings) {
		const at = (amount: bigint): string | number => (kind === "costNanoUsd" ? amount.toString() : Number(amount));
		const entry = { ...(soft && { soft: { ...soft, at: at(soft.at) } }), ...(hard && { hard: { ...hard, at: at(hard.at) } }) };
		if (kind === "toolCalls") tools.push([tool ?? "*", entry]);
		else written.set(kind, entry);
	}
	if (tools.length > 0) written.set("toolCalls", Object.fromEntries(tools));
	return Object.fromEntries(written);
}

/** What a child run asks for beyond what its parent may have; money and counts of a child come out of its parent's. */
export function limitsAbove(limits: readonly Ceiling[], outer: readonly Ceiling[], { field = "limits", whose = "the parent's" } = {}): readonly FieldProblem[] {
	return limits.flatMap(({ kind, tool, hard }) => {
		const ofKind = outer.filter((other) => other.kind === kind);
		const above = (ofKind.find((other) => other.tool === tool) ?? ofKind.find((other) => other.tool === "*"))?.hard;
		if (hard === undefined || above === undefined || hard.at <= above.at) return [];
		return [{ field: `${fieldOf(field, kind, tool)}.hard.at`, problem: `must not be above ${whose} ${above.at}` }];
	});
}

const LARGEST: Readonly<Record<CeilingKind, bigint>> = {
	costNanoUsd: MAX_LIMIT_NANO_USD,
	inputTokens: 10n ** 12n,
	outputTokens: 10n ** 12n,
	steps: 10n ** 7n,
	/** A year. */
	elapsedMs: 366n * 86_400_000n,
	toolCalls: 10n ** 7n,
	depth: 32n,
	width: 10_000n,
	outputBytes: 10n ** 12n,
	contextGrowthTokens: 10n ** 8n,
};
/** Nothing at all may be allowed of these. */
const MAY_BE_ZERO: ReadonlySet<CeilingKind> = new Set(["toolCalls", "depth", "width"]);
const TOOLS_MAX = 64;
const TOOL_LENGTH_MAX = 128;
const MODELS_MAX = 64;
const DECIMAL = /^(?:0|[1-9]\d{0,29})$/;

type Place = { readonly kind: CeilingKind; readonly field: string; readonly problems: FieldProblem[]; readonly tool?: string };

function checkTools(input: unknown, field: string, problems: FieldProblem[]): readonly Ceiling[] {
	if (!isFields(input)) {
		problems.push({ field, problem: 'must be an object with one entry per tool, "*" for each tool by itself' });
		return [];
	}
	const entries = Object.entries(input);
	if (entries.length > TOOLS_MAX) problems.push({ field, problem: `must name at most ${TOOLS_MAX} tools` });
	return entries.slice(0, TOOLS_MAX).flatMap(([tool, entry]) => {
		const problem = storableTextProblem(tool, { minLength: 1, maxLength: TOOL_LENGTH_MAX });
		if (problem !== undefined) problems.push({ field: `${field}.${printable(tool)}`, problem });
		return checkEntry(entry, { kind: "toolCalls", field: `${field}.${printable(tool)}`, problems, tool });
	});
}

function checkEntry(input: unknown, place: Place): readonly Ceiling[] {
	const { kind, field, problems, tool } = place;
	const named = { kind, ...(tool !== undefined && { tool }) };
	if (!isFields(input)) {
		const at = readAmount(input, field, place);
		return at === undefined ? [] : [{ ...named, hard: { at, action: "pause" } }];
	}
	refuseUnknown(input, ["soft", "hard"], place);
	if (input["soft"] === undefined && input["hard"] === undefined) problems.push({ field, problem: "must hold soft, hard or both" });
	const soft = input["soft"] === undefined ? undefined : checkSoft(input["soft"], { ...place, field: `${field}.soft` });
	const hard = input["hard"] === undefined ? undefined : checkHard(input["hard"], { ...place, field: `${field}.hard` });
	return [{ ...named, ...(soft && { soft }), ...(hard && { hard }) }];
}

function checkSoft(input: unknown, place: Place): Ceiling["soft"] {
	const { field, problems } = place;
	if (!isFields(input)) {
		const at = readAmount(input, field, place);
		return at === undefined ? undefined : { at, action: "warn" };
	}
	refuseUnknown(input, ["at", "action", "degradeTo"], place);
	const at = readAmount(input["at"], `${field}.at`, place);
	const action = input["action"] ?? "warn";
	if (action !== "warn" && action !== "degrade") problems.push({ field: `${field}.action`, problem: "must be warn or degrade" });
	if (action === "degrade") {
		const degradeTo = checkDegradeTo(input["degradeTo"], `${field}.degradeTo`, problems);
		return at === undefined || degradeTo === undefined ? undefined : { at, action, degradeTo };
	}
	if (input["degradeTo"] !== undefined) problems.push({ field: `${field}.degradeTo`, problem: "belongs to the action degrade alone" });
	return at === undefined ? undefined : { at, action: "warn" };
}

function checkHard(input: unknown, place: Place): Ceiling["hard"] {
	const { field, problems } = place;
	if (!isFields(input)) {
		const at = readAmount(input, field, place);
		return at === undefined ? undefined : { at, action: "pause" };
	}
	refuseUnknown(input, ["at", "action"], place);
	const at = readAmount(input["at"], `${field}.at`, place);
	const action = input["action"] ?? "pause";
	if (action === "pause" || action === "stop") return at === undefined ? undefined : { at, action };
	problems.push({ field: `${field}.action`, problem: "must be pause or stop" });
	return undefined;
}

function checkDegradeTo(input: unknown, field: string, problems: FieldProblem[]): Readonly<Record<string, string>> | undefined {
	const entries = isFields(input) ? Object.entries(input) : [];
	if (entries.length === 0 || entries.length > MODELS_MAX) {
		problems.push({ field, problem: `must name 1 to ${MODELS_MAX} models, each with the model served instead` });
		return undefined;
	}
	const bounds = { minLength: 1, maxLength: TOOL_LENGTH_MAX };
	const found = entries.flatMap(([asked, served]) => {
		const problem = storableTextProblem(asked, bounds) ?? storableTextProblem(served, bounds);
		return problem === undefined ? [] : [{ field: `${field}.${printable(asked)}`, problem }];
	});
	problems.push(...found);
	if (found.length > 0) return undefined;
	const degradeTo = Object.fromEntries(entries) as Record<string, string>;
	for (const circle of findCircles(Object.keys(degradeTo), (name) => (Object.hasOwn(degradeTo, name) ? [degradeTo[name] ?? ""] : [])))
		problems.push({ field: `${field}.${printable(circle[0] ?? "")}`, problem: `leads back to itself: ${renderCircle(circle)}` });
	return degradeTo;
}

function readAmount(input: unknown, field: string, { kind, problems }: Place): bigint | undefined {
	const isMoney = kind === "costNanoUsd";
	const isForm = isMoney ? typeof input === "string" && DECIMAL.test(input) : Number.isSafeInteger(input);
	const lowest = MAY_BE_ZERO.has(kind) ? 0n : 1n;
	const amount = isForm ? BigInt(input as string | number) : undefined;
	if (amount !== undefined && amount >= lowest && amount <= LARGEST[kind]) return amount;
	problems.push({ field, problem: `must be a whole number from ${lowest} to ${LARGEST[kind]}${isMoney ? ", written as a decimal string of nano-USD" : ""}` });
	return undefined;
}

/** Limits of which one could never be reached, or would forbid what another allows. */
function contradictions(ceilings: readonly Ceiling[], field: string): FieldProblem[] {
	const problems: FieldProblem[] = [];
	const hardOf = (kind: CeilingKind, tool?: string): bigint | undefined => ceilings.find((other) => other.kind === kind && other.tool === tool)?.hard?.at;
	const everyTool = hardOf("toolCalls", "*");
	for (const { kind, tool, soft, hard } of ceilings) {
		const at = fieldOf(field, kind, tool);
		if (soft !== undefined && hard !== undefined && soft.at >= hard.at)
			problems.push({ field: `${at}.soft.at`, problem: `must be below the hard ceiling, which is ${hard.at}` });
		if (kind === "toolCalls" && tool !== "*" && hard !== undefined && everyTool !== undefined && hard.at > everyTool)
			problems.push({ field: `${at}.hard.at`, problem: `must not be above what each tool may be called, which is ${everyTool}` });
	}
	const [depth, width] = [hardOf("depth"), hardOf("width")];
	if (depth === 0n && width !== undefined && width > 0n) problems.push({ field: `${field}.width`, problem: "allows child runs, and a depth of 0 allows none" });
	return problems;
}

function fieldOf(field: string, kind: CeilingKind, tool: string | undefined): string {
	return tool === undefined ? `${field}.${kind}` : `${field}.${kind}.${printable(tool)}`;
}

function refuseUnknown(input: Readonly<Record<string, unknown>>, known: readonly string[], { field, problems }: Place): void {
	for (const name of Object.keys(input))
		if (!known.includes(name)) problems.push({ field: `${field}.${printable(name)}`, problem: `is not one of ${known.join(", ")}` });
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function printable(name: string): string {
	return name.slice(0, TOOL_LENGTH_MAX).replaceAll(/[\p{Cc}\p{Cs}]/gu, "?");
}
