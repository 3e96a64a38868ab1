import { expect, test } from "vitest";
import { type LimitRefusalRow, limitRefusalProblem } from "#activities/verification/limit-refusal-problem.ts";

const RATE: LimitRefusalRow = {
	refusal_id: "g1-1-l-1",
	code: "limit.requests",
	window_id: null,
	limit_name: "requests; dimension=user; limit=60",
	limit_amount: "60",
	stood_at: "60",
	need: "1",
	waited_ms: 0,
};
const CAP: LimitRefusalRow = {
	...RATE,
	code: "limit.cap",
	limit_name: "input_tokens; dimension=feature; limit=200; cap",
	limit_amount: "200",
	stood_at: null,
	need: "201",
};

test.each([
	["a rate that is reached", RATE],
	["a throttle", { ...RATE, limit_name: "requests; dimension=key; limit=60; throttle" }],
	["a rate whose last part others held and did not give back in time", { ...RATE, stood_at: "59", waited_ms: 600 }],
	["a cap", CAP],
	["more tokens than a minute has", { ...CAP, limit_name: "tokens; dimension=team; limit=200" }],
])("a refusal by %s is right", (_name, row) => expect(limitRefusalProblem(row)).toBeUndefined());

test.each([
	["has no name", { ...RATE, limit_name: null }, "names no limit"],
	["has a name that is none", { ...RATE, limit_name: "requests" }, "names no limit"],
	["has no need", { ...RATE, need: null }, "lacks the numbers"],
	["has another value than its name", { ...RATE, limit_amount: "50" }, "names one of 60"],
	["has the code of another limit", { ...RATE, code: "limit.tokens" }, "says limit.tokens"],
	["has a budget's code", { ...RATE, code: "budget.exceeded" }, "says budget.exceeded"],
	["calls a rate a cap", { ...RATE, code: "limit.cap" }, "names the rate"],
	["calls a cap a rate", { ...CAP, code: "limit.requests" }, "says limit.requests"],
	["counts in a budget's window", { ...RATE, window_id: "1" }, "budget window 1"],
	["does not say what was taken", { ...RATE, stood_at: null }, "lacks what was taken"],
	["had room", { ...RATE, stood_at: "59" }, "60 - 59 = 1 was free"],
	["fits its cap", { ...CAP, need: "200" }, "lets through"],
])("a refusal that %s is false", (_name, row, problem) => expect(limitRefusalProblem(row)).toContain(problem));
