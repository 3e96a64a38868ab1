import Anthropic from "@anthropic-ai/sdk";
import { ApplicationFailure } from "@temporalio/common";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { outcomeOf, readGatewayError } from "#clients/durable-agent/gateway-answers.ts";

const NOW_MS = Date.parse("2026-11-26T12:00:00Z");
type Fields = Readonly<Record<string, unknown>>;

/** The error as each official client throws it. */
const thrownBy = {
	openai: (status: number, fields: Fields, headers = {}) => OpenAI.APIError.generate(status, { error: fields }, undefined, new Headers(headers)),
	anthropic: (status: number, fields: Fields, headers = {}) =>
		Anthropic.APIError.generate(status, { type: "error", error: { ...fields, details: { error_code: fields["code"] } } }, undefined, new Headers(headers)),
};
const failureOf = (work: () => unknown): ApplicationFailure => {
	try {
		work();
	} catch (error) {
		if (error instanceof ApplicationFailure) return error;
	}
	throw new Error("no failure");
};

describe.each(["openai", "anthropic"] as const)("told by the client of %s", (client) => {
	const outcome = (status: number, fields: Fields, headers = {}) => outcomeOf(readGatewayError(thrownBy[client](status, fields, headers)), "r", NOW_MS);
	const failure = (status: number, fields: Fields, headers = {}) => failureOf(() => outcome(status, fields, headers));

	test("a held run is a hold, with everything the gateway said", () => {
		const said = { guard: "ceiling.steps", evidence: "200 steps", measured: "200", threshold: "200" };
		const fields = { ...said, code: "run.paused", message: "it is paused", ofRun: "root", pauseId: "pau_1", askAgainInMs: 5_000 };
		expect(outcome(402, fields)).toEqual({ kind: "held", hold: { ...said, state: "paused", ofRunId: "root", pauseId: "pau_1", askAgainMs: 5_000 } });
		expect(outcome(402, { code: "run.stopped", message: "it is stopped", askAgainInMs: null })).toEqual({
			kind: "held",
			hold: { state: "stopped", guard: "unknown", evidence: "it is stopped", measured: "", threshold: "", ofRunId: "r", pauseId: null, askAgainMs: null },
		});
	});

	test("a finished run is the end", () => {
		expect(outcome(403, { code: "run.finished", message: "it is over" })).toEqual({ kind: "finished" });
	});

	test("what may have been served is told, and not tried again under the same key", () => {
		expect(outcome(409, { code: "idempotency.outcome_unknown", message: "who knows" })).toEqual({ kind: "unknown", code: "idempotency.outcome_unknown" });
	});

	test("a spent budget is waited for, until it resets", () => {
		const refused = { kind: "refused", code: "budget.exceeded", message: "spent" };
		const fields = { code: "budget.exceeded", message: "spent" };
		expect(outcome(402, { ...fields, resetsAt: "2026-11-26T12:00:30Z" })).toEqual({ ...refused, askAgainMs: 30_000 });
		expect(outcome(402, { ...fields, resetsAt: null })).toEqual({ ...refused, askAgainMs: null });
	});

	test.each([
		[422, "idempotency.mismatch"],
		[504, "provider.timeout"],
		[502, "provider.cut"],
	])("%i %s may have been served", (status, code) => {
		expect(outcome(status, { code, message: "who knows" })).toEqual({ kind: "unknown", code });
	});

	test.each([
		[409, "idempotency.in_flight"],
		[429, "limit.requests"],
		[502, "provider.unreachable"],
		[503, "authority.unreachable"],
		[500, "server_error"],
		[408, ""],
	])("%i %s is tried again under the same key", (status, code) => {
		const { nonRetryable, nextRetryDelay } = failure(status, { code, message: "later" });
		expect([nonRetryable, nextRetryDelay]).toEqual([false, undefined]);
	});

	test("... after what it says", () => {
		expect(failure(429, { code: "limit.requests", message: "later" }, { "retry-after": "7" }).nextRetryDelay).toBe(7_000);
		expect(failure(429, { code: "limit.requests", message: "later" }, { "retry-after": "86400" }).nextRetryDelay).toBe(600_000);
		expect(failure(429, { code: "limit.requests", message: "later" }, { "retry-after": "soon" }).nextRetryDelay).toBeUndefined();
	});

	test.each([
		[400, "request.invalid"],
		[401, "key.revoked"],
		[403, "run.other_team"],
		[404, "request.unknown_model"],
		[422, "request.unbounded"],
		[402, "something.else"],
	])("%i %s is final, and named", (status, code) => {
		expect(failure(status, { code, message: "no" })).toMatchObject({ nonRetryable: true, type: code, message: "no" });
	});
});

test("where nobody answers it is tried again", () => {
	for (const error of [
		new OpenAI.APIConnectionError({ message: "away" }),
		new Anthropic.APIConnectionError({ message: "away" }),
		new TypeError("fetch failed"),
	])
		expect(failureOf(() => outcomeOf(readGatewayError(error), "r", NOW_MS))).toMatchObject({ nonRetryable: false, type: "http.unanswered" });
});
