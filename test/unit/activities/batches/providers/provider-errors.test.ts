import { APIError as AnthropicApiError } from "@anthropic-ai/sdk";
import { APIConnectionError, APIError as OpenAiApiError } from "openai";
import { describe, expect, test } from "vitest";
import { type Asked, retryAfterMs, toProviderError } from "#activities/batches/providers/provider-errors.ts";
import { InvariantViolation } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { anthropicError, openAiError } from "#test/support/batch-wire.ts";

type Answer = { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string>; readonly asked?: Asked };

/** As each SDK makes its error of an answer. */
function fromOpenAi({ status, body, headers, asked = "create" }: Answer): CostControlError {
	const error = OpenAiApiError.generate(status, body as object, undefined, new Headers(headers));
	return toProviderError(error, { provider: "openai", asked }) as CostControlError;
}

function fromAnthropic({ status, body, headers, asked = "create" }: Answer): CostControlError {
	const error = AnthropicApiError.generate(status, body as object, undefined, new Headers(headers));
	return toProviderError(error, { provider: "anthropic", asked }) as CostControlError;
}

describe("answers of OpenAI", () => {
	test.each([
		["a rate limit", 429, { type: "requests", code: "rate_limit_exceeded" }, "provider.overloaded"],
		["ramping too fast", 429, { type: "rate_limit_error", code: "slow_down" }, "provider.overloaded"],
		["no credit left", 429, { type: "insufficient_quota", code: "credit_balance_exhausted" }, "provider.quota"],
		["a quota in the older words", 429, { type: "insufficient_quota", code: "insufficient_quota" }, "provider.quota"],
		["a spend limit of the organisation", 429, { type: "insufficient_quota", code: "organization_spend_limit_exceeded" }, "provider.quota"],
		["a spend limit of the project", 429, { type: "requests", code: "project_spend_limit_exceeded" }, "provider.quota"],
		["a usage limit of the organisation", 429, { type: "requests", code: "organization_usage_limit_exceeded" }, "provider.quota"],
		["a hard limit of billing", 400, { type: "image_generation_user_error", code: "billing_hard_limit_reached" }, "provider.quota"],
		["a bad request", 400, { type: "invalid_request_error", param: "service_tier" }, "provider.refused"],
		["a wrong key", 401, { type: "invalid_request_error", code: "invalid_api_key" }, "provider.refused"],
		["a country", 403, { type: "request_forbidden", code: "unsupported_country_region_territory" }, "provider.refused"],
		["no such thing", 404, { type: "invalid_request_error" }, "provider.refused"],
		["a lock", 409, { type: "invalid_request_error" }, "provider.overloaded"],
		["too large", 413, { type: "invalid_request_error" }, "provider.refused"],
		["unprocessable", 422, { type: "invalid_request_error" }, "provider.refused"],
		["overloaded, in its own words", 503, { type: "service_unavailable_error", code: "server_is_overloaded" }, "provider.overloaded"],
	])("%s: %i", (_name, status, fields, code) => {
		const error = fromOpenAi({ status, body: openAiError({ message: "said", ...fields }) });
		expect(error.code).toBe(code);
		expect(error.details).toMatchObject({ provider: "openai", asked: "create", status, type: fields.type });
		expect(error.isRetryable).toBe(code === "provider.overloaded");
	});

	test("details and message say what the provider said, and no more than fits", () => {
		const body = openAiError({ message: `Invalid\n${"file ".repeat(400)}`, code: "invalid_file", param: "input_file_id" });
		const error = fromOpenAi({ status: 400, body, headers: { "x-request-id": "req_7", "retry-after": "9" } });
		expect(error.details).toEqual({
			provider: "openai",
			asked: "create",
			status: 400,
			code: "invalid_file",
			type: "invalid_request_error",
			param: "input_file_id",
			requestId: "req_7",
			retryAfterMs: null,
		});
		expect(error.message).toMatch(/^openai, asked to make the batch, said 400: Invalid file file/);
		expect(error.message.length).toBeLessThan(600);
	});
});

describe("answers of Anthropic", () => {
	test.each([
		["a rate limit", 429, "rate_limit_error", null, "provider.overloaded"],
		["ramping too fast", 429, "rate_limit_error", { error_code: "ramp_limit_exceeded" }, "provider.overloaded"],
		["an enforced spend limit", 429, "rate_limit_error", { error_code: "enforced_spend_limit_reached" }, "provider.quota"],
		["a spend limit of the contract", 429, "rate_limit_error", { error_code: "contract_spend_limit_reached" }, "provider.quota"],
		["a spend limit of a linked organisation", 429, "rate_limit_error", { error_code: "linked_organization_spend_limit_reached" }, "provider.quota"],
		["billing", 402, "billing_error", null, "provider.quota"],
		["a bad request", 400, "invalid_request_error", null, "provider.refused"],
		["a wrong key", 401, "authentication_error", null, "provider.refused"],
		["no permission", 403, "permission_error", null, "provider.refused"],
		["no such thing", 404, "not_found_error", null, "provider.refused"],
		["a conflict", 409, "conflict_error", null, "provider.overloaded"],
		["too large", 413, "request_too_large", null, "provider.refused"],
		["a fault of its own", 500, "api_error", null, "provider.unreachable"],
		["no answer in time", 504, "timeout_error", null, "provider.unreachable"],
		["overloaded", 529, "overloaded_error", null, "provider.overloaded"],
	])("%s: %i %s", (_name, status, type, details, code) => {
		expect(fromAnthropic({ status, body: anthropicError(type, "said", details) }).code).toBe(code);
	});

	test.each([
		"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
		"Your credit balance is too low to access the Anthropic API.",
	])("a limit that only the text tells: %s", (message) => {
		expect(fromAnthropic({ status: 400, body: anthropicError("invalid_request_error", message) }).code).toBe("provider.quota");
		expect(fromAnthropic({ status: 404, body: anthropicError("not_found_error", message) }).code).toBe("provider.refused");
	});
});

describe("whether the batch was made is not known", () => {
	test.each([500, 502, 504, 507, 520, 524, 408])("%i", (status) => {
		expect(fromOpenAi({ status, body: openAiError({ message: "said", type: "server_error" }) }).code).toBe("provider.unreachable");
		expect(fromAnthropic({ status }).code).toBe("provider.unreachable");
	});

	test("503 that something in front of the provider wrote", () => {
		expect(fromOpenAi({ status: 503 }).code).toBe("provider.unreachable");
		expect(fromOpenAi({ status: 503, body: { error: "upstream connect error" } }).code).toBe("provider.unreachable");
		expect(fromOpenAi({ status: 503, body: openAiError({ message: "m", type: "proxy_error" }) }).code).toBe("provider.unreachable");
		expect(fromAnthropic({ status: 529 }).code).toBe("provider.unreachable");
	});

	test("a status that says to try again later keeps the time it says", () => {
		const headers = { "retry-after": "7" };
		expect(fromOpenAi({ status: 502, headers }).details).toMatchObject({ retryAfterMs: 7_000 });
		expect(fromOpenAi({ status: 429, headers, body: openAiError({ message: "m", type: "requests" }) }).details).toMatchObject({ retryAfterMs: 7_000 });
	});

	test.each([
		[
			"no connection",
			new APIConnectionError({ cause: new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) }) }),
			"ECONNREFUSED",
		],
		[
			"an answer that broke off",
			new TypeError("terminated", { cause: Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }) }),
			"UND_ERR_SOCKET",
		],
		["a deadline", new DOMException("10.0.0.1 took too long", "TimeoutError"), "TimeoutError"],
		["something thrown that is no error", "10.0.0.1", "an error"],
	])("%s, told by a word without addresses", (_name, thrown, reason) => {
		const error = toProviderError(thrown, { provider: "openai", asked: "create" }) as CostControlError;
		expect(error.code).toBe("provider.unreachable");
		expect(error.details).toEqual({ provider: "openai", asked: "create", reason, retryAfterMs: null });
		expect(error.message).toBe(`openai, asked to make the batch, gave no answer (${reason})`);
	});
});

describe("what depends on the question and on headers", () => {
	test.each([404, 410])("results that are %i are gone; whatever else is, is refused", (status) => {
		const body = openAiError({ message: "No such File object" });
		expect(fromOpenAi({ status, body, asked: "results" }).code).toBe("provider.results_gone");
		for (const asked of ["poll", "create", "find", "cancel"] as const) expect(fromOpenAi({ status, body, asked }).code).toBe("provider.refused");
	});

	test("a redirect is told as one", () => {
		const error = fromOpenAi({ status: 307 });
		expect(error.code).toBe("provider.refused");
		expect(error.message).toContain("answered with a redirect, which is not followed");
	});

	test("x-should-retry overrules the status, but makes no unknown outcome a known one", () => {
		const body = openAiError({ message: "m", type: "requests" });
		expect(fromOpenAi({ status: 429, body, headers: { "x-should-retry": "false" } }).code).toBe("provider.refused");
		expect(fromOpenAi({ status: 400, body, headers: { "x-should-retry": "true" } }).code).toBe("provider.overloaded");
		expect(fromOpenAi({ status: 500, body, headers: { "x-should-retry": "false" } }).code).toBe("provider.unreachable");
		expect(fromOpenAi({ status: 429, body: openAiError({ message: "m", type: "insufficient_quota" }), headers: { "x-should-retry": "true" } }).code).toBe(
			"provider.quota",
		);
	});

	test.each([
		[{}, null],
		[{ "retry-after": "1.5" }, 1_500],
		[{ "retry-after": "0" }, 0],
		[{ "retry-after-ms": "250", "retry-after": "9" }, 250],
		[{ "retry-after": "Thu, 26 Nov 2026 15:00:30 GMT", date: "Thu, 26 Nov 2026 15:00:00 GMT" }, 30_000],
		[{ "retry-after": "Thu, 26 Nov 2026 14:00:00 GMT", date: "Thu, 26 Nov 2026 15:00:00 GMT" }, null],
		[{ "retry-after": "31536000" }, 86_400_000],
		[{ "retry-after": "soon" }, null],
	])("%j asks to wait %s ms", (headers, expected) => {
		expect(retryAfterMs(new Headers(headers as Record<string, string>))).toBe(expected);
	});
});

test("errors of our own pass as they are", () => {
	const question = { provider: "openai", asked: "upload" } as const;
	for (const own of [new CostControlError("authority.unreachable", "away"), new InvariantViolation("broken")]) expect(toProviderError(own, question)).toBe(own);
});
