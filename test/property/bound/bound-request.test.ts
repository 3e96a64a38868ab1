import fc from "fast-check";
import { expect, it } from "vitest";
import { type BoundOptions, boundRequest } from "#domain/bound/bound-request.ts";
import { withOutputCap } from "#domain/bound/edit-body.ts";
import type { Bound, Endpoint, InspectedRequest } from "#domain/bound/request.ts";
import type { ContextTier, PriceLine, PriceTier } from "#domain/pricing/price-book.ts";
import { priceUsage } from "#domain/pricing/price-usage.ts";
import type { Usage } from "#domain/usage/usage.ts";
import { boundLine } from "#test/support/bound-lines.ts";
import { inspected } from "#test/support/inspect.ts";

const rate = fc.bigInt({ min: 0n, max: 1_000_000_000_000n });
const contextTier = (aboveInputTokens: number): fc.Arbitrary<ContextTier> =>
	fc
		.record({ input: rate, cachedInput: rate, cacheWrite5m: rate, cacheWrite1h: rate, output: rate, reasoning: rate })
		.map((prices) => ({ aboveInputTokens, prices }));
const contextTiers = fc.integer({ min: 100, max: 200_000 }).chain((above) => fc.tuple(contextTier(0), contextTier(above)));

type Protocol = "openai" | "anthropic";
const lineOf = (protocol: Protocol): fc.Arbitrary<PriceLine> =>
	fc
		.record({
			standard: contextTiers,
			flex: contextTiers,
			batch: contextTiers,
			priority: contextTiers,
			isReasoning: fc.boolean(),
			web_search: rate,
			web_search_preview: rate,
			file_search: rate,
		})
		.map(({ standard, flex, batch, priority, isReasoning, ...perCall }) =>
			boundLine(
				{ provider: protocol, model: "m", protocol, inputNanoUsd: 0n, outputNanoUsd: 0n },
				{ tiers: { standard, flex, batch, priority }, isReasoning, perCall, maxTokensPerAudioSecond: 60 },
			),
		);

const text = fc.string({ unit: "binary", maxLength: 300 });
const cap = fc.option(fc.integer({ min: 1, max: 50_000 }), { nil: undefined });
const image = fc.integer({ min: 0, max: 400 }).map((length) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(length)}` } }));
const audio = fc.integer({ min: 0, max: 9_000 }).map((length) => ({ type: "input_audio", input_audio: { data: "A".repeat(length), format: "mp3" } }));

/** A request, what the provider may then count as input at most, which tiers it may answer with, and what it may call. */
type Scenario = {
	readonly endpoint: Endpoint;
	readonly body: Record<string, unknown>;
	readonly line: PriceLine;
	readonly inputTokensMax: number;
	readonly predictedTokens: number;
	readonly tiers: readonly PriceTier[];
	readonly tools: readonly string[];
	readonly toolCallsMax: number;
	readonly cacheClasses: readonly ("cacheWrite5mTokens" | "cacheWrite1hTokens")[];
};

const PLAIN = { predictedTokens: 0, tiers: ["standard"], tools: [], toolCallsMax: 0, cacheClasses: ["cacheWrite5mTokens"] } as const;
const LINE_HIDDEN_TOKENS = 12;

/** A provider answers a longer input with an error. */
const withinWindow = (line: PriceLine, tokens: number): number => Math.min(tokens, line.contextWindowTokens ?? tokens);

const bytesOf = (value: unknown): number =>
	typeof value === "string" ? Buffer.byteLength(value) : value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));

const chatScenario: fc.Arbitrary<Scenario> = fc
	.record({
		line: lineOf("openai"),
		system: text,
		user: text,
		images: fc.array(image, { maxLength: 2 }),
		audios: fc.array(audio, { maxLength: 2 }),
		max_tokens: cap,
		n: fc.integer({ min: 1, max: 4 }),
		prediction: fc.option(text, { nil: undefined }),
		tier: fc.constantFrom("auto", "default", "flex", "priority", undefined),
		limits: fc.constantFrom({}, { contextWindowTokens: 400 }, { contextWindowTokens: undefined }, { maxTokensPerImage: undefined }),
	})
	.map(({ line, limits, ...drawn }) => ({ ...drawn, line: { ...line, ...limits } }))
	.map(({ line, system, user, images, audios, max_tokens, n, prediction, tier }) => ({
		...PLAIN,
		endpoint: "chat.completions",
		line,
		body: {
			model: "m",
			max_tokens,
			n,
			service_tier: tier,
			...(prediction === undefined ? {} : { prediction: { type: "content", content: prediction } }),
			messages: [
				{ role: "system", content: system },
				{ role: "user", content: [{ type: "text", text: user }, ...images, ...audios] },
			],
		},
		inputTokensMax:
			withinWindow(line, bytesOf(system) + bytesOf(user) + images.length * (line.maxTokensPerImage ?? 128_000) + LINE_HIDDEN_TOKENS) +
			audios.reduce((sum, part) => sum + Math.ceil((part.input_audio.data.length * 3) / 4 / 1_000) * 60, 0),
		predictedTokens: bytesOf(prediction),
		tiers: tier === "flex" ? ["flex", "standard"] : tier === "priority" ? ["priority", "standard"] : ["standard"],
	}));

const responsesScenario: fc.Arbitrary<Scenario> = fc
	.record({
		line: lineOf("openai"),
		input: text,
		max_output_tokens: cap,
		calls: fc.integer({ min: 0, max: 5 }),
		previous: fc.boolean(),
		ttl: fc.constantFrom("5m", "30m"),
	})
	.map(({ line, input, max_output_tokens, calls, previous, ttl }) => ({
		...PLAIN,
		endpoint: "responses",
		line,
		body: {
			model: "m",
			input,
			max_output_tokens,
			prompt_cache_options: { ttl },
			max_tool_calls: calls,
			tools: [{ type: "web_search" }, { type: "file_search" }],
			...(previous ? { previous_response_id: "resp_1" } : {}),
		},
		inputTokensMax: 128_000 * (1 + calls),
		tools: ["web_search", "file_search"],
		toolCallsMax: calls,
	}));

const messagesScenario: fc.Arbitrary<Scenario> = fc
	.record({
		line: lineOf("anthropic"),
		system: text,
		user: text,
		max_tokens: fc.integer({ min: 1, max: 50_000 }),
		cache: fc.constantFrom(undefined, "5m", "1h"),
		budget: fc.option(fc.integer({ min: 1_024, max: 60_000 }), { nil: undefined }),
	})
	.map(({ line, system, user, max_tokens, cache, budget }) => ({
		...PLAIN,
		endpoint: "messages",
		line,
		body: {
			model: "m",
			max_tokens,
			messages: [{ role: "user", content: user }],
			system: [{ type: "text", text: system, ...(cache === undefined ? {} : { cache_control: { type: "ephemeral", ttl: cache } }) }],
			...(budget === undefined ? {} : { thinking: { type: "enabled", budget_tokens: budget } }),
		},
		inputTokensMax: bytesOf(system) + bytesOf(user) + LINE_HIDDEN_TOKENS,
		cacheClasses: cache === undefined ? [] : cache === "1h" ? ["cacheWrite5mTokens", "cacheWrite1hTokens"] : ["cacheWrite5mTokens"],
	}));

const embeddingsScenario: fc.Arbitrary<Scenario> = fc
	.record({ line: lineOf("openai"), input: fc.array(text, { minLength: 1, maxLength: 4 }) })
	.map(({ line, input }) => ({
		...PLAIN,
		endpoint: "embeddings",
		line,
		body: { model: "m", input },
		inputTokensMax: input.reduce((sum, item) => sum + bytesOf(item), 8 + 4 * input.length),
		cacheClasses: [],
	}));

const scenarios = fc.oneof(chatScenario, responsesScenario, messagesScenario, embeddingsScenario);

/** Shares of the whole in thousandths, drawn by fast-check, turned into the parts of one usage. */
const shares = fc.record({
	input: thousandth(),
	cached: thousandth(),
	write5m: thousandth(),
	write1h: thousandth(),
	output: thousandth(),
	reasoning: thousandth(),
	predicted: thousandth(),
	calls: thousandth(),
});

function thousandth(): fc.Arbitrary<number> {
	return fc.oneof(fc.constantFrom(0, 1_000), fc.integer({ min: 0, max: 1_000 }));
}

const part = (whole: number, share: number): number => Math.floor((whole * share) / 1_000);

function usageOf(
	scenario: Scenario,
	request: InspectedRequest,
	outputTokens: number,
	share: { readonly [name in "input" | "cached" | "write5m" | "write1h" | "output" | "reasoning" | "predicted" | "calls"]: number },
): Usage {
	const inputTokens = part(scenario.inputTokensMax, share.input);
	const cacheWrite5mTokens = scenario.cacheClasses.includes("cacheWrite5mTokens") ? part(inputTokens, share.write5m) : 0;
	const cacheWrite1hTokens = scenario.cacheClasses.includes("cacheWrite1hTokens") ? part(inputTokens - cacheWrite5mTokens, share.write1h) : 0;
	const cachedInputTokens = part(inputTokens - cacheWrite5mTokens - cacheWrite1hTokens, share.cached);
	const output = request.choices * (part(outputTokens, share.output) + part(scenario.predictedTokens, share.predicted));
	const first = part(scenario.toolCallsMax, share.calls);
	const calls = [first, scenario.toolCallsMax - first];
	return {
		inputTokens,
		cachedInputTokens,
		cacheWrite5mTokens,
		cacheWrite1hTokens,
		outputTokens: output,
		reasoningTokens: part(output, share.reasoning),
		toolCalls: Object.fromEntries(scenario.tools.map((tool, index) => [tool, calls[index] ?? 0])),
	};
}

const OPTIONS: BoundOptions = { clampFloorTokens: 256, clampFloorReasoningTokens: 4_096, mayLowerCallerCap: true };

function boundOf(scenario: Scenario, options: BoundOptions = OPTIONS): { request: InspectedRequest; bound: Bound } {
	const request = inspected(scenario.endpoint, scenario.body);
	const result = boundRequest(request, scenario.line, options);
	if (result.kind === "unbounded") throw new Error(result.problem.message);
	return { request, bound: result.bound };
}

it("no usage a provider can report costs more than the bound, at any cap", () => {
	fc.assert(
		fc.property(scenarios, shares, thousandth(), (scenario, share, capShare) => {
			const { request, bound } = boundOf(scenario);
			const outputTokens = part(bound.outputTokens, capShare);
			const usage = usageOf(scenario, request, outputTokens, share);
			for (const tier of scenario.tiers) expect(priceUsage(usage, scenario.line, tier).costNanoUsd).toBeLessThanOrEqual(bound.at(outputTokens).nanoUsd);
			expect(usage.inputTokens + usage.outputTokens).toBeLessThanOrEqual(bound.at(outputTokens).tokens);
			// A ceiling of an agent run may count one of the two alone.
			expect(usage.inputTokens).toBeLessThanOrEqual(bound.inputTokens);
			expect(usage.outputTokens).toBeLessThanOrEqual(bound.at(outputTokens).tokens - bound.inputTokens);
		}),
		{ numRuns: 2_000 },
	);
});

it("an item of a batch costs no more than it held, and nothing is held for another tier", () => {
	fc.assert(
		fc.property(scenarios, shares, (scenario, share) => {
			const item = { ...scenario, body: { ...scenario.body, service_tier: undefined } };
			const { request, bound } = boundOf(item, { ...OPTIONS, onlyTiers: ["batch"] });
			const usage = usageOf(item, request, bound.outputTokens, share);
			expect(bound.reach.tiers).toEqual(["batch"]);
			expect(priceUsage(usage, item.line, "batch").costNanoUsd).toBeLessThanOrEqual(bound.nanoUsd);
			// An answer that names a tier nobody knows.
			expect(priceUsage(usage, item.line, undefined, { reachableTiers: bound.reach.tiers }).costNanoUsd).toBeLessThanOrEqual(bound.nanoUsd);
			expect(usage.inputTokens + usage.outputTokens).toBeLessThanOrEqual(bound.tokens);
		}),
		{ numRuns: 1_000 },
	);
});

it("at() is monotone, and what is untouched is at(outputTokens)", () => {
	fc.assert(
		fc.property(scenarios, thousandth(), thousandth(), (scenario, left, right) => {
			const { bound } = boundOf(scenario);
			const [lower, upper] = [part(bound.outputTokens, Math.min(left, right)), part(bound.outputTokens, Math.max(left, right))];
			expect(bound.at(lower).nanoUsd).toBeLessThanOrEqual(bound.at(upper).nanoUsd);
			expect(bound.at(lower).tokens).toBeLessThanOrEqual(bound.at(upper).tokens);
			expect(bound.at(bound.outputTokens)).toEqual({ nanoUsd: bound.nanoUsd, tokens: bound.tokens });
		}),
		{ numRuns: 1_000 },
	);
});

it("clampTo finds the highest cap that fits, never below the floor", () => {
	const factor = fc.integer({ min: 0, max: 1_200 });
	fc.assert(
		fc.property(scenarios, factor, factor, fc.option(factor, { nil: undefined }), (scenario, moneyFactor, tokenFactor, outputFactor) => {
			const { bound } = boundOf(scenario);
			const outputTokens = outputFactor === undefined ? undefined : part(bound.tokens - bound.inputTokens, outputFactor);
			const available = { nanoUsd: (bound.nanoUsd * BigInt(moneyFactor)) / 1_000n, tokens: part(bound.tokens, tokenFactor), outputTokens };
			const fits = (cap: number): boolean => {
				const { nanoUsd, tokens } = bound.at(cap);
				return nanoUsd <= available.nanoUsd && tokens <= available.tokens && tokens - bound.inputTokens <= (outputTokens ?? tokens);
			};
			const floor = bound.clampFloorTokens ?? bound.outputTokens;
			const clamped = bound.clampTo(available);
			if (clamped === undefined) expect(fits(floor)).toBe(false);
			else {
				expect(fits(clamped)).toBe(true);
				expect(clamped).toBeGreaterThanOrEqual(floor);
				expect(clamped === bound.outputTokens || !fits(clamped + 1)).toBe(true);
			}
		}),
		{ numRuns: 3_000 },
	);
});

it("a clamped body says what the bound was asked for, and is otherwise the same request", () => {
	fc.assert(
		fc.property(fc.oneof(chatScenario, responsesScenario, messagesScenario), thousandth(), (scenario, share) => {
			const { request, bound } = boundOf(scenario);
			const floor = bound.clampFloorTokens ?? bound.outputTokens;
			const tokens = floor + part(bound.outputTokens - floor, share);
			fc.pre(tokens > 1_024 || scenario.body["thinking"] === undefined);
			const clamped = JSON.parse(withOutputCap(request, tokens, scenario.line).toString()) as Record<string, unknown>;
			const again = inspected(scenario.endpoint, clamped);
			expect(again.outputCapTokens).toBe(tokens);
			const { max_tokens: _a, max_completion_tokens: _b, max_output_tokens: _c, thinking: _d, ...rest } = clamped;
			const { max_tokens: _e, max_output_tokens: _f, thinking: _g, ...before } = JSON.parse(request.body.toString()) as Record<string, unknown>;
			expect(rest).toEqual(before);
			const result = boundRequest(again, scenario.line, OPTIONS);
			expect(result.kind === "bounded" && result.bound.outputTokens).toBe(tokens);
		}),
		{ numRuns: 1_000 },
	);
});
