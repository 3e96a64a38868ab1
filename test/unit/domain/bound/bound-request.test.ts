import { describe, expect, it } from "vitest";
import { boundRequest } from "#domain/bound/bound-request.ts";
import type { InspectOptions } from "#domain/bound/inspect-request.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { anthropic, bound, bytes, type Case, chat, hello, message, OPTIONS, openai, prices, problem, USD } from "#test/support/bound-cases.ts";
import { inspected } from "#test/support/inspect.ts";

const LONG_WINDOW: InspectOptions = { anthropicBeta: ["context-1m-2025-08-07"] };

describe("text", () => {
	it("is bounded by the bytes of the body, hidden tokens and the caller's cap, rounded up once", () => {
		const body = chat({ max_tokens: 1_000 });
		const result = bound({ body });
		const inputTokens = bytes(body) + 8 + 4;
		expect(result).toMatchObject({ inputTokens, outputTokens: 1_000, tokens: inputTokens + 1_000, clampFloorTokens: undefined });
		expect(result.nanoUsd).toBe(BigInt(inputTokens) * 2_000n + 1_000n * 10_000n);
	});

	it("holds 200 KB of one letter at its bytes, without a tokenizer", () => {
		const body = chat({ max_tokens: 1, messages: [{ role: "user", content: "a".repeat(200_000) }] });
		expect(bound({ body, line: openai({ contextWindowTokens: 1_000_000 }) }).inputTokens).toBe(bytes(body) + 12);
	});

	it("is no more than the context window, beyond which the provider answers with an error", () => {
		const body = chat({ max_tokens: 1, messages: [{ role: "user", content: "a".repeat(200_000) }] });
		expect(bound({ body }).inputTokens).toBe(128_000);
		expect(bound({ body, line: openai({ contextWindowTokens: undefined }) }).inputTokens).toBe(bytes(body) + 12);
		expect(bound({ body: { ...body, turbo: 1 }, inspect: { unknownFields: "pass" } }).inputTokens).toBeGreaterThan(200_000);
	});

	it("takes off what counting exactly saved, and never more than the text", () => {
		const body = chat({ max_tokens: 1 });
		expect(bound({ body, options: { textTokensSaved: 3 } }).inputTokens).toBe(bytes(body) + 12 - 3);
		expect(bound({ body, options: { textTokensSaved: 1_000_000 } }).inputTokens).toBe(12);
	});

	it("counts an escape as the text it stands for", () => {
		const escaped = inspected("chat.completions", `{"model":"gpt-4o","max_tokens":1,"messages":[{"role":"user","content":"${"\\u4e2d".repeat(100)}"}]}`);
		const plain = bound({ body: chat({ max_tokens: 1, messages: [{ role: "user", content: "中".repeat(100) }] }) });
		const result = boundRequest(escaped, openai(), OPTIONS);
		expect(result.kind === "bounded" && result.bound.inputTokens).toBe(plain.inputTokens);
	});

	it("rounds the whole sum up, not its parts", () => {
		const line = openai({ tiers: { standard: [{ aboveInputTokens: 0, prices: { ...prices(1n, 1n), cacheWrite5m: 1n } }] } });
		expect(bound({ body: chat({ max_tokens: 1 }), line }).nanoUsd).toBe(1n);
	});
});

describe("output", () => {
	it("is the model's maximum without a cap, the window where that is unknown, refused where both are", () => {
		expect(bound({ body: chat() }).outputTokens).toBe(16_384);
		expect(bound({ body: chat(), line: openai({ maxOutputTokens: undefined }) }).outputTokens).toBe(128_000);
		const unknown = openai({ maxOutputTokens: undefined, contextWindowTokens: undefined });
		expect(problem({ body: chat(), line: unknown })).toMatchObject({ code: "request.unbounded", field: "max_completion_tokens" });
		expect(problem({ endpoint: "responses", body: { model: "x", input: "x" }, line: unknown }).field).toBe("max_output_tokens");
		expect(bound({ body: chat({ max_tokens: 5 }), line: unknown }).outputTokens).toBe(5);
	});

	it("is multiplied by n, and a prediction is added to every choice", () => {
		const one = bound({ body: chat({ max_tokens: 1_000, n: 1 }) });
		const four = bound({ body: chat({ max_tokens: 1_000, n: 4 }) });
		expect(four.nanoUsd - one.nanoUsd).toBe(3n * 1_000n * 10_000n);
		expect(four.tokens - one.tokens).toBe(3_000);
		const prediction = { type: "content", content: "x".repeat(500) };
		const predicted = bound({ body: chat({ max_tokens: 1_000, n: 4, prediction }) });
		expect(predicted.tokens - predicted.inputTokens).toBe(4 * (1_000 + bytes(prediction)));
		expect(predicted.nanoUsd).toBe(BigInt(predicted.inputTokens) * 2_000n + 4n * BigInt(1_000 + bytes(prediction)) * 10_000n);
	});

	it("does not trust a cap the deployment does not enforce", () => {
		expect(bound({ body: chat({ max_tokens: 5 }), line: openai({ outputCapField: undefined }) })).toMatchObject({
			outputTokens: 16_384,
			clampFloorTokens: undefined,
		});
		expect(bound({ body: chat({ max_tokens: 5 }), options: { enforcedCapFields: ["max_completion_tokens"] } }).outputTokens).toBe(16_384);
	});

	it("offers no clamp by a field the deployment does not obey", () => {
		const enforced = { enforcedCapFields: ["max_tokens"], mayLowerCallerCap: true };
		expect(bound({ body: chat(), options: enforced }).clampFloorTokens).toBeUndefined();
		expect(bound({ body: chat({ max_tokens: 500 }), options: enforced }).clampFloorTokens).toBe(256);
		expect(bound({ body: chat({ max_completion_tokens: 500 }), options: enforced })).toMatchObject({ outputTokens: 16_384, clampFloorTokens: undefined });
	});

	it("is never below the thinking budget", () => {
		expect(bound({ endpoint: "messages", body: message({ thinking: { type: "enabled", budget_tokens: 5_000 } }), line: anthropic() }).outputTokens).toBe(5_000);
	});

	it("counts reasoning at its own price where that is dearer", () => {
		const line = openai({ tiers: { standard: [{ aboveInputTokens: 0, prices: { ...prices(0n, 10n * USD), reasoning: 30n * USD } }] } });
		expect(bound({ body: chat({ max_tokens: 1_000 }), line }).nanoUsd).toBe(30_000_000n);
	});
});

describe("dearest prices", () => {
	const inputPrice = (given: Case): bigint => {
		const result = bound(given);
		return (result.at(0).nanoUsd * 1_000_000n) / BigInt(result.inputTokens);
	};

	it("counts cache writes where they can happen", () => {
		const of = (more: object): bigint => inputPrice({ endpoint: "messages", body: message(more), line: anthropic() });
		expect(of({})).toBe(4n * USD);
		expect(of({ cache_control: { type: "ephemeral" } })).toBe(5n * USD);
		expect(of({ system: [{ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } }] })).toBe(8n * USD);
		const chargesWrites = openai({ tiers: { standard: [{ aboveInputTokens: 0, prices: prices(2n * USD, 10n * USD) }] } });
		expect(inputPrice({ body: chat(), line: chargesWrites })).toBe((5n * USD) / 2n);
	});

	it("takes the context tiers the input can reach and no other", () => {
		const line = openai({
			tiers: {
				standard: [
					{ aboveInputTokens: 0, prices: prices(2n * USD, 0n) },
					{ aboveInputTokens: 1_000, prices: prices(4n * USD, 0n) },
				],
			},
		});
		expect(inputPrice({ body: chat(), line })).toBe((5n * USD) / 2n);
		expect(inputPrice({ body: chat({ messages: [{ role: "user", content: "x".repeat(1_000) }] }), line })).toBe(5n * USD);
	});

	it("takes the tiers that were asked for, the project's default, and standard", () => {
		const tier = (factor: bigint): PriceLine["tiers"]["standard"] => [{ aboveInputTokens: 0, prices: { ...prices(factor * USD, 0n), cacheWrite5m: 0n } }];
		const line = openai({ tiers: { standard: tier(2n), flex: tier(1n), priority: tier(4n) } });
		expect(inputPrice({ body: chat(), line })).toBe(2n * USD);
		expect(inputPrice({ body: chat({ service_tier: "flex" }), line })).toBe(2n * USD);
		expect(inputPrice({ body: chat({ service_tier: "fast" }), line })).toBe(4n * USD);
		expect(inputPrice({ body: chat({ service_tier: "auto" }), line, options: { defaultTiers: ["priority"] } })).toBe(4n * USD);
		expect(inputPrice({ body: chat({ service_tier: "auto" }), line, options: { defaultTiers: ["flex"] } })).toBe(2n * USD);
		expect(inputPrice({ body: chat({ service_tier: "default" }), line, options: { defaultTiers: ["priority"] } })).toBe(2n * USD);
		expect(inputPrice({ body: chat({ turbo: 1 }), line, inspect: { unknownFields: "pass" } })).toBe(8n * USD);
	});

	it("takes the geography the provider account may serve from, on every token price, and says what it covers", () => {
		const line = openai({ tiers: { standard: [{ aboveInputTokens: 0, prices: prices(2n * USD, 10n * USD) }] } });
		const [list, held] = [bound({ body: chat(), line }), bound({ body: chat(), line, options: { tokenPermille: 1_100 } })];
		expect(held.nanoUsd * 10n).toBe(list.nanoUsd * 11n);
		expect([list.reach, held.reach]).toEqual([
			{ tiers: ["standard"], tokenPermille: 1_000 },
			{ tiers: ["standard"], tokenPermille: 1_100 },
		]);
		const tiered = { ...line, tiers: { ...line.tiers, priority: line.tiers.standard } };
		expect(bound({ body: chat({ service_tier: "fast" }), line: tiered }).reach.tiers).toEqual(["standard", "priority"]);
	});

	it("refuses a tier the line does not price, asked for or the project's default", () => {
		expect(problem({ body: chat({ service_tier: "priority" }) })).toMatchObject({ code: "pricing.unknown_tier", field: "service_tier" });
		expect(problem({ body: chat({ service_tier: "flex" }) })).toMatchObject({ code: "pricing.unknown_tier", field: "service_tier" });
		expect(problem({ endpoint: "messages", body: message({ speed: "fast" }), line: anthropic() })).toMatchObject({
			code: "pricing.unknown_tier",
			field: "speed",
		});
		const options = { defaultTiers: ["priority"] } as const;
		for (const body of [chat(), chat({ service_tier: "auto" })]) {
			expect(problem({ body, options })).toMatchObject({ code: "pricing.unknown_tier", field: "service_tier", message: expect.stringContaining('"default"') });
		}
		expect(bound({ body: chat({ service_tier: "default" }), options }).outputTokens).toBe(16_384);
		expect(bound({ endpoint: "embeddings", body: { model: "e", input: "x" }, options }).outputTokens).toBe(0);
	});
});

describe("media and what the bytes do not show", () => {
	const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(136)}` } };
	const withContent = (...content: object[]): object => chat({ max_tokens: 1, messages: [{ role: "user", content }] });

	it("holds an image of 100 bytes at the line's maximum", () => {
		const body = withContent(image);
		expect(bound({ body }).inputTokens).toBe(bytes(body) - image.image_url.url.length + 12 + 2_000);
		expect(bound({ body, line: openai({ maxTokensPerImage: undefined }) }).inputTokens).toBe(128_000);
		const unknown = openai({ maxTokensPerImage: undefined, contextWindowTokens: undefined });
		expect(problem({ body, line: unknown })).toMatchObject({ code: "request.unbounded", field: "messages[0].content[0]" });
		expect(bound({ body: withContent({ type: "image_url", image_url: { url: "https://example.com/a.png" } }) }).inputTokens).toBeGreaterThan(2_000);
	});

	it("holds audio by the second, or refuses it", () => {
		const body = withContent({ type: "input_audio", input_audio: { data: "A".repeat(40_000), format: "mp3" } });
		expect(problem({ body })).toMatchObject({ code: "request.unbounded", field: "messages[0].content[0]" });
		expect(bound({ body, line: openai({ maxTokensPerAudioSecond: 50 }) }).inputTokens).toBe(bytes(body) - 40_000 + 12 + 31 * 50);
	});

	it("holds a document and a reference at one context window, or refuses them", () => {
		const pdf = withContent({ type: "file", file: { file_data: "data:application/pdf;base64,AAAA" } });
		expect(bound({ body: pdf }).inputTokens).toBeGreaterThanOrEqual(128_000);
		const previous = { model: "x", input: "x", max_output_tokens: 1, previous_response_id: "resp_of_another_team" };
		expect(bound({ endpoint: "responses", body: previous }).inputTokens).toBe(128_000);
		const unknown = openai({ contextWindowTokens: undefined });
		expect(problem({ body: pdf, line: unknown }).field).toBe("messages[0].content[0]");
		expect(problem({ endpoint: "responses", body: previous, line: unknown })).toMatchObject({ code: "request.unbounded", field: "previous_response_id" });
	});

	describe("on a line that bills images as more than they take up in the window", () => {
		const line = openai({ imageWindowPermille: 33_336, maxTokensPerImage: 48_169 });
		const windowOfImages = Math.ceil(128_000 * 33.336);
		const previous = { model: "x", input: "x", max_output_tokens: 1, previous_response_id: "resp_1" };
		const withImages = (count: number, ...more: object[]): object => ({
			model: "x",
			max_output_tokens: 1,
			input: [{ role: "user", content: Array.from({ length: count }, () => ({ type: "input_image", image_url: "https://example.com/a.png" })) }, ...more],
		});
		const ask = (body: object, on: PriceLine = line): number => bound({ endpoint: "responses", body, line: on }).inputTokens;

		it("holds a whole window of them for earlier turns and for documents", () => {
			expect(ask(previous)).toBe(windowOfImages);
			expect(bound({ body: withContent({ type: "file", file: { file_data: "AAAA" } }), line }).inputTokens).toBe(windowOfImages);
			expect(ask(withImages(1), openai({ imageWindowPermille: 1_200, maxTokensPerImage: undefined }))).toBe(153_600);
		});

		it("holds new images beside earlier turns where no window of images bounds both", () => {
			const unknown = openai({ maxTokensPerImage: 48_169 });
			expect(ask({ ...withImages(5), previous_response_id: "resp_1" }, unknown)).toBe(128_000 + 5 * 48_169);
			expect(ask({ ...withImages(5), previous_response_id: "resp_1" })).toBe(windowOfImages);
		});

		it("counts the visible images alone where what is not visible is text", () => {
			const sealed = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "AAAA" };
			expect(ask(withImages(0, sealed))).toBe(128_000);
			expect(ask(withImages(2, sealed))).toBe(128_000 + 2 * 48_169);
			expect(ask(withImages(200, sealed))).toBe(windowOfImages);
		});

		it("holds the images a hosted search may bring, pass by pass", () => {
			const search = (more: object) => ({ model: "x", input: "x", max_output_tokens: 1, max_tool_calls: 1, tools: [{ type: "web_search_preview", ...more }] });
			const priced = { ...line, perCall: { web_search_preview: 1n } };
			expect(ask(search({}), priced)).toBe(2 * 128_000);
			expect(ask(search({ search_content_types: ["text", "image"] }), priced)).toBe(2 * windowOfImages);
		});

		it("adds what an unknown field may unlock", () => {
			const inspect: InspectOptions = { unknownFields: "pass" };
			const passed = bound({ endpoint: "responses", body: { ...withImages(2), previous_response_id: "resp_1", turbo: 1 }, line, inspect });
			expect(passed.inputTokens).toBeGreaterThan(windowOfImages + 2 * 48_169);
		});
	});

	it("holds a window more and a fee for every hosted call", () => {
		const body = {
			model: "x",
			input: "x",
			max_output_tokens: 1,
			max_tool_calls: 3,
			tools: [{ type: "web_search" }, { type: "file_search", vector_store_ids: [] }],
		};
		const line = openai({ perCall: { web_search: 10_000_000n, file_search: 2_500_000n } });
		const result = bound({ endpoint: "responses", body, line });
		expect(result.inputTokens).toBe(4 * 128_000);
		expect(result.at(0).nanoUsd).toBe(4n * 128_000n * 2_000n + 3n * 10_000_000n);
		expect(problem({ endpoint: "responses", body })).toMatchObject({ code: "request.unbounded", field: "tools[0]" });
	});

	it("adds the fees of tools that are capped one by one", () => {
		const tools = [
			{ type: "web_search_20250305", name: "web_search", max_uses: 2 },
			{ type: "web_fetch_20250910", name: "web_fetch", max_uses: 1 },
		];
		const result = bound({ endpoint: "messages", body: message({ tools }), line: anthropic({ perCall: { web_search: 10_000_000n } }) });
		expect(result.inputTokens).toBe(4 * 128_000);
		expect(result.at(0).nanoUsd).toBe(4n * 128_000n * 4_000n + 20_000_000n);
	});

	it("holds a text document with citations at one context window", () => {
		const source = { type: "text", media_type: "text/plain", data: "One. Two." };
		const body = (citations: object) => message({ messages: [{ role: "user", content: [{ type: "document", source, citations }] }] });
		expect(bound({ endpoint: "messages", body: body({ enabled: true }), line: anthropic() }).inputTokens).toBe(128_000);
		expect(bound({ endpoint: "messages", body: body({ enabled: false }), line: anthropic() }).inputTokens).toBeLessThan(1_000);
	});

	it("takes the window a beta unlocks", () => {
		const body = message({ messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: "f" } }] }] });
		const standard = [
			{ aboveInputTokens: 0, prices: prices(4n * USD, 20n * USD) },
			{ aboveInputTokens: 128_000, prices: prices(8n * USD, 30n * USD) },
		];
		const held = bound({ endpoint: "messages", body, line: anthropic({ tiers: { standard } }), inspect: LONG_WINDOW });
		expect(held.inputTokens).toBe(1_000_000);
		expect(held.at(0).nanoUsd).toBe(1_000_000n * 8_000n);
		const native = anthropic({ contextWindowTokens: 2_000_000 });
		expect(bound({ endpoint: "messages", body, line: native, inspect: LONG_WINDOW }).inputTokens).toBe(2_000_000);
	});

	it("refuses the beta where no line says what so long an input costs", () => {
		const base = { aboveInputTokens: 0, prices: prices(4n * USD, 20n * USD) };
		const short = { aboveInputTokens: 100_000, prices: prices(8n * USD, 30n * USD) };
		const long = { ...short, aboveInputTokens: 128_000 };
		const unpriced: Partial<PriceLine>[] = [
			{},
			{ contextWindowTokens: undefined },
			{ tiers: { standard: [base, short] } },
			{ tiers: { standard: [base, long], priority: [base] } },
		];
		for (const changes of unpriced)
			expect(
				problem({ endpoint: "messages", body: message({ speed: changes.tiers?.priority && "fast" }), line: anthropic(changes), inspect: LONG_WINDOW }),
			).toMatchObject({
				code: "request.unbounded",
				field: "anthropic-beta",
			});
	});
});

describe("other endpoints and limits", () => {
	it("bounds embeddings by their input", () => {
		const body = { model: "e", input: ["hello", "world"] };
		expect(bound({ endpoint: "embeddings", body, line: openai({ kind: "embeddings", outputCapField: undefined }) })).toMatchObject({
			inputTokens: bytes(body) + 8 + 2 * 4,
			outputTokens: 0,
			clampFloorTokens: undefined,
		});
		const tokens = { model: "e", input: [[1, 2, 3, 4, 5]] };
		expect(bound({ endpoint: "embeddings", body: tokens }).inputTokens).toBeGreaterThanOrEqual(5);
	});

	it("holds nothing for counting tokens", () => {
		expect(bound({ endpoint: "count_tokens", body: { model: "claude", messages: hello } })).toMatchObject({ nanoUsd: 0n, tokens: 0 });
	});

	it("refuses what could cost more than one call may", () => {
		expect(problem({ body: chat({ max_tokens: 2_147_483_647, n: 1_000 }) })).toMatchObject({ code: "request.unbounded", field: "max_tokens" });
	});
});
