import type { FieldProblem } from "../budget/scope.ts";
import { isTimeZone } from "../budget/window.ts";

/**
 * How a month is charged back: which costs are shared and how they are split, what is added or taken off per team, and whether a person has to approve.
 * Shares and margins are in basis points (hundredths of a percent). `@`-accounts are money of nobody: calls of unknown teams, and of the organisation.
 */
export const SPLIT_RULES = ["even", "proportional", "fixed"] as const;
export type SplitRule = (typeof SPLIT_RULES)[number];

/** By what costs can be declared shared. */
export const SHARED_BY = ["team", "feature", "user", "model", "provider", "key", "environment"] as const;
export type SharedBy = (typeof SHARED_BY)[number];

export type Split = {
	readonly split: SplitRule;
	/** Teams it is split among; null: those that have spend of their own in the month. Of fixed, the teams of `shares`. */
	readonly among: readonly string[] | null;
	/** Of fixed: basis points by team, together 10,000. */
	readonly shares: Readonly<Record<string, number>>;
};

export type SharedPool = Split & {
	readonly name: string;
	/** All that is named must hold; at least one is. */
	readonly of: Readonly<Partial<Record<SharedBy, string>>>;
};

export type ChargebackRules = {
	/** Months are of this calendar. */
	readonly timeZone: string;
	readonly approval: "required" | "none";
	/** Between reminders that a month waits for approval. */
	readonly remindAfterHours: number;
	/** The first that matches takes a cost. */
	readonly pools: readonly SharedPool[];
	readonly unattributed: Split;
	/** Of teams that `margins` does not name; negative: a discount. */
	readonly marginBasisPoints: number;
	readonly margins: Readonly<Record<string, number>>;
};

export const UNATTRIBUTED_POOL = "unattributed";
export const BASIS_POINTS = 10_000;
const POOLS_MAX = 50;
const HOUR_MS = 3_600_000;

/** Until somebody sets others. */
export const DEFAULT_RULES: ChargebackRules = {
	timeZone: "UTC",
	approval: "required",
	remindAfterHours: 72,
	pools: [],
	unattributed: { split: "proportional", among: null, shares: {} },
	marginBasisPoints: 0,
	margins: {},
};

export function poolsOf(rules: ChargebackRules): readonly SharedPool[] {
	return [...rules.pools, { name: UNATTRIBUTED_POOL, of: {}, ...rules.unattributed }];
}

/** Money that no team stands for. */
export function isNobody(teamId: string): boolean {
	return teamId.startsWith("@");
}

/** Every team that the rules name. */
export function teamsIn(rules: ChargebackRules): ReadonlySet<string> {
	const ofSplits = poolsOf(rules).flatMap(({ of, among, shares }) => [...(of.team === undefined ? [] : [of.team]), ...(among ?? []), ...Object.keys(shares)]);
	return new Set([...ofSplits, ...Object.keys(rules.margins)]);
}

/** What is wrong with rules of the right shape; empty: nothing. */
export function checkRules(rules: ChargebackRules): readonly FieldProblem[] {
	const names = rules.pools.map(({ name }) => name);
	const twice = names.find((name, index) => names.indexOf(name) < index);
	return [
		...zoneProblems(rules.timeZone),
		...(names.length > POOLS_MAX ? [{ field: "pools", problem: `must be ${POOLS_MAX} at most` }] : []),
		...(twice === undefined ? [] : [{ field: "pools", problem: `names ${JSON.stringify(twice)} twice` }]),
		...(names.includes(UNATTRIBUTED_POOL)
			? [{ field: "pools", problem: `"${UNATTRIBUTED_POOL}" is the name of what nobody stands for; its rule is the field "unattributed"` }]
			: []),
		...rules.pools.flatMap((pool, index) => [
			...(Object.keys(pool.of).length === 0 ? [{ field: `pools.${index}.of`, problem: `must name at least one of ${SHARED_BY.join(", ")}` }] : []),
			...splitProblems(pool, `pools.${index}`),
		]),
		...splitProblems(rules.unattributed, "unattributed"),
		...nobodyProblems(rules),
	];
}

function splitProblems({ split, among, shares }: Split, field: string): FieldProblem[] {
	const values = Object.values(shares);
	if (split !== "fixed") {
		if (values.length > 0) return [{ field: `${field}.shares`, problem: 'are of split "fixed" alone' }];
		return among?.length === 0 ? [{ field: `${field}.among`, problem: "must name at least one team, or be left out" }] : [];
	}
	const sum = values.reduce((total, share) => total + share, 0);
	if (among !== null) return [{ field: `${field}.among`, problem: 'is not of split "fixed": its teams are those of shares' }];
	return sum === BASIS_POINTS ? [] : [{ field: `${field}.shares`, problem: `must be ${BASIS_POINTS} basis points together, not ${sum}` }];
}

function nobodyProblems(rules: ChargebackRules): FieldProblem[] {
	const nobody = [...teamsIn(rules)].find(isNobody);
	return nobody === undefined ? [] : [{ field: "body", problem: `names ${JSON.stringify(nobody)}, which is no team` }];
}

/** Sums of spend are known by hours of UTC: a calendar whose midnights lie between them cannot be served. */
function zoneProblems(timeZone: string): FieldProblem[] {
	if (!isTimeZone(timeZone)) return [{ field: "timeZone", problem: "must be the IANA name of a time zone, like Europe/Berlin" }];
	const isOnTheHour = [0, 3, 6, 9].every((month) => offsetMs(timeZone, Date.UTC(2026, month, 1)) % HOUR_MS === 0);
	return isOnTheHour ? [] : [{ field: "timeZone", problem: "must be whole hours from UTC: what was spent is known by hours of UTC" }];
}

function offsetMs(timeZone: string, epochMs: number): number {
	const [, sign = "+", hours = "0", minutes = "0"] =
		/GMT(?:([+-])(\d{2}):(\d{2}))?/.exec(new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" }).format(epochMs)) ?? [];
	return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
