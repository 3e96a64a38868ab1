import { describe, expect, test } from "vitest";
import { type BoundBatch, boundItems, type ItemRules, readFirstRequest } from "#activities/batches/lines/bound-items.ts";
import { writeLines } from "#activities/batches/lines/write-lines.ts";
import type { HeldItem } from "#domain/batching/batch.ts";
import { bodyOfLine } from "#domain/batching/check-line.ts";
import { boundRequest } from "#domain/bound/bound-request.ts";
import { compileLimits } from "#domain/limits/rate-rules.ts";
import type { CallCap } from "#domain/limits/team-limits.ts";
import { anthropicBatchLine, itemRules, openAiBatchLine } from "#test/support/batch-deployments.ts";
import { anthropicRequest, chatBody, inPieces, messageBody, openAiLine, textOf } from "#test/support/batch-lines.ts";
import { OPTIONS, openai } from "#test/support/bound-cases.ts";
import { inspected } from "#test/support/inspect.ts";

async function run(text: string, rules: ItemRules = itemRules()): Promise<{ readonly bound: BoundBatch; readonly items: readonly HeldItem[] }> {
	const items: HeldItem[] = [];
	const bound = await boundItems(inPieces(text, 1_000), rules, async (more) => void items.push(...more));
	return { bound, items };
}

/** "2 body.n request.invalid: must be …" */
async function told(text: string, rules?: ItemRules): Promise<string[]> {
	const { bound } = await run(text, rules);
	expect(bound.kind).toBe("refused");
	return (bound.kind === "refused" ? bound.problems.listed : []).map(({ line, field, code, message }) => `${line} ${field} ${code}: ${message}`);
}

const withCaps = (caps: readonly CallCap[], feature: string | null = null): ItemRules => {
	const rules = itemRules();
	return { ...rules, feature, policy: { ...rules.policy, limits: compileLimits("t", { caps, rates: [] }, []) } };
};
const tool = { type: "web_search" };

describe("items of a batch", () => {
	test("are held at the batch prices of their bodies, and numbered as they stand", async () => {
		const bodies = [chatBody(), chatBody({ max_tokens: 7, user: "é" })];
		const { bound, items } = await run(bodies.map((body, index) => openAiLine(`c-${index}`, {}, body)).join("\n"));
		const expected = bodies.map((body) => {
			const result = boundRequest(inspected("chat.completions", body), openAiBatchLine(), { ...OPTIONS, onlyTiers: ["batch"] });
			if (result.kind === "unbounded") throw new Error(result.problem.message);
			return result.bound;
		});
		expect(items.map(({ n, customId, tiers }) => [n, customId, tiers])).toEqual([
			[1, "c-0", ["batch"]],
			[2, "c-1", ["batch"]],
		]);
		expect(items.map(({ boundNanoUsd, boundTokens, boundInputTokens }) => [boundNanoUsd, boundTokens, boundInputTokens])).toEqual(
			expected.map(({ nanoUsd, tokens, inputTokens }) => [nanoUsd, tokens, inputTokens]),
		);
		expect(bound).toEqual({
			kind: "bounded",
			items: 2,
			nanoUsd: items.reduce((sum, { boundNanoUsd }) => sum + boundNanoUsd, 0n),
			tokens: items.reduce((sum, { boundTokens }) => sum + boundTokens, 0),
			inputTokens: items.reduce((sum, { boundInputTokens }) => sum + boundInputTokens, 0),
			hasTools: false,
		});
		expect(items[0]?.boundNanoUsd).toBe(BigInt(JSON.stringify(bodies[0]).length + 12) * 1_250n + 100n * 5_000n);
	});

	test("that may go in real time are held at the dearer of both lanes, and at the tiers of either", async () => {
		const text = openAiLine("c-1", {}, chatBody());
		const [alone] = (await run(text)).items;
		const [both] = (await run(text, { ...itemRules(), mayGoRealTime: true })).items;
		const call = boundRequest(inspected("chat.completions", chatBody()), openAiBatchLine(), OPTIONS);
		if (call.kind === "unbounded") throw new Error(call.problem.message);
		expect(call.bound.nanoUsd).toBeGreaterThan(alone?.boundNanoUsd ?? 0n);
		expect(both).toMatchObject({ boundNanoUsd: call.bound.nanoUsd, boundTokens: alone?.boundTokens, tiers: ["batch", "standard"] });
		// A cap on the cost of a call is one on each lane.
		const cap = { feature: null, costNanoUsd: String(alone?.boundNanoUsd) };
		expect((await run(text, withCaps([cap]))).bound.kind).toBe("bounded");
		expect((await run(text, { ...withCaps([cap]), mayGoRealTime: true })).bound.kind).toBe("refused");
	});

	test("tell whether any of them brings tools", async () => {
		const tools = [{ type: "function", function: { name: "f" } }];
		const { bound } = await run([openAiLine("a", {}, chatBody({ tools })), openAiLine("b")].join("\n"));
		expect(bound).toMatchObject({ kind: "bounded", hasTools: true });
	});

	test("of Anthropic are held the same way", async () => {
		const rules = itemRules({ form: "anthropic", endpoint: "messages", line: anthropicBatchLine() });
		const { items } = await run(`${anthropicRequest("a")}\n`, rules);
		expect(items).toMatchObject([{ n: 1, customId: "a", tiers: ["batch"] }]);
	});

	test("say how large their bodies are as they will be sent", async () => {
		const deploymentModel = "a-longer-name-of-gpt-4o";
		const text = openAiLine("a");
		const { items } = await run(text, itemRules({ deployment: { model: deploymentModel } }));
		const part = { protocol: "openai", endpoint: "chat.completions", batchNumber: "7", items: 1, deploymentModel, lineBytesMax: 1_000 } as const;
		const sent = await textOf(writeLines(inPieces(text), { ...part, tries: [{ n: 1, tryNumber: 1 }] }));
		expect(items[0]?.bytes).toBe(bodyOfLine(Buffer.from(sent))?.length);
		expect(items[0]?.bytes).toBeGreaterThan(JSON.stringify(chatBody()).length);
	});

	test("are handed on a thousand at a time, in order", async () => {
		const sizes: number[] = [];
		const text = Array.from({ length: 2_500 }, (_, index) => openAiLine(`c-${index}`)).join("\n");
		let last = 0;
		await boundItems(inPieces(text, 10_000), itemRules(), async (items) => {
			sizes.push(items.length);
			for (const { n } of items) expect(n).toBe(++last);
		});
		expect(sizes).toEqual([1_000, 1_000, 500]);
	});

	test("are not handed on behind the first that cannot be held", async () => {
		const { bound, items } = await run(["{}", openAiLine("b")].join("\n"));
		expect([bound.kind, items]).toEqual(["refused", []]);
	});
});

describe("an item that a batch cannot use names its line and field", () => {
	test.each([
		["an unknown field", chatBody({ turbo: 1 }), "2 body.turbo request.unknown_field: this field is not known, so what it costs is not known either"],
		["a field of another type", chatBody({ n: 0 }), "2 body.n request.invalid: must be a whole number from 1 to 1024"],
		["spoken output", chatBody({ audio: {} }), /^2 body\.audio request\.unbounded: /],
		["a key twice below the top", undefined, /^2 body\.type batch\.line_invalid: .*stands twice/],
	] as const)("%s", async (_name, body, problem) => {
		const twice = '{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"type":1,"type":2}]}}';
		const [found, ...others] = await told([openAiLine("a"), body === undefined ? twice : openAiLine("b", {}, body)].join("\n"));
		expect(others).toEqual([]);
		expect(found).toEqual(typeof problem === "string" ? problem : expect.stringMatching(problem));
	});

	test("a hosted tool without a cap, and an earlier answer of somebody else", async () => {
		const rules = itemRules({ endpoint: "responses" });
		const line = (body: object): string => openAiLine("a", { url: "/v1/responses" }, { model: "gpt-4o", input: "x", max_output_tokens: 5, ...body });
		expect(await told(line({ tools: [tool] }), rules)).toEqual([expect.stringMatching(/^1 body\.\S+ request\.unbounded: .*max_tool_calls/)]);
		expect(await told(line({ previous_response_id: "resp_theirs" }), rules)).toEqual([
			expect.stringMatching(/^1 body\.previous_response_id request\.unknown_reference: /),
		]);
		expect((await run(line({ previous_response_id: "resp_ours" }), rules)).bound.kind).toBe("bounded");
	});

	test("a model that has no batch price", async () => {
		expect(await told(openAiLine("a"), itemRules({ line: openai() }))).toEqual([
			"1 body.model pricing.unknown_tier: the price book has no batch price for gpt-4o",
		]);
	});

	test("a faster and dearer answer", async () => {
		const rules = itemRules({ form: "anthropic", endpoint: "messages", line: anthropicBatchLine() });
		const problem = "1 params.speed pricing.unknown_tier: this is billed at batch prices alone; leave it out";
		expect(await told(anthropicRequest("a", messageBody({ speed: "fast" })), rules)).toEqual([problem]);
	});

	test("another model or endpoint than the batch's", async () => {
		const problem = "1 null batch.line_invalid: must be what the first request of the batch asks for: one endpoint, one model";
		expect(await told(openAiLine("a", {}, chatBody({ model: "other" })))).toEqual([problem]);
		expect(await told(openAiLine("a"), itemRules({ endpoint: "responses" }))).toEqual([problem]);
	});

	test("a line above the limit", async () => {
		expect(await told(openAiLine("a"), { ...itemRules(), lineBytesMax: 10 })).toEqual(["1 null batch.line_invalid: is longer than a request may be"]);
	});
});

describe("caps of the team", () => {
	test("hold for an item, of its feature and of all", async () => {
		const text = [openAiLine("a"), openAiLine("b", {}, chatBody({ max_tokens: 101 }))].join("\n");
		const problem = expect.stringMatching(/^2 body limit\.cap: The cap of 100 output tokens for every call of the team would be passed/);
		expect(await told(text, withCaps([{ feature: null, outputTokens: 100 }]))).toEqual([problem]);
		expect((await run(text, withCaps([{ feature: "search", outputTokens: 100 }]))).bound.kind).toBe("bounded");
		expect((await run(text, withCaps([{ feature: "search", outputTokens: 100 }], "search"))).bound.kind).toBe("refused");
	});

	test("refuse what they would lower in real time: the stored body is sent as it is", async () => {
		expect(await told(openAiLine("a", {}, chatBody({ max_tokens: undefined })), withCaps([{ feature: null, outputTokens: 1_000 }]))).toEqual([
			expect.stringMatching(/^1 body limit\.cap: .*this call can take 16384/),
		]);
	});
});

test("what a batch asks for is read from its first request", async () => {
	const rules = { form: "openai", lineBytesMax: 1_000 } as const;
	expect(await readFirstRequest(inPieces([openAiLine("a"), "{}"].join("\n")), rules)).toEqual({ endpoint: "chat.completions", model: "gpt-4o" });
	expect(await readFirstRequest(inPieces("{}"), rules)).toBeUndefined();
	expect(await readFirstRequest(inPieces(""), rules)).toBeUndefined();
});
