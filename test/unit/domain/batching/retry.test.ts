import { describe, expect, test } from "vitest";
import { decideRetry, judgeItemError, type RetryQuestion } from "#domain/batching/retry.ts";

const HOUR_MS = 3_600_000;
const EXPIRED: RetryQuestion = { ended: "expired", batchTries: 1, tries: 1, slackMs: 5 * HOUR_MS, neededMs: 3 * HOUR_MS, mayBatch: true, mayRealTime: true };
const PASSING = { isWorthAnother: true, isOfAccount: false, code: "server_error" };

describe("an item without an answer", () => {
	test.each([
		["goes with another batch where the slack allows it", {}, { kind: "batch", reason: "slack_allows" }],
		["and with exactly as much", { slackMs: 3 * HOUR_MS }, { kind: "batch", reason: "slack_allows" }],
		["and without a deadline", { slackMs: null }, { kind: "batch", reason: "no_deadline" }],
		["and after an error that may pass", { ended: "errored", problem: PASSING }, { kind: "batch" }],
		["and where we had cancelled its batch", { ended: "cancelled" }, { kind: "batch" }],
		["in real time where the slack does not", { slackMs: 3 * HOUR_MS - 1 }, { kind: "real_time", reason: "slack_short" }],
		["in real time after its deadline, late as it is", { slackMs: -1 }, { kind: "real_time", reason: "slack_short", isPastDeadline: true }],
		["in real time after two batches", { batchTries: 2, tries: 2 }, { kind: "real_time", reason: "batch_tries_used" }],
		["in real time where only that is allowed", { mayBatch: false }, { kind: "real_time", reason: "batch_not_allowed" }],
		["ends after three tries", { batchTries: 2, tries: 3 }, { kind: "end", reason: "tries_used" }],
		[
			"ends where the slack is short and real time is not allowed",
			{ slackMs: 0, mayRealTime: false },
			{ kind: "end", reason: "slack_short", isPastDeadline: true },
		],
		["ends after two batches where real time is not allowed", { batchTries: 2, tries: 2, mayRealTime: false }, { kind: "end", reason: "batch_tries_used" }],
		["ends where its caller wants neither", { mayBatch: false, mayRealTime: false }, { kind: "end", reason: "batch_not_allowed" }],
		[
			"ends where the request itself is refused",
			{ ended: "errored", problem: { ...PASSING, isWorthAnother: false } },
			{ kind: "end", reason: "request_refused" },
		],
		[
			"ends where the account has no money left",
			{ ended: "errored", problem: { isWorthAnother: false, isOfAccount: true, code: null } },
			{ kind: "end", reason: "account_stopped" },
		],
		["may be given more tries", { batchTries: 3, tries: 3, batchTriesMax: 4, triesMax: 5 }, { kind: "batch" }],
	] as const)("%s", (_, changes, expected) => {
		expect(decideRetry({ ...EXPIRED, ...changes })).toMatchObject({ isPastDeadline: false, ...expected });
	});
});

describe("an error of an item", () => {
	const openai = (httpStatus: number, error: object) => judgeItemError("openai", { httpStatus, body: JSON.stringify({ error }) });
	const anthropic = (httpStatus: number, error: object) => judgeItemError("anthropic", { httpStatus, body: JSON.stringify({ type: "error", error }) });

	test.each([
		[429, { type: "rate_limit_error", code: "slow_down" }],
		[429, { type: "tokens", code: "rate_limit_exceeded" }],
		[500, { type: "server_error", code: null }],
		[503, { type: "service_unavailable_error", code: "server_is_overloaded" }],
		[504, {}],
		[408, { message: "timed out" }],
	])("of OpenAI may pass: %i %o", (status, error) => {
		expect(openai(status, error)).toMatchObject({ isWorthAnother: true, isOfAccount: false });
	});

	test.each([
		[400, { type: "invalid_request_error", code: "context_length_exceeded" }],
		[401, { type: "invalid_request_error", code: "invalid_api_key" }],
		[404, { type: "invalid_request_error", code: "model_not_found" }],
		[422, {}],
	])("of OpenAI stays: %i %o", (status, error) => {
		expect(openai(status, error)).toMatchObject({ isWorthAnother: false, isOfAccount: false });
	});

	test.each([
		"insufficient_quota",
		"credit_balance_exhausted",
		"organization_spend_limit_exceeded",
		"project_spend_limit_exceeded",
		"organization_usage_limit_exceeded",
	])("of OpenAI's account is told from its rates, though both are 429: %s", (code) => {
		expect(openai(429, { type: "insufficient_quota", code })).toEqual({ isWorthAnother: false, isOfAccount: true, code });
	});

	test.each([
		[429, { type: "rate_limit_error" }],
		[429, { type: "rate_limit_error", details: { error_code: "ramp_limit_exceeded" } }],
		[500, { type: "api_error" }],
		[504, { type: "timeout_error" }],
		[529, { type: "overloaded_error" }],
	])("of Anthropic may pass: %i %o", (status, error) => {
		expect(anthropic(status, error)).toMatchObject({ isWorthAnother: true, isOfAccount: false });
	});

	test.each([
		[400, { type: "invalid_request_error" }],
		[403, { type: "permission_error" }],
		[409, { type: "conflict_error" }],
		[413, { type: "request_too_large" }],
	])("of Anthropic stays: %i %o", (status, error) => {
		expect(anthropic(status, error)).toMatchObject({ isWorthAnother: false, isOfAccount: false });
	});

	test.each([
		[402, { type: "billing_error" }],
		[429, { type: "rate_limit_error", details: { error_code: "enforced_spend_limit_reached" } }],
		[429, { type: "rate_limit_error", details: { error_code: "contract_spend_limit_reached" } }],
		[429, { type: "rate_limit_error", details: { error_code: "linked_organization_spend_limit_reached" } }],
	])("of Anthropic's account is told by its code: %i %o", (status, error) => {
		expect(anthropic(status, error)).toMatchObject({ isWorthAnother: false, isOfAccount: true });
	});

	test("the name says more than the status, which a line of a batch may lack", () => {
		expect(openai(400, { code: "batch_expired", message: "not run in time" })).toMatchObject({ isWorthAnother: true, code: "batch_expired" });
		expect(anthropic(0, { type: "overloaded_error" })).toMatchObject({ isWorthAnother: true });
	});

	test.each(["", "<html>502</html>", "null", "[]", '"error"', '{"error":null}', '{"error":"busy"}', '{"error":{"code":7,"type":["a"]}}'])(
		"that cannot be read goes by its status: %s",
		(body) => {
			expect(judgeItemError("openai", { httpStatus: 502, body })).toEqual({ isWorthAnother: true, isOfAccount: false, code: null });
			expect(judgeItemError("anthropic", { httpStatus: 400, body })).toEqual({ isWorthAnother: false, isOfAccount: false, code: null });
		},
	);

	test("of a bare error object is read, too", () => {
		expect(judgeItemError("openai", { httpStatus: 429, body: '{"code":"insufficient_quota"}' })).toMatchObject({ isOfAccount: true });
	});
});
