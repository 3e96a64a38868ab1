import type { Checked, FieldProblem } from "../budget/scope.ts";
import type { Ceiling } from "./ceilings.ts";
import { checkRunLimits, limitsAbove, writeRunLimits } from "./run-limits.ts";
import { DEFAULT_RUN_POLICY, type RunPolicy } from "./run-policy.ts";

/** What a team's policy says of its agent runs, as it is stored: what it leaves out takes its default. */
export type TeamRuns = {
	/** `writeRunLimits` of the ceilings of a root that states none itself; kinds that it leaves out stand at their defaults. */
	readonly limits?: Readonly<Record<string, unknown>>;
	/** Hard ceilings alone: what registering and raising a run may ask for at most. {} = the team's budgets alone bound it. */
	readonly most?: Readonly<Record<string, unknown>>;
	/** What a loop does to a run. */
	readonly onLoop?: "pause" | "stop";
	/** Roots that one key may begin in an hour. */
	readonly newRunsPerHour?: number;
	/** Hours after which a pause that nobody answered becomes a stop. */
	readonly pauseHours?: number;
};

export const ON_LOOP = ["pause", "stop"] as const;
export const NEW_RUNS_PER_HOUR_MAX = 1_000_000;
/** A year. */
export const PAUSE_HOURS_MAX = 8_784;

export const TEAM_RUNS_DEFAULTS: Required<TeamRuns> = {
	limits: writeRunLimits(DEFAULT_RUN_POLICY.limits),
	most: writeRunLimits(DEFAULT_RUN_POLICY.most),
	onLoop: DEFAULT_RUN_POLICY.onLoop,
	newRunsPerHour: DEFAULT_RUN_POLICY.newRunsPerHour,
	pauseHours: DEFAULT_RUN_POLICY.pauseHours,
};

/** Checks what a team says from untrusted input, `null` for a default included. Every problem names its field; unknown fields are refused. */
export function checkTeamRuns(input: unknown, field = "runs"): Checked<TeamRuns> {
	if (!isFields(input)) return { kind: "invalid", problems: [{ field, problem: `must be an object with ${FIELDS.join(", ")}` }] };
	const problems: FieldProblem[] = [];
	for (const name of Object.keys(input))
		if (!FIELDS.some((known) => known === name)) problems.push({ field: `${field}.${name.slice(0, 80)}`, problem: `is not one of ${FIELDS.join(", ")}` });
	const limits = checkCeilings(input["limits"], `${field}.limits`, problems);
	const most = checkCeilings(input["most"], `${field}.most`, problems);
	const onLoop = ON_LOOP.find((known) => known === input["onLoop"]);
	if (onLoop === undefined && isSaid(input["onLoop"])) problems.push({ field: `${field}.onLoop`, problem: `must be one of ${ON_LOOP.join(", ")}` });
	const newRunsPerHour = checkCount(input["newRunsPerHour"], { field: `${field}.newRunsPerHour`, largest: NEW_RUNS_PER_HOUR_MAX, problems });
	const pauseHours = checkCount(input["pauseHours"], { field: `${field}.pauseHours`, largest: PAUSE_HOURS_MAX, problems });
	problems.push(...problemsOfMost({ ...(limits && { limits }), ...(most && { most }) }, field));
	if (problems.length > 0) return { kind: "invalid", problems };
	return {
		kind: "valid",
		value: tellingRuns({
			...(limits && { limits }),
			...(most && { most }),
			...(onLoop && { onLoop }),
			...(newRunsPerHour !== undefined && { newRunsPerHour }),
			...(pauseHours !== undefined && { pauseHours }),
		}),
	};
}

/** As stored, defaults put in. A field that was written by hand and says nothing holds as its default. */
export function readTeamRuns(stored: unknown): Required<TeamRuns> {
	const checked = checkTeamRuns(stored ?? {});
	if (checked.kind === "valid") return effectiveRuns(checked.value);
	const fields = isFields(stored) ? Object.entries(stored) : [];
	const valid = fields.flatMap(([name, value]) => {
		const alone = checkTeamRuns({ [name]: value });
		return alone.kind === "valid" ? [alone.value] : [];
	});
	return effectiveRuns(Object.assign({}, ...valid) as TeamRuns);
}

/** What holds: no ceiling is lost because another one is stated. */
export function effectiveRuns(runs: TeamRuns): Required<TeamRuns> {
	return { ...TEAM_RUNS_DEFAULTS, ...runs, limits: { ...TEAM_RUNS_DEFAULTS.limits, ...runs.limits } };
}

/** The same as gateways use it; one object for all teams that say nothing. */
export function runPolicyOf(stored: unknown): RunPolicy {
	if (!isFields(stored) || Object.keys(stored).length === 0) return DEFAULT_RUN_POLICY;
	const { limits, most, ...rest } = readTeamRuns(stored);
	return { ...rest, limits: ceilingsOf(limits), most: ceilingsOf(most) };
}

function ceilingsOf(limits: Readonly<Record<string, unknown>>): readonly Ceiling[] {
	const checked = checkRunLimits(limits);
	return checked.kind === "valid" ? checked.value : [];
}

/** Without what says no more than its default, in one order. */
export function tellingRuns(runs: TeamRuns): TeamRuns {
	const said = FIELDS.filter((name) => runs[name] !== undefined && stableText(runs[name]) !== stableText(TEAM_RUNS_DEFAULTS[name]));
	return Object.fromEntries(said.map((name) => [name, inOrder(runs[name])])) as TeamRuns;
}

/** What a root gets that states none must be within what anybody may ask for. */
export function problemsOfMost(runs: TeamRuns, field = "runs"): readonly FieldProblem[] {
	const { limits, most } = effectiveRuns(runs);
	const [given, bound] = [checkRunLimits(limits), checkRunLimits(most)];
	if (given.kind === "invalid" || bound.kind === "invalid") return [];
	const soft = bound.value.filter(({ soft: line }) => line !== undefined).map(({ kind }) => `${field}.most.${kind}`);
	return [
		...soft.map((at) => ({ field: at, problem: "has no soft line here: it bounds what may be asked for" })),
		...limitsAbove(given.value, bound.value, { field: `${field}.limits`, whose: "most's" }),
	];
}

const FIELDS = ["limits", "most", "onLoop", "newRunsPerHour", "pauseHours"] as const;

function checkCeilings(input: unknown, field: string, problems: FieldProblem[]): Readonly<Record<string, unknown>> | undefined {
	if (!isSaid(input)) return undefined;
	const checked = checkRunLimits(input, field);
	if (checked.kind === "valid") return writeRunLimits(checked.value);
	problems.push(...checked.problems);
	return undefined;
}

type CountRule = { readonly field: string; readonly largest: number; readonly problems: FieldProblem[] };

function checkCount(input: unknown, { field, largest, problems }: CountRule): number | undefined {
	if (!isSaid(input)) return undefined;
	if (typeof input === "number" && Number.isInteger(input) && input >= 1 && input <= largest) return input;
	problems.push({ field, problem: `must be a whole number from 1 to ${largest}` });
	return undefined;
}

function isSaid(input: unknown): boolean {
	return input !== undefined && input !== null;
}

function isFields(input: unknown): input is Readonly<Record<string, unknown>> {
	return typeof input === "object" && input !== null && !Array.isArray(input);
}

function inOrder(value: unknown): unknown {
	if (!isFields(value)) return value;
	return Object.fromEntries(
		Object.entries(value)
			.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
			.map(([name, part]) => [name, inOrder(part)]),
	);
}

function stableText(value: unknown): string {
	return JSON.stringify(inOrder(value)) ?? "";
}
