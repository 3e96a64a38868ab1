import { formatUsd } from "../money/wire.ts";

/**
 * How a limit is called wherever a call that it refused is told of: in the header x-tollgate-limit, in the books and in the tallies of a
 * gateway. "requests; dimension=user; limit=60", with "; throttle" or "; cap" where it is one. No value of a dimension stands in it, so a
 * team has as many names as it has rules.
 */
export type LimitMeasure = "requests" | "tokens" | "in_flight" | "input_tokens" | "output_tokens" | "cost_nano_usd";
export type LimitMark = "throttle" | "cap";

/** What a limit refused a call by: the numbers of that moment, for the books. Amounts are in the unit of its measure. */
export type LimitEvidence = {
	/** As `limitName` says it. */
	readonly limit: string;
	readonly limitAmount: bigint;
	/** What all gateways together had taken of it; null for what holds for each call by itself. */
	readonly stoodAt: bigint | null;
	/** What this call could take. */
	readonly need: bigint;
	readonly waitedMs: number;
	/** Refused as a call just before it was, without asking again. */
	readonly isRemembered: boolean;
};

type NamedLimit = { readonly measure: LimitMeasure; readonly dimension: string; readonly limit: number | bigint };

export function limitName({ measure, dimension, limit }: NamedLimit, mark?: LimitMark): string {
	return `${measure}; dimension=${dimension}; limit=${limit}${mark === undefined ? "" : `; ${mark}`}`;
}

const UNITS: Readonly<Record<LimitMeasure, string>> = {
	requests: "requests per minute",
	tokens: "tokens per minute",
	in_flight: "calls at a time",
	input_tokens: "input tokens per call",
	output_tokens: "output tokens per call",
	cost_nano_usd: "nano-USD per call",
};

export type ReadLimit = { readonly measure: LimitMeasure; readonly dimension: string; readonly limit: bigint; readonly mark: LimitMark | undefined };

/** What a name says; undefined for a text of another form. */
export function readLimitName(name: string): ReadLimit | undefined {
	const [, measure, dimension = "", limit = "", mark] = /^(\w+); dimension=(\w+); limit=(\d+)(?:; (throttle|cap))?$/.exec(name) ?? [];
	if (measure === undefined || !Object.hasOwn(UNITS, measure)) return undefined;
	return { measure: measure as LimitMeasure, dimension, limit: BigInt(limit), mark: mark as LimitMark | undefined };
}

/** An amount in the unit of a measure: "60 requests per minute", "0.25 USD per call". */
export function describeMeasured(measure: LimitMeasure, amount: bigint): string {
	return measure === "cost_nano_usd" ? `${formatUsd(amount)} USD per call` : `${amount} ${UNITS[measure]}`;
}
