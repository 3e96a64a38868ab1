import type { components } from "./schema.ts";

/** Nobody waits for it a second time. */
export const TIMEOUT_CODE = "console.timeout";

/** What the API says of a failure. */
export type Refusal = components["schemas"]["Problem"]["error"];

/** What went wrong with a question to the API, as a page tells it. `status` null: nothing answered. */
export class ApiProblem extends Error {
	override readonly name = "ApiProblem";
	readonly status: number | null;
	readonly code: string;
	readonly field: string | null;
	/** With what only some routes add, like the mistakes of a policy file; null: the API did not say it. */
	readonly refusal: Refusal | null;

	constructor(message: string, { status, code, refusal = null }: { readonly status: number | null; readonly code: string; readonly refusal?: Refusal | null }) {
		super(message);
		this.status = status;
		this.code = code;
		this.field = refusal?.field ?? null;
		this.refusal = refusal;
	}

	/** Asking again may help. */
	get isPassing(): boolean {
		return this.status === null || this.status >= 500 || this.status === 429;
	}
}

/** From what the API answered; `body` is whatever came, and may be of no shape we know. */
export function problemOfAnswer(status: number, body: unknown): ApiProblem {
	const problem = isProblem(body) ? body.error : null;
	if (problem !== null) return new ApiProblem(problem.message, { status, code: problem.code, refusal: problem });
	return new ApiProblem(`The API answered ${status} without saying why.`, { status, code: "console.unknown_answer" });
}

export function problemOfFailure(error: unknown, timeoutMs: number): ApiProblem {
	if (error instanceof ApiProblem) return error;
	if (error instanceof DOMException && error.name === "TimeoutError")
		return new ApiProblem(`The API did not answer within ${timeoutMs / 1000} seconds.`, { status: null, code: TIMEOUT_CODE });
	if (error instanceof SyntaxError) return new ApiProblem("The API's answer broke off or is not JSON.", { status: null, code: "console.broken_answer" });
	return new ApiProblem("The API cannot be reached. The worker may be stopped or restarting, or the network is down.", {
		status: null,
		code: "console.unreachable",
	});
}

function isProblem(body: unknown): body is components["schemas"]["Problem"] {
	const error = (body as { readonly error?: { readonly message?: unknown } } | null | undefined)?.error;
	return typeof error?.message === "string";
}
