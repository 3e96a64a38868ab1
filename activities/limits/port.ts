import type { RateReply, RateRequest } from "#domain/limits/rate-exchange.ts";
import type { Fenced } from "../authority/port.ts";

/** The shares of rates that all gateways have together, kept by PostgreSQL (migrations/0016). One function call in one statement. */
export type RateAuthority = {
	/** @throws CostControlError "authority.unreachable". */
	takeRates(request: RateRequest): Promise<RateReply | Fenced>;
};

/** A throttle in force. Times are ISO 8601. */
export type ThrottleView = {
	readonly teamId: string;
	readonly dimension: "key" | "user";
	readonly value: string;
	readonly requestsPerMinute: number;
	readonly until: string;
	readonly reason: string;
	readonly setAt: string;
	readonly setBy: string;
};
