import { type CompiledCaps, compileCaps } from "./caps.ts";
import { limitName } from "./limit-name.ts";
import type { RateDimension, RateRule, TeamLimits } from "./team-limits.ts";

/** A team's limits as the request path uses them: read once per change, looked up per call. */
export type RateMeasure = "requests" | "tokens" | "in_flight";

export type CompiledRate = {
	readonly teamId: string;
	readonly measure: RateMeasure;
	readonly dimension: RateDimension;
	/** "*" = each value by itself. */
	readonly dimensionValue: string;
	readonly limit: number;
	/** Names the rule among all teams' rules; with the value of a call it names a counter. */
	readonly prefix: string;
	/** On the monotonic clock; Infinity = until it is changed. */
	readonly endsAtMs: number;
	/** Set because the spending of a key or user left its own history. */
	readonly isThrottle: boolean;
};

export type ActiveLimits = { readonly caps: CompiledCaps | undefined; readonly rates: readonly CompiledRate[] };

/** A rate of a key or user that ends by itself. */
export type Throttle = { readonly dimension: "key" | "user"; readonly value: string; readonly requestsPerMinute: number; readonly endsAtMs: number };

/** Who makes a call, by attributed values. */
export type RateCaller = {
	readonly teamId: string;
	readonly feature: string | null;
	readonly user: string | null;
	readonly model: string;
	readonly key: string;
};

/** Undefined when the team has no limits: then the request path looks at nothing. */
export function compileLimits(teamId: string, limits: TeamLimits, throttles: readonly Throttle[]): ActiveLimits | undefined {
	const caps = compileCaps(limits.caps);
	const rates = [...limits.rates.flatMap((rule) => compileRate(teamId, rule)), ...throttles.map((throttle) => compileThrottle(teamId, throttle))];
	return caps === undefined && rates.length === 0 ? undefined : { caps, rates };
}

/** The value a rule counts a call under; null when the call does not meet the rule. */
export function valueUnder(rate: CompiledRate, caller: RateCaller): string | null {
	const value = rate.dimension === "team" ? "" : caller[rate.dimension];
	return value === null || rate.dimensionValue === "*" || rate.dimensionValue === value ? value : null;
}

/** "60 requests per minute for user ann of team search". */
export function describeRate({ dimension, limit, measure, isThrottle, teamId }: CompiledRate, value: string): string {
	const what = measure === "in_flight" ? `${limit} calls at a time` : `${limit} ${measure} per minute`;
	const whom = dimension === "team" ? `team ${teamId}` : `${dimension} ${value} of team ${teamId}`;
	return `${isThrottle ? "throttle" : "limit"} of ${what} for ${whom}`;
}

/** As `limitName` says it. */
export function rateName(rate: CompiledRate): string {
	return limitName(rate, rate.isThrottle ? "throttle" : undefined);
}

const MEASURES: readonly (readonly [RateMeasure, (rule: RateRule) => number | undefined])[] = [
	["requests", (rule) => rule.requestsPerMinute],
	["tokens", (rule) => rule.tokensPerMinute],
	["in_flight", (rule) => rule.inFlight],
];

function compileRate(teamId: string, rule: RateRule): CompiledRate[] {
	const { dimension, dimensionValue } = rule;
	return MEASURES.flatMap(([measure, limitOf]) => {
		const limit = limitOf(rule);
		if (limit === undefined) return [];
		// Values may hold anything but "|": the one of a call stands last.
		const prefix = `${teamId}|${measure}|${dimension}|${dimensionValue === "*" ? "each" : "one"}|`;
		return [{ teamId, measure, dimension, dimensionValue, limit, prefix, endsAtMs: Number.POSITIVE_INFINITY, isThrottle: false }];
	});
}

function compileThrottle(teamId: string, { dimension, value, requestsPerMinute, endsAtMs }: Throttle): CompiledRate {
	const prefix = `${teamId}|requests|${dimension}|throttle|`;
	return { teamId, measure: "requests", dimension, dimensionValue: value, limit: requestsPerMinute, prefix, endsAtMs, isThrottle: true };
}
