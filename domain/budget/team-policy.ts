/**
 * Defaults of a team's request policy (money-path §2, §3, §6). What a team leaves out is taken from here;
 * the shape is the `TeamPolicy` of the request layer.
 */
export const DEFAULT_TEAM_POLICY = {
	/** How long a call waits for money that is held, not spent. */
	admissionWaitMs: 5_000,
	/** Lowest output cap a clamp may set. */
	clampFloorTokens: 256,
	clampFloorReasoningTokens: 4_096,
	/** Whether a clamp may lower a cap the caller set himself. */
	mayLowerCallerCap: false as boolean,
	unknownFields: "refuse" as "refuse" | "pass",
	onDisconnect: "drain" as "drain" | "cancel",
	/**
	 * Money, and tokens, that each gateway keeps of its lease in every budget of the team for an outage of PostgreSQL: spent when the
	 * authority does not answer, also after the lease has ended. It is granted beforehand, out of the same limit.
	 */
	outageAllowanceNanoUsd: 0,
	outageAllowanceTokens: 0,
	/** Longest life of one call; a reservation without outcome is pending no longer than this plus a minute. */
	maxCallMs: 900_000,
	/**
	 * A key or user whose cost of ten minutes is further above its own history than this many robust standard deviations (and than four
	 * times its median) is throttled for a while; 0 = nobody is. domain/limits/velocity.ts.
	 */
	velocitySigmas: 6,
	/** Less than this in ten minutes is never too fast. */
	velocityMinimumNanoUsd: 5_000_000_000,
	velocityThrottleMinutes: 15,
} as const;

export type TeamPolicyValues = {
	readonly [Name in keyof typeof DEFAULT_TEAM_POLICY]: (typeof DEFAULT_TEAM_POLICY)[Name] extends number ? number : (typeof DEFAULT_TEAM_POLICY)[Name];
};

type NumberField = { [Name in keyof TeamPolicyValues]: TeamPolicyValues[Name] extends number ? Name : never }[keyof TeamPolicyValues];
const MAY_BE_ZERO: ReadonlySet<string> = new Set([
	"admissionWaitMs",
	"outageAllowanceNanoUsd",
	"outageAllowanceTokens",
	"velocitySigmas",
] satisfies NumberField[]);
const MAX_VALUE: Readonly<Record<NumberField, number>> = {
	admissionWaitMs: 60_000,
	clampFloorTokens: 1_000_000,
	clampFloorReasoningTokens: 1_000_000,
	outageAllowanceNanoUsd: 1_000_000_000_000_000, // a million USD, exact in JSON
	outageAllowanceTokens: 1_000_000_000_000,
	maxCallMs: 3_600_000,
	velocitySigmas: 1_000,
	velocityMinimumNanoUsd: 1_000_000_000_000_000,
	velocityThrottleMinutes: 1_440,
};

/** The team's stored policy (JSON object) over the defaults; a value of the wrong type or size names its field. */
export function readTeamPolicy(stored: Readonly<Record<string, unknown>>): {
	readonly policy: TeamPolicyValues;
	readonly problems: readonly { field: string; problem: string }[];
} {
	const policy: Record<string, unknown> = { ...DEFAULT_TEAM_POLICY };
	const problems: { field: string; problem: string }[] = [];
	for (const [field, value] of Object.entries(stored)) {
		const problem = problemOf(field, value);
		if (problem === undefined) policy[field] = value;
		else problems.push({ field, problem });
	}
	return { policy: policy as TeamPolicyValues, problems };
}

function problemOf(field: string, value: unknown): string | undefined {
	if (field === "unknownFields") return value === "refuse" || value === "pass" ? undefined : "must be refuse or pass";
	if (field === "onDisconnect") return value === "drain" || value === "cancel" ? undefined : "must be drain or cancel";
	if (field === "mayLowerCallerCap") return typeof value === "boolean" ? undefined : "must be true or false";
	if (!Object.hasOwn(MAX_VALUE, field)) return "is not a policy field";
	const max = MAX_VALUE[field as NumberField];
	const min = MAY_BE_ZERO.has(field) ? 0 : 1;
	return Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? undefined : `must be a whole number from ${min} to ${max}`;
}
