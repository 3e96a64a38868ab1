import { expect, test } from "vitest";
import { DEFAULT_LIMITS, withLimits } from "../../../../simulator/batches/limits.ts";
import { OperationFaults } from "../../../../simulator/batches/operation-faults.ts";
import { checkPlan, parsePlan, planInLine } from "../../../../simulator/batches/plan.ts";

const lineOf = (content: string) => Buffer.from(JSON.stringify({ custom_id: "a", body: { messages: [{ role: "user", content }] } }));

test("a plan stands in the text of an item, quotes escaped as they are in the file", () => {
	expect(planInLine(lineOf('go [[simulate-batch:{"turnaroundMs":5,"unordered":true}]] on'))).toEqual({ turnaroundMs: 5, unordered: true });
	expect(planInLine(lineOf('[[simulate:{"status":500}]]'))).toBeUndefined();
	expect(() => planInLine(lineOf("[[simulate-batch:{"))).toThrow("not closed");
	expect(() => planInLine(lineOf("[[simulate-batch:{]]"))).toThrow("not JSON");
});

test("every mistake of a plan is named", () => {
	expect(() => checkPlan({ turnaroundMs: -1, failShare: 2, unordred: true })).toThrow(
		"turnaroundMs must be a number of at least 0; failShare must be a number from 0 to 1; unknown field unordred",
	);
	expect(() => parsePlan("[]")).toThrow("expected a JSON object");
	expect(checkPlan({ creation: "cut", truncateTo: 0.5, unknownLines: 2 })).toEqual({ creation: "cut", truncateTo: 0.5, unknownLines: 2 });
});

test("limits change one by one; wrong ones change nothing", () => {
	const changed = withLimits(DEFAULT_LIMITS, { openai: { itemsMax: 3, enqueuedTokensMax: { "gpt-4o": 10 } }, anthropic: { queuedItemsMax: 5 } });
	expect(changed.openai).toEqual({ ...DEFAULT_LIMITS.openai, itemsMax: 3, enqueuedTokensMax: { "gpt-4o": 10 } });
	expect(changed.anthropic).toEqual({ ...DEFAULT_LIMITS.anthropic, queuedItemsMax: 5 });
	expect(() => withLimits(DEFAULT_LIMITS, { openai: { itemsMax: -1, items: 2 }, azure: {} })).toThrow(
		"openai.itemsMax must be an integer of at least 0, or null; unknown field openai.items; unknown provider azure",
	);
});

test("ordered faults come in their order, so often as asked, and to the operation they are for", () => {
	const faults = new OperationFaults(1);
	faults.set({
		next: [
			{ operation: "create", status: 429, retryAfterSeconds: 3, times: 2 },
			{ operation: "create", fault: "cut" },
			{ operation: "retrieve", status: 503 },
		],
	});
	expect(faults.draw("list")).toBeUndefined();
	expect(faults.draw("create")).toMatchObject({ kind: "status", status: 429, retryAfterSeconds: 3 });
	expect(faults.draw("create")).toMatchObject({ kind: "status", status: 429 });
	expect(faults.draw("create")).toMatchObject({ kind: "cut" });
	expect(faults.draw("create")).toBeUndefined();
	expect(faults.draw("retrieve")).toMatchObject({ kind: "status", status: 503 });
});

test("rates fall in their shares, alike for a seed", () => {
	const draw = (seed: number) => {
		const faults = new OperationFaults(seed);
		faults.set({ rates: { retrieve: { "503": 0.25, cut: 0.25 } }, retryAfterSeconds: 2 });
		return Array.from({ length: 2_000 }, () => faults.draw("retrieve"));
	};
	const drawn = draw(5);
	expect(drawn.filter((fault) => fault?.kind === "status" && fault.status === 503 && fault.retryAfterSeconds === 2).length / 2_000).toBeCloseTo(0.25, 1);
	expect(drawn.filter((fault) => fault?.kind === "cut").length / 2_000).toBeCloseTo(0.25, 1);
	expect(draw(5)).toEqual(drawn);
});

test("every mistake of the faults is named, and none of them is applied", () => {
	const faults = new OperationFaults(1);
	const wrong = { next: [{ operation: "made", status: 200 }, { operation: "create" }], rates: { list: { "503": 0.8, cut: 0.4 } } };
	expect(() => faults.set(wrong)).toThrow(
		/next\[0\]\.operation must be .*; next\[0\]\.status must be .*; next\[1\]\.fault or status must be given.*; rates\.list: the shares are more than 1/,
	);
	expect(faults.describe()).toEqual({ next: [], rates: {}, retryAfterSeconds: null });
});
