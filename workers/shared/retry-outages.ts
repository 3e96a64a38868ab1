import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const RETRY_MS = 500;

/** Does a step of the start again while PostgreSQL or Temporal is away; any other failure is the caller's. */
export async function retryOutages<Result>(step: string, work: () => Promise<Result>, log: Pick<Logger, "warn">): Promise<Result> {
	let isReported = false;
	for (;;) {
		try {
			return await work();
		} catch (error) {
			if (!isOutage(error)) throw error;
			if (!isReported) log.warn({ err: error, step }, "a step of the start waits for PostgreSQL or Temporal");
			isReported = true;
			await delay(RETRY_MS);
		}
	}
}

/** Refused, reset or timed out sockets; PostgreSQL's classes 08 (connection), 53 (resources), 57 (shutdown, timeout) and lock_timeout. */
function isOutage(error: unknown): boolean {
	if (error instanceof CostControlError) return error.isRetryable;
	const code = (error as { code?: unknown }).code;
	if (typeof code === "string") return /^(ECONN|ETIMEDOUT|EPIPE|08...|53...|57...|55P03)/.test(code);
	// pg names these by text alone.
	return error instanceof Error && /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout)/.test(error.message);
}
