import { ERROR_CODES, type ErrorCode } from "#domain/errors/codes.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export type { ErrorCode };
export { CostControlError };

/** Nobody answers at the address: nothing was asked, or the answer was lost; repeating reads and settings is safe. */
export class UnreachableError extends Error {
	override readonly name = "UnreachableError";
	readonly url: string;

	constructor(url: string, cause: unknown) {
		super(`nothing answers at ${url}`, { cause });
		this.url = url;
	}
}

/** The error of an answer of the administration API; `details.field` names the field to look at, if there is one. */
export function errorOfAnswer(status: number, body: unknown): CostControlError {
	const error = (body as { error?: { code?: unknown; message?: unknown; field?: unknown } } | null)?.error;
	const code = typeof error?.code === "string" && Object.hasOwn(ERROR_CODES, error.code) ? (error.code as ErrorCode) : "internal.invariant";
	const message = typeof error?.message === "string" ? error.message : `the administration API answered ${status} without saying why`;
	return new CostControlError(code, message, { details: { httpStatus: status, field: typeof error?.field === "string" ? error.field : null } });
}
