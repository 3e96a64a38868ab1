import { type Checked, type FieldProblem, readLimitAmount } from "../budget/scope.ts";
import { isStorableText, STORABLE_TEXT_RULE } from "../text/storable-text.ts";

/**
 * What a team's calls may do beside spending: how large one call may be (caps), and how many there may be (rates).
 * Input from people is checked here once, and every problem names its field.
 */
export const RATE_DIMENSIONS = ["team", "feature", "user", "model", "key"] as const;
export type RateDimension = (typeof RATE_DIMENSIONS)[number];

/** The most one call may take in, put out or cost. Tokens are whole numbers, money is a decimal string of nano-USD. */
export type CallCap = {
	/** Holds for calls of this feature; null = for every call of the team. */
	readonly feature: string | null;
	readonly inputTokens?: number;
	readonly outputTokens?: number;
	readonly costNanoUsd?: string;
};

export type RateRule = {
	readonly dimension: RateDimension;
	/** "*" = each value by itself; "" for the team. */
	readonly dimensionValue: string;
	readonly requestsPerMinute?: number;
	readonly tokensPerMinute?: number;
	/** Calls at a time. */
	readonly inFlight?: number;
};

export type TeamLimits = { readonly caps: readonly CallCap[]; readonly rates: readonly RateRule[] };

export const NO_LIMITS: TeamLimits = { caps: [], rates: [] };
/** A call meets at most two rules per dimension with three measures each. */
export const MAX_RULES = 100;

const MAX_VALUE_LENGTH = 128;
const CAP_TOKENS = ["inputTokens", "outputTokens"] as const;
const RATE_MEASURES = ["requestsPerMinute", "tokensPerMinute", "inFlight"] as const;
const LARGEST = { inputTokens: 1e9, outputTokens: 1e9, requestsPerMinute: 1e9, tokensPerMinute: 1e12, inFlight: 1e6 } as const;
// As in budgets: quotes and the separator of our own keys never belong in an id.
const FORBIDDEN_IN_VALUE = /[|\\"`]/;

type Fields = Readonly<Record<string, unknown>>;
type Problems = FieldProblem[];

/**
 * Checks limits from untrusted input; what is left out (`caps`, `rates`) is none. `field` is the path put before each field name.
 * Unknown fields are refused: a limit that was meant and not read would be none.
 */
export function checkTeamLimits(input: unknown, field = "limits"): Checked<TeamLimits> {
	const problems: Problems = [];
	if (!isFields(input)) return { kind: "invalid", problems: [{ field, problem: "must be an object with caps and rates" }] };
	refuseUnknown(input, ["caps", "rates"], field, problems);
	const caps = listOf(input["caps"], `${field}.caps`, problems).map((cap, index) => checkCap(cap, `${field}.caps[${index}]`, problems));
	const rates = listOf(input["rates"], `${field}.rates`, problems).map((rate, index) => checkRate(rate, `${field}.rates[${index}]`, problems));
	refuseTwins(
		caps.map((cap) => cap.feature ?? ""),
		`${field}.caps`,
		problems,
	);
	refuseTwins(
		rates.map((rate) => `${rate.dimension} ${rate.dimensionValue}`),
		`${field}.rates`,
		problems,
	);
	return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: { caps, rates } };
}

/** Limits as they are stored, checked when they were written. Entries that are not limits (written by hand) hold nothing and are left out. */
export function readTeamLimits(stored: unknown): TeamLimits {
	const checked = checkTeamLimits(stored ?? {});
	if (checked.kind === "valid") return checked.value;
	if (!isFields(stored)) return NO_LIMITS;
	const valid = <Rule>(rules: unknown, check: (rule: unknown, problems: Problems) => Rule): Rule[] =>
		(Array.isArray(rules) ? rules : []).flatMap((rule) => {
			const problems: Problems = [];
			const read = check(rule, problems);
			return problems.length > 0 ? [] : [read];
		});
	return {
		caps: valid(stored["caps"], (cap, problems) => checkCap(cap, "cap", problems)),
		rates: valid(stored["rates"], (rate, problems) => checkRate(rate, "rate", problems)),
	};
}

function checkCap(input: unknown, field: string, problems: Problems): CallCap {
	if (!isFields(input)) return { feature: missing(field, "must be an object", problems) };
	refuseUnknown(input, ["feature", ...CAP_TOKENS, "costNanoUsd"], field, problems);
	const feature = input["feature"] ?? null;
	if (feature !== null) checkValue(feature, `${field}.feature`, problems);
	const cost = input["costNanoUsd"] === undefined ? undefined : readLimitAmount(input["costNanoUsd"], `${field}.costNanoUsd`);
	if (cost?.kind === "invalid") problems.push(...cost.problems);
	const tokens = numbersOf(input, CAP_TOKENS, field, problems);
	if (cost === undefined && Object.keys(tokens).length === 0) problems.push({ field, problem: "names no cap: inputTokens, outputTokens or costNanoUsd" });
	return { feature: feature as string | null, ...tokens, ...(cost?.kind === "valid" && { costNanoUsd: cost.value.toString() }) };
}

function checkRate(input: unknown, field: string, problems: Problems): RateRule {
	if (!isFields(input)) return { dimension: "team", dimensionValue: missing(field, "must be an object", problems) ?? "" };
	refuseUnknown(input, ["dimension", "dimensionValue", ...RATE_MEASURES], field, problems);
	const dimension = RATE_DIMENSIONS.find((one) => one === input["dimension"]);
	if (dimension === undefined) problems.push({ field: `${field}.dimension`, problem: `must be one of ${RATE_DIMENSIONS.join(", ")}` });
	const dimensionValue = input["dimensionValue"] ?? "";
	if (dimension === "team" && dimensionValue !== "") problems.push({ field: `${field}.dimensionValue`, problem: "must be empty for a rate of the team" });
	if (dimension !== undefined && dimension !== "team") checkValue(dimensionValue, `${field}.dimensionValue`, problems);
	const measures = numbersOf(input, RATE_MEASURES, field, problems);
	if (Object.keys(measures).length === 0) problems.push({ field, problem: `names no rate: ${RATE_MEASURES.join(", ")}` });
	return { dimension: dimension ?? "team", dimensionValue: String(dimensionValue), ...measures };
}

function checkValue(value: unknown, field: string, problems: Problems): void {
	if (typeof value !== "string") problems.push({ field, problem: "must be text" });
	else if (value === "") problems.push({ field, problem: "must not be empty" });
	else if (value.length > MAX_VALUE_LENGTH) problems.push({ field, problem: `must be at most ${MAX_VALUE_LENGTH} characters` });
	else if (!isStorableText(value)) problems.push({ field, problem: STORABLE_TEXT_RULE });
	else if (FORBIDDEN_IN_VALUE.test(value)) problems.push({ field, problem: "must hold no quote, backslash or |" });
}

/** The named numbers that are given, each a whole number of at least 1. */
function numbersOf<Name extends keyof typeof LARGEST>(input: Fields, names: readonly Name[], field: string, problems: Problems): Partial<Record<Name, number>> {
	const numbers: Partial<Record<Name, number>> = {};
	for (const name of names) {
		const value = input[name];
		if (value === undefined) continue;
		if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= LARGEST[name]) numbers[name] = value;
		else problems.push({ field: `${field}.${name}`, problem: `must be a whole number from 1 to ${LARGEST[name]}` });
		numbers[name] ??= 1; // named, if wrong: not to be told twice
	}
	return numbers;
}

function listOf(input: unknown, field: string, problems: Problems): readonly unknown[] {
	if (input === undefined) return [];
	if (Array.isArray(input) && input.length <= MAX_RULES) return input;
	problems.push({ field, problem: `must be a list of at most ${MAX_RULES}` });
	return [];
}

function refuseUnknown(input: Fields, known: readonly string[], field: string, problems: Problems): void {
	for (const name of Object.keys(input)) {
		if (!known.includes(name)) problems.push({ field: `${field}.${name.slice(0, 80)}`, problem: `is not known here; known are ${known.join(", ")}` });
	}
}

function refuseTwins(keys: readonly string[], field: string, problems: Problems): void {
	for (const [index, key] of keys.entries()) {
		const first = keys.indexOf(key);
		if (first < index) problems.push({ field: `${field}[${index}]`, problem: `says again for whom ${field}[${first}] holds` });
	}
}

function missing(field: string, problem: string, problems: Problems): null {
	problems.push({ field, problem });
	return null;
}

function isFields(input: unknown): input is Fields {
	return typeof input === "object" && input !== null && !Array.isArray(input);
}
