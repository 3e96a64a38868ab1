import { ERROR_CODES, type ErrorCode } from "./codes.ts";

/** Operational failure: something outside went wrong. Outcomes (a refusal, a clamp) are values, never this. */
export class CostControlError extends Error {
	readonly code: ErrorCode;
	/** Safe for the caller to read: no secret, no internal address. */
	readonly publicMessage: string;
	readonly details: Readonly<Record<string, string | number | boolean | null>>;

	constructor(code: ErrorCode, publicMessage: string, options: { details?: Record<string, string | number | boolean | null>; cause?: unknown } = {}) {
		super(publicMessage, options.cause === undefined ? undefined : { cause: options.cause });
		this.name = "CostControlError";
		this.code = code;
		this.publicMessage = publicMessage;
		this.details = options.details ?? {};
	}

	get httpStatus(): number {
		return ERROR_CODES[this.code].httpStatus;
	}

	get isRetryable(): boolean {
		return ERROR_CODES[this.code].isRetryable;
	}
}
