import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { usageOfAnswer } from "#activities/providers/reported-usage.ts";
import { hasPriceOf, reprice, type StoredPriceLine } from "#activities/verification/reprice.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import { priceLineToJson } from "#domain/pricing/line-codec.ts";
import { priceAnswer } from "#domain/pricing/price-answer.ts";
import type { PriceBook, PriceLine, PriceTier } from "#domain/pricing/price-book.ts";

/** The money path and the checker each read raw usage and price it on their own; on the seed they must agree to the nano-dollar. */
const lines = readSeedFiles(path.join(import.meta.dirname, "../../config/prices")).flatMap((file) => file.lines.map(({ line }) => line));
const lineOf = (protocol: PriceLine["protocol"]): fc.Arbitrary<PriceLine> =>
	fc.constantFrom(...lines.filter((line) => line.protocol === protocol && line.kind === "chat"));
const reservedFor = (protocol: PriceLine["protocol"]): fc.Arbitrary<Pick<Call, "line" | "reached" | "isModelKnown">> =>
	fc.record({
		line: lineOf(protocol),
		reached: fc.constantFrom<readonly PriceTier[]>(["standard"], ["standard", "priority"], ["standard", "flex"]),
		isModelKnown: fc.boolean(),
	});

const tokens = fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 400_000 }));
const parts = fc.record({
	plain: tokens,
	cached: tokens,
	write5m: tokens,
	write1h: tokens,
	visible: tokens,
	reasoning: tokens,
	searches: fc.integer({ min: 0, max: 3 }),
});
type Parts = typeof parts extends fc.Arbitrary<infer Value> ? Value : never;

function chatUsage({ plain, cached, write5m, visible, reasoning }: Parts): Record<string, unknown> {
	return {
		prompt_tokens: plain + cached + write5m,
		completion_tokens: visible + reasoning,
		total_tokens: plain + cached + write5m + visible + reasoning,
		prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: write5m },
		completion_tokens_details: { reasoning_tokens: reasoning },
	};
}

function responsesUsage({ plain, cached, write5m, visible, reasoning }: Parts): Record<string, unknown> {
	return {
		input_tokens: plain + cached + write5m,
		input_tokens_details: { cached_tokens: cached, cache_write_tokens: write5m },
		output_tokens: visible + reasoning,
		output_tokens_details: { reasoning_tokens: reasoning },
	};
}

function messagesUsage({ plain, cached, write5m, write1h, visible, reasoning }: Parts): Record<string, unknown> {
	return {
		input_tokens: plain,
		cache_read_input_tokens: cached,
		cache_creation_input_tokens: write5m + write1h,
		cache_creation: { ephemeral_5m_input_tokens: write5m, ephemeral_1h_input_tokens: write1h },
		output_tokens: visible + reasoning,
		output_tokens_details: { thinking_tokens: reasoning },
	};
}

type Call = {
	readonly endpoint: Endpoint;
	readonly line: PriceLine;
	readonly tier: string | null;
	readonly usage: Record<string, unknown>;
	/** `output` and `tools` of a response: hosted calls are counted there, not in the usage. */
	readonly answer?: Record<string, unknown>;
	/** Tiers reserved for, and whether the book knows the model the answer names; default standard, and it does. */
	readonly reached?: readonly PriceTier[];
	readonly isModelKnown?: boolean;
};

/** What the money path books: a cost, or nothing where it charges the reservation instead. */
function bookedCost({ endpoint, line, tier, usage, answer = {}, reached = ["standard"], isModelKnown = true }: Call): {
	readonly cost: bigint | "unresolved";
	readonly hosted: Readonly<Record<string, number>> | undefined;
} {
	const reported = usageOfAnswer(endpoint, endpoint === "messages" ? { usage: { ...usage, service_tier: tier } } : { ...answer, usage, service_tier: tier });
	if (reported.kind === "unusable") return { cost: "unresolved", hosted: undefined };
	const book: PriceBook = { version: 1, asOfMs: 0, lines: [line], find: (_provider, model) => (model === line.model ? line : undefined) };
	const reserved = { line, reach: { tiers: reached }, deployment: `house/${line.model}` };
	const { costNanoUsd, isIncomplete } = priceAnswer({ ...reported, model: isModelKnown ? line.model : "nobody-knows" }, reserved, book);
	return { cost: isIncomplete ? "unresolved" : costNanoUsd, hosted: reported.usage.toolCalls };
}

/** The checker reads the logged usage; hosted calls of responses it takes from the booked attempt and prices them itself. */
function expectAgreement(call: Call): bigint | "unresolved" {
	const { line, tier, usage, reached = ["standard"], isModelKnown = true } = call;
	const booked = bookedCost(call);
	const hostedCalls = line.protocol === "openai" ? booked.hosted : undefined;
	const stored = JSON.parse(JSON.stringify(priceLineToJson(line))) as StoredPriceLine;
	const logged = { protocol: line.protocol, serviceTier: tier, usage, hostedCalls };
	const checked = reprice(isModelKnown && hasPriceOf(logged, stored) ? logged : { ...logged, dearestOf: reached }, stored);
	expect(checked).toEqual(booked.cost === "unresolved" ? { kind: "unusable", problem: expect.any(String) } : { kind: "priced", nanoUsd: booked.cost });
	return booked.cost;
}

describe("money path and checker", () => {
	it("price OpenAI usage alike, tiers they do not know included", () => {
		const tier = fc.constantFrom(null, "default", "flex", "priority", "scale", "ultrafast", "constructor");
		const shape = fc.constantFrom<readonly [Endpoint, (parts: Parts) => Record<string, unknown>]>(
			["chat.completions", chatUsage],
			["responses", responsesUsage],
		);
		fc.assert(
			fc.property(reservedFor("openai"), parts, tier, shape, (reserved, counts, serviceTier, [endpoint, usageOf]) => {
				expect(expectAgreement({ ...reserved, endpoint, tier: serviceTier, usage: usageOf(counts) })).not.toBe("unresolved");
			}),
			{ numRuns: 1000 },
		);
	});

	it("price hosted calls of a response alike, and settle none that has no fee", () => {
		const item = fc.constantFrom(
			{ type: "web_search_call", action: { type: "search" } },
			{ type: "web_search_call", action: { type: "open_page" } },
			{ type: "file_search_call" },
			{ type: "code_interpreter_call" },
			{ type: "image_generation_call" },
			{ type: "constructor_call" },
			{ type: "function_call" },
			{ type: "message" },
		);
		const tools = fc.constantFrom([], [{ type: "web_search" }], [{ type: "web_search_preview" }]);
		const seen = new Set<string>();
		fc.assert(
			fc.property(lineOf("openai"), parts, fc.array(item, { maxLength: 4 }), tools, (line, counts, output, asked) => {
				const cost = expectAgreement({ endpoint: "responses", line, tier: "default", usage: responsesUsage(counts), answer: { output, tools: asked } });
				seen.add(typeof cost);
			}),
			{ numRuns: 2000 },
		);
		expect([...seen].sort()).toEqual(["bigint", "string"]);
	});

	it("have no price for the same OpenAI usage: 12-hour writes, audio, a total that is no sum", () => {
		const one = fc.integer({ min: 1, max: 100 });
		fc.assert(
			fc.property(lineOf("openai"), parts, one, (line, counts, tokens) => {
				const responses = responsesUsage({ ...counts, write5m: counts.write5m + tokens });
				const chat = chatUsage(counts);
				const longWrites = {
					...(responses["input_tokens_details"] as object),
					cache_write_tokens_details: { ttl_30m_tokens: counts.write5m, ttl_12h_tokens: tokens },
				};
				const audioIn = { ...(chat["prompt_tokens_details"] as object), audio_tokens: tokens };
				const audioOut = { ...(chat["completion_tokens_details"] as object), audio_tokens: tokens };
				const unpriced: readonly Pick<Call, "endpoint" | "usage">[] = [
					{ endpoint: "responses", usage: { ...responses, input_tokens_details: longWrites } },
					{ endpoint: "chat.completions", usage: { ...chat, prompt_tokens_details: audioIn } },
					{ endpoint: "chat.completions", usage: { ...chat, completion_tokens_details: audioOut } },
					{ endpoint: "chat.completions", usage: { ...chat, total_tokens: Number(chat["total_tokens"]) + tokens } },
				];
				for (const call of unpriced) expect(expectAgreement({ ...call, line, tier: null })).toBe("unresolved");
			}),
		);
	});

	it("price Anthropic usage alike: speeds, geographies, searches and fetches", () => {
		const tier = fc.constantFrom(null, "standard", "priority", "batch", "flex");
		const speed = fc.constantFrom(null, "standard", "fast", "warp");
		const geography = fc.constantFrom(undefined, null, "global", "not_available", "us", "eu");
		const calls = fc.record({
			web_search_requests: fc.integer({ min: 0, max: 3 }),
			web_fetch_requests: fc.integer({ min: 0, max: 3 }),
			constructor_requests: fc.constantFrom(0, 0, 0, 1),
		});
		const seen = new Set<string>();
		fc.assert(
			fc.property(
				reservedFor("anthropic"),
				parts,
				tier,
				fc.record({ speed, inference_geo: geography, server_tool_use: calls }),
				(reserved, counts, serviceTier, more) => {
					seen.add(typeof expectAgreement({ ...reserved, endpoint: "messages", tier: serviceTier, usage: { ...messagesUsage(counts), ...more } }));
				},
			),
			{ numRuns: 2000 },
		);
		expect([...seen].sort()).toEqual(["bigint", "string"]);
	});

	it("read Anthropic's cache writes alike, whatever part of them the split covers", () => {
		const named = fc.option(tokens, { nil: undefined });
		const split = fc.option(fc.record({ ephemeral_5m_input_tokens: named, ephemeral_1h_input_tokens: named }), { nil: null });
		fc.assert(
			fc.property(lineOf("anthropic"), parts, fc.option(tokens, { nil: undefined }), split, (line, counts, total, cacheCreation) => {
				const usage = { ...messagesUsage(counts), cache_creation_input_tokens: total, cache_creation: cacheCreation };
				expectAgreement({ endpoint: "messages", line, tier: null, usage });
			}),
			{ numRuns: 2000 },
		);
	});

	it("add compactions to Anthropic's counts alike, and price no other sub-inference", () => {
		const iteration = fc
			.tuple(fc.constantFrom("message", "compaction", "compaction", "advisor_message"), parts)
			.map(([type, counts]) => ({ type, ...messagesUsage(counts) }));
		fc.assert(
			fc.property(lineOf("anthropic"), parts, fc.array(iteration, { maxLength: 3 }), (line, counts, iterations) => {
				const cost = expectAgreement({ endpoint: "messages", line, tier: null, usage: { ...messagesUsage(counts), iterations } });
				expect(cost === "unresolved").toBe(iterations.some(({ type }) => type === "advisor_message"));
			}),
			{ numRuns: 1000 },
		);
	});
});
