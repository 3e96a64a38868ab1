import type { Command } from "commander";
import { parseUsd } from "#domain/money/wire.ts";
import type { CheckPriceRequest } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { amount, CommandFailure, cell, type Terminal, table } from "../output.ts";
import { oneOf, readJsonObject, readNamedFile, time, wholeNumber } from "../values.ts";

type PriceOptions = {
	model?: string;
	provider?: string;
	tier?: string;
	usage?: string;
	file?: string;
	kind?: string;
	protocol?: string;
	effectiveFrom?: string;
	input?: string;
	cachedInput?: string;
	cacheWrite5m?: string;
	cacheWrite1h?: string;
	output?: string;
	reasoning?: string;
	contextWindow?: string;
	maxOutput?: string;
};

const MOST_TOKENS = 1_000_000_000;
const USAGE_HELP =
	"{inputTokens, cachedInputTokens, cacheWrite5mTokens, cacheWrite1hTokens, outputTokens, reasoningTokens}, each optional; input includes cache reads and writes, output includes reasoning";

export function addPriceCommands(program: Command, terminal: Terminal): void {
	const price = addGroup(program, "price", { summary: "prices: show, set, check", example: "npx tollgate price show --model gpt-4o" });
	addCommand<PriceOptions>(price, terminal, {
		usage: "show",
		summary: "prices in force, in dollars per million tokens",
		example: "npx tollgate price show --model gpt-4o",
		options: { "--model <NAME>": "of one model, exact id or alias", "--provider <NAME>": "of one provider" },
		run: async ({ system, print, options }) => {
			const list = await system().prices.list({ model: options.model, provider: options.provider });
			if (options.model !== undefined && list.lines.length === 0)
				throw new CommandFailure(1, `no price for model ${options.model}; give it one with: npx tollgate price set --help`);
			print(
				list,
				`${table(["PROVIDER", "MODEL", "TIER", "ABOVE TOKENS", "INPUT", "CACHED", "WRITE 5M", "WRITE 1H", "OUTPUT", "REASONING"], list.lines.flatMap(priceRows))}\nversion ${list.version}`,
			);
		},
	});
	addCommand<PriceOptions>(price, terminal, {
		usage: "check",
		summary: "what a usage costs, and how that is made",
		example: `npx tollgate price check --model gpt-4o --usage '{"inputTokens":1000,"outputTokens":500}'`,
		options: {
			"!--model <NAME>": "exact id or alias",
			"!--usage <JSON>": USAGE_HELP,
			"--provider <NAME>": "where several price the model",
			"--tier <TIER>": ["standard (default), batch, flex or priority", oneOf(["standard", "batch", "flex", "priority"])],
		},
		run: async ({ system, print, options }) => {
			const checked = await system().prices.check({
				model: options.model ?? "",
				provider: options.provider,
				tier: options.tier as CheckPriceRequest["tier"],
				usage: readUsage(options.usage ?? ""),
			});
			const rows = checked.lines.map((line) => [
				String(line["tokenClass"] ?? line["tool"]),
				String(line["quantity"]),
				String(line["nanoUsdPerMillion"] ?? line["nanoUsdPerCall"]),
				String(line["nanoUsd"]),
			]);
			print(
				{ costNanoUsd: checked.costNanoUsd, lines: checked.lines },
				`${table(["WHAT", "QUANTITY", "NANO-USD PER MILLION", "NANO-USD"], rows)}\n${amount(checked.costNanoUsd)} (${checked.costNanoUsd} nano-USD, rounded up once; ${checked.provider} ${checked.model}, ${checked.priceTier}, version ${checked.priceVersion})`,
			);
		},
	});
	addSet(price, terminal);
}

function addSet(price: Command, terminal: Terminal): void {
	addCommand<PriceOptions>(price, terminal, {
		usage: "set",
		summary: "set the price of one model",
		example: "npx tollgate price set --provider openai --model my-model --input 2.50 --output 10 --context-window 128000 --max-output 16384",
		options: {
			"--file <FILE>": "price line as JSON, instead of the flags below",
			"--provider <NAME>": "provider",
			"--model <NAME>": "exact model id",
			"--input <USD>": "dollars per million input tokens",
			"--cached-input <USD>": "default: input",
			"--cache-write-5m <USD>": "default: input",
			"--cache-write-1h <USD>": "default: input",
			"--output <USD>": "dollars per million output tokens",
			"--reasoning <USD>": "default: output",
			"--context-window <TOKENS>": ["bounds a call without a cap", wholeNumber(1, MOST_TOKENS)],
			"--max-output <TOKENS>": ["largest answer", wholeNumber(1, MOST_TOKENS)],
			"--kind <KIND>": ["chat (default) or embeddings", oneOf(["chat", "embeddings"])],
			"--protocol <NAME>": ["openai (default) or anthropic", oneOf(["openai", "anthropic"])],
			"--effective-from <TIME>": ["ISO 8601 with an offset; default now", time],
		},
		run: async ({ system, print, options }) => {
			const line = options.file === undefined ? lineOf(options) : readJsonObject(readNamedFile(options.file, "--file"), "--file");
			const set = await system().prices.set({ line, ...(options.effectiveFrom === undefined ? {} : { effectiveFrom: options.effectiveFrom }) });
			print(set, `Priced ${String(line["provider"])} ${String(line["model"])}.`);
		},
	});
}

/** Names of counts are the server's to judge; no count is negative. */
function readUsage(text: string): Record<string, unknown> {
	const usage = readJsonObject(text, "--usage");
	for (const [name, count] of Object.entries(usage))
		if (name !== "toolCalls" && (!Number.isSafeInteger(count) || Number(count) < 0))
			throw new CommandFailure(2, `--usage: ${name} must be a whole number of tokens, 0 or more`);
	return usage;
}

function lineOf(options: PriceOptions): Record<string, unknown> {
	const { provider, model, input, output } = options;
	if (provider === undefined || model === undefined || input === undefined || (output === undefined && options.kind !== "embeddings"))
		throw new CommandFailure(2, "name --provider, --model, --input and --output, or give --file");
	const perMillion = (text: string) => {
		const nanoUsd = parseUsd(text);
		if (nanoUsd === undefined || nanoUsd < 0n) throw new CommandFailure(2, `${JSON.stringify(text)} is no price in dollars per million tokens`);
		return nanoUsd.toString();
	};
	const out = output ?? "0";
	const prices = {
		input: perMillion(input),
		cachedInput: perMillion(options.cachedInput ?? input),
		cacheWrite5m: perMillion(options.cacheWrite5m ?? input),
		cacheWrite1h: perMillion(options.cacheWrite1h ?? input),
		output: perMillion(out),
		reasoning: perMillion(options.reasoning ?? out),
	};
	const protocol = options.protocol ?? "openai";
	const kind = options.kind ?? "chat";
	return {
		provider,
		model,
		aliases: [],
		kind,
		protocol,
		tiers: { standard: [{ aboveInputTokens: 0, prices }] },
		perCall: {},
		hiddenTokensPerRequest: 0,
		hiddenTokensPerMessage: 0,
		isReasoning: false,
		...(kind === "chat" ? { outputCapField: "max_tokens" } : {}),
		...(options.contextWindow === undefined ? {} : { contextWindowTokens: Number(options.contextWindow) }),
		...(options.maxOutput === undefined ? {} : { maxOutputTokens: Number(options.maxOutput) }),
	};
}

function priceRows(line: Readonly<Record<string, unknown>>): string[][] {
	const tiers = line["tiers"] as Record<string, { aboveInputTokens: number; prices: Record<string, string> }[]>;
	return Object.entries(tiers).flatMap(([tier, contexts]) =>
		contexts.map(({ aboveInputTokens, prices }) => {
			const usd = (name: string) => amount(prices[name] ?? "0").replace(/ USD$/, "");
			return [
				cell(line["provider"] as string),
				cell(line["model"] as string),
				tier,
				String(aboveInputTokens),
				...["input", "cachedInput", "cacheWrite5m", "cacheWrite1h", "output", "reasoning"].map(usd),
			];
		}),
	);
}
