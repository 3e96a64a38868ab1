import { UnreachableError } from "#clients/errors.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { Broken } from "./broken.ts";

const INSIST_MS = 120_000;
const PAUSE_MS = 100;

/** As a person would: says it again until somebody answers. */
export async function insist<Result>(what: string, ask: () => Promise<Result>): Promise<Result> {
	const deadlineMs = performance.now() + INSIST_MS;
	for (;;) {
		try {
			return await ask();
		} catch (error) {
			if (!isOutage(error)) throw error;
			if (performance.now() > deadlineMs) throw new Broken(`nobody answered for ${INSIST_MS} ms to whoever wanted ${what}: ${String(error)}`);
			await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
		}
	}
}

/** What a component that was killed leaves its callers with. */
function isOutage(error: unknown): boolean {
	if (error instanceof UnreachableError) return true;
	if (error instanceof CostControlError) return error.isRetryable;
	const { code, message = "" } = error as { code?: unknown; message?: string };
	// Class 57 and 08: PostgreSQL is starting, stopping or gone.
	if (typeof code === "string" && /^(57|08|ECONN|EPIPE|ETIMEDOUT)/.test(code)) return true;
	return /Connection terminated|timeout expired|fetch failed/.test(message);
}
