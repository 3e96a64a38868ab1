import { expect, test } from "vitest";
import { describeRequest } from "#clients/command-line/describe-request.ts";

const REFUSAL = {
	refusalId: "g1-1-l-1",
	at: "2026-11-26T08:00:00.000Z",
	code: "limit.requests",
	teamId: "search",
	keyId: "key_1",
	waitedMs: 0,
	isObserved: false,
};
const explain = (refusal: Readonly<Record<string, unknown>>) =>
	describeRequest({ requestId: "req_1", attempts: [], refusals: [{ ...REFUSAL, ...refusal }], archivedMonths: [] });

test("a call that a rate refused is explained by it, and by how much was taken", () => {
	const text = explain({ limitName: "requests; dimension=user; limit=60", limitAmount: "60", stoodAtAmount: "60", needAmount: "1", unrecordedBefore: 4_990 });
	expect(text).toBe(`Request req_1

Refused g1-1-l-1 at 2026-11-26T08:00:00.000Z: limit.requests by the limit of 60 requests per minute, by user, after 0 ms
  60 taken, needed 1; nothing was sent or charged
  and 4990 more calls that it refused before, too many for a row each`);
});

test("a call that a cap refused is explained in its unit", () => {
	const name = "cost_nano_usd; dimension=feature; limit=250000000; cap";
	const text = explain({ code: "limit.cap", limitName: name, limitAmount: "250000000", stoodAtAmount: null, needAmount: "300000000", unrecordedBefore: 0 });
	expect(text).toContain("limit.cap by the cap of 0.25 USD per call, by feature");
	expect(text).toMatch(/^ {2}needed \S*0\.3\S*.*; nothing was sent or charged$/m);
	expect(text).not.toContain("more calls");
});

test("a batch that a cap refused is explained by its request that is beyond it", () => {
	const limitName = "output_tokens; dimension=team; limit=10; cap";
	const text = explain({ code: "limit.cap", limitName, limitAmount: "10", needAmount: "20", unrecordedBefore: 0, line: 12 });
	expect(text).toContain("limit.cap by the cap of 10 output tokens per call, by team, for request 12 of it, after 0 ms");
});

test("a call that a line degraded is explained by the line", () => {
	const by = { budget: "team, day", unit: "nano_usd", lineAmount: "1000000", granted: "900000", idle: "0", need: "520000" };
	const attempt = { attemptId: "g1-1-1", model: "gpt-4o-mini", askedModel: "gpt-4o", degradedBy: by, costNanoUsd: "1", reservedNanoUsd: "2" };
	const describe = (changes: Readonly<Record<string, unknown>>) =>
		describeRequest({ requestId: "req_1", attempts: [{ ...attempt, price: null, budgets: [], entries: [], ...changes }], refusals: [], archivedMonths: [] });
	expect(describe({})).toContain(
		"\n  in place of gpt-4o: beyond the line at 0.001 USD of budget team, day (granted 0.0009 USD, own idle 0.00 USD, needed 0.00052 USD)\n",
	);
	expect(describe({ askedModel: null, degradedBy: null })).not.toContain("in place of");
});

test("a limit of a newer gateway is shown as it calls itself", () => {
	expect(explain({ limitName: "images; dimension=team; limit=3", needAmount: "1" })).toContain("by images; dimension=team; limit=3, after");
});

test("a call that a budget refused is explained by the budget", () => {
	const text = explain({ code: "budget.exceeded", budget: "team, day", unit: "nano_usd", limitAmount: "1000000000", needAmount: "1", limitName: null });
	expect(text).toContain("budget.exceeded by team, day after 0 ms");
});
