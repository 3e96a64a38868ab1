import type { PriceFile } from "#activities/pricebooks/port.ts";
import { parsePriceFile } from "#activities/pricebooks/price-file.ts";
import type { ConversationEndpoint } from "./conversation.ts";
import type { CorpusEvent, CorpusRun } from "./corpus-run.ts";

/**
 * A corpus says what each step cost and how many tokens it took; a gateway books what usage and prices make of it. So each run is served by
 * a model whose output token costs about what the dearest of its steps paid for one, and whose input token costs almost nothing: the tokens
 * of a step are then shared out so that both come out as written, the cost to within half an output token.
 */
const INPUT_NANO_USD = 1;
const OUTPUT_NANO_USD_MAX = 1_000_000_000;
const LARGEST_COUNT = 1_000_000_000;

export type CorpusModel = { readonly name: string; readonly outputNanoUsd: number };

/** Three digits, rounded up: so that a few hundred models serve any corpus. */
export function modelFor(run: CorpusRun, endpoint: ConversationEndpoint): CorpusModel {
	const dearest = Math.max(2, ...run.events.map(({ costNanoUsd, tokens }) => Math.ceil(Number(costNanoUsd) / Math.max(1, tokens))));
	const step = 10 ** Math.max(0, Math.floor(Math.log10(dearest)) - 2);
	const outputNanoUsd = Math.min(OUTPUT_NANO_USD_MAX, Math.ceil(dearest / step) * step);
	return { name: `corpus-${endpoint === "messages" ? "anthropic" : "openai"}-${outputNanoUsd}`, outputNanoUsd };
}

/** Usage of the step that an event is: as many tokens as it says, at the cost it says. At least one of each, as models have. */
export function usageOf(
	{ costNanoUsd, tokens }: Pick<CorpusEvent, "costNanoUsd" | "tokens">,
	{ outputNanoUsd }: CorpusModel,
): { inputTokens: number; outputTokens: number } {
	const wanted = Math.round((Number(costNanoUsd) - tokens * INPUT_NANO_USD) / (outputNanoUsd - INPUT_NANO_USD));
	const outputTokens = Math.max(1, Math.min(tokens - 1, wanted));
	return { inputTokens: Math.max(1, tokens - outputTokens), outputTokens };
}

export function corpusPrices(models: readonly CorpusModel[]): PriceFile {
	const byName = new Map(models.map((model) => [model.name, model]));
	const lines = [...byName.values()].map(({ name, outputNanoUsd }) => ({ line: priceLine(name, outputNanoUsd) }));
	return parsePriceFile(JSON.stringify({ source: "a corpus of agent runs", lines }), "corpus prices");
}

function priceLine(model: string, outputNanoUsd: number): Readonly<Record<string, unknown>> {
	const provider = model.startsWith("corpus-anthropic") ? "anthropic" : "openai";
	const [input, output] = [perMillion(INPUT_NANO_USD), perMillion(outputNanoUsd)];
	const prices = { input, cachedInput: input, cacheWrite5m: input, cacheWrite1h: input, output, reasoning: output };
	return {
		provider,
		model,
		aliases: [],
		kind: "chat",
		protocol: provider,
		tiers: { standard: [{ aboveInputTokens: 0, prices }] },
		perCall: {},
		contextWindowTokens: LARGEST_COUNT,
		maxOutputTokens: LARGEST_COUNT,
		imageWindowPermille: 1000,
		hiddenTokensPerRequest: 64,
		hiddenTokensPerMessage: 8,
		outputCapField: provider === "anthropic" ? "max_tokens" : "max_completion_tokens",
		isReasoning: false,
	};
}

function perMillion(nanoUsd: number): string {
	return (BigInt(nanoUsd) * 1_000_000n).toString();
}
