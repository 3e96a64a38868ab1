/** Errors in each provider's own shape (openai core/error.d.ts, @anthropic-ai/sdk core/error.d.ts and the error pages of both). */

export type Protocol = "openai" | "anthropic";

export type ProviderErrorOptions = {
	readonly type?: string;
	readonly code?: string | null;
	readonly param?: string | null;
	readonly retryAfterSeconds?: number | undefined;
};

/** An error answer. Thrown by the protocol modules, written once by the server; such calls are not billed. */
export class ProviderError extends Error {
	override readonly name = "ProviderError";
	readonly status: number;
	readonly options: ProviderErrorOptions;

	constructor(status: number, message: string, options: ProviderErrorOptions = {}) {
		super(message);
		this.status = status;
		this.options = options;
	}
}

type Kind = { readonly type: string; readonly code: string | null; readonly message: string };

const OPENAI_KINDS: Readonly<Record<number, Kind>> = {
	401: { type: "invalid_request_error", code: "invalid_api_key", message: "Incorrect API key provided." },
	404: { type: "invalid_request_error", code: "model_not_found", message: "The model does not exist or you do not have access to it." },
	429: { type: "rate_limit_error", code: "rate_limit_exceeded", message: "Rate limit reached." },
	500: { type: "server_error", code: null, message: "The server had an error while processing your request." },
	503: { type: "service_unavailable_error", code: "server_is_overloaded", message: "The engine is currently overloaded." },
};

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
	401: "authentication_error",
	402: "billing_error",
	403: "permission_error",
	404: "not_found_error",
	409: "conflict_error",
	413: "request_too_large",
	429: "rate_limit_error",
	504: "timeout_error",
	529: "overloaded_error",
};

/** What a status means where nothing more is said about it. */
export function errorOfStatus(status: number, options: ProviderErrorOptions = {}): ProviderError {
	const message = OPENAI_KINDS[status]?.message ?? (status >= 500 ? "The provider failed." : "The request was rejected.");
	return new ProviderError(status, `[simulated] ${message}`, options);
}

/** The error body as the protocol spells it. */
export function errorBody(protocol: Protocol, error: ProviderError, providerRequestId: string): Readonly<Record<string, unknown>> {
	return protocol === "openai" ? openAiBody(error) : anthropicBody(error, providerRequestId);
}

function openAiBody({ status, message, options }: ProviderError): Readonly<Record<string, unknown>> {
	const kind = OPENAI_KINDS[status] ?? { type: status >= 500 ? "server_error" : "invalid_request_error", code: null };
	const code = options.code === undefined ? kind.code : options.code;
	return { error: { message, type: options.type ?? kind.type, param: options.param ?? null, code } };
}

function anthropicBody({ status, message, options }: ProviderError, providerRequestId: string): Readonly<Record<string, unknown>> {
	const type = options.type ?? ANTHROPIC_TYPES[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
	const details = typeof options.code === "string" ? { details: { error_code: options.code } } : {};
	return { type: "error", error: { type, message, ...details }, request_id: providerRequestId };
}
