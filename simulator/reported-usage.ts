import type { WireUsage } from "./answer.ts";
import type { Fault } from "./directive.ts";

/** What the answer says about usage, and what the provider bills. They differ only where the report cannot be used. */
export type UsageReport = { readonly reported: WireUsage | undefined; readonly billed: WireUsage };

/** Above 2^31, so no reader can take it for a token count. */
const HUGE_TOKENS = 1_000_000_000_000;

/** A provider bills what it reports when that is usable (zero is); otherwise the true usage is in the log. */
export function reportUsage(usage: WireUsage, fault: Fault | undefined): UsageReport {
	switch (fault) {
		case "missing_usage":
			return { reported: undefined, billed: usage };
		case "negative_usage":
			return { reported: mapNumbers(usage, (tokens) => -1 - tokens), billed: usage };
		case "huge_usage":
			return { reported: mapNumbers(usage, () => HUGE_TOKENS), billed: usage };
		case "fractional_usage":
			return { reported: mapNumbers(usage, (tokens) => tokens + 0.5), billed: usage };
		case "zero_usage": {
			const zero = mapNumbers(usage, () => 0);
			return { reported: zero, billed: zero };
		}
		default:
			return { reported: usage, billed: usage };
	}
}

function mapNumbers(usage: WireUsage, change: (tokens: number) => number): WireUsage {
	return Object.fromEntries(
		Object.entries(usage).map(([field, value]) => {
			if (typeof value === "number") return [field, change(value)];
			return [field, typeof value === "object" && value !== null ? mapNumbers(value as WireUsage, change) : value];
		}),
	);
}
