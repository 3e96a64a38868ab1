/** What Tollgate tells an agent beside the answer: the cost of a call, and why one was refused. */

const NANO_USD_PER_USD = 1_000_000_000;
const REFUSED_STATUS = 402;

/** One line per turn. For show only: whoever computes with money keeps the whole nano-dollars. */
export function reportTurn(turn: number, headers: Headers): void {
	console.log(`turn ${turn}: cost ${dollars(headers.get("x-tollgate-cost-nano-usd"))}, left ${dollars(headers.get("x-tollgate-budget-left-nano-usd"))}`);
}

/**
 * Prints the refusal of a call and returns true; false for any other failure, which is the caller's to handle. Tollgate's codes have
 * a dot (docs/errors.md), and a 402, for which neither client has a class of its own, says which budget it was.
 */
export function reportRefusal(failure: { readonly status?: number | undefined; readonly error?: unknown }): boolean {
	const refusal = innermostError(failure.error);
	const code = String(refusal["code"]);
	if (!code.includes(".")) return false;
	console.log(`refused (${code}): ${String(refusal["message"])}`);
	if (failure.status !== REFUSED_STATUS) return true;
	console.log(`  budget ${String(refusal["budget"])}, left ${dollars(refusal["leftNanoUsd"])} of ${dollars(refusal["limitNanoUsd"])}`);
	console.log(`  resets ${String(refusal["resetsAt"])}; to ask for more: ${String(refusal["howToAsk"])}`);
	return true;
}

/** The openai client hands out the error itself, the Anthropic one the body around it. */
function innermostError(error: unknown): Readonly<Record<string, unknown>> {
	const body = (error ?? {}) as Readonly<Record<string, unknown>>;
	return typeof body["error"] === "object" && body["error"] !== null ? innermostError(body["error"]) : body;
}

function dollars(nanoUsd: unknown): string {
	return typeof nanoUsd === "string" ? `${(Number(nanoUsd) / NANO_USD_PER_USD).toFixed(6)} USD` : "unknown";
}
