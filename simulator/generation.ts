import { crc32 } from "node:zlib";
import type { Directive, ScriptedCall } from "./directive.ts";
import { instanceOf } from "./schema-instance.ts";
import { cutIntoPieces, jsonObjectPieces, prosePieces } from "./text.ts";

/**
 * What the model "says": decided by the prompt alone, so that a stream, a plain answer and a
 * repetition of the same prompt agree. One visible piece is one output token; what is billed and not
 * visible is `outputTokens` minus the pieces (hidden reasoning).
 */

export type ToolOffer = { readonly name: string; readonly schema: unknown };

/** `args` absent: the plainest that the schema accepts. */
type ChosenTool = ToolOffer & { readonly args?: unknown };

/** Which tool the request obliges the model to call. */
export type ToolChoice = { readonly kind: "auto" | "none" | "required" } | { readonly kind: "named"; readonly name: string };

/** A request in terms both protocols share. */
export type Ask = {
	/** All texts of the prompt in order. */
	readonly texts: readonly string[];
	/** Text of the newest user message; a tool is called when it names one. */
	readonly lastUserText: string;
	/** The newest message is a tool's result: the model then answers in words. */
	readonly endsWithToolResult: boolean;
	/** Results of tools in the prompt: where a script of calls stands. */
	readonly toolResults: number;
	readonly capTokens: number | undefined;
	readonly tools: readonly ToolOffer[];
	readonly toolChoice: ToolChoice;
	/** Structured output: any object, or one that a schema accepts. */
	readonly json: { readonly schema: unknown } | undefined;
	readonly stopSequences: readonly string[];
	/** `hidden`: billed and not shown (OpenAI); `shown`: a thinking block (Anthropic). */
	readonly reasoning: "none" | "hidden" | "shown";
};

export type OutputPart =
	| { readonly kind: "thinking"; readonly pieces: readonly string[] }
	| { readonly kind: "text"; readonly pieces: readonly string[] }
	| { readonly kind: "tool"; readonly name: string; readonly pieces: readonly string[] };

export type Generation = {
	readonly parts: readonly OutputPart[];
	readonly outputTokens: number;
	/** Part of `outputTokens`; generated first. */
	readonly reasoningTokens: number;
	readonly stopReason: "stop" | "length" | "tool" | "stop_sequence";
	readonly stopSequence: string | null;
};

/** Without a cap an answer has 1,024 to 1,535 tokens; structured answers, whose form must be complete, have 40. */
const NATURAL_TOKENS_LEAST = 1_024;
const NATURAL_TOKENS_SPREAD = 512;
const NATURAL_JSON_TOKENS = 40;
/** A quarter of the output is reasoning, in steps of 64 as the real providers report it. */
const REASONING_SHARE = 4;
const REASONING_STEP = 64;

/** One answer; `choice` varies the words, never the length. */
export function generate(ask: Ask, directive: Directive, choice = 0): Generation {
	const seed = crc32(ask.texts.join("\n"), choice);
	const tool = chosenTool(ask, directive);
	const target = targetTokens(ask, directive, crc32(ask.texts.join("\n")));
	const reasoningTokens = reasoningOf(ask, directive, target);
	const visibleTokens = target - reasoningTokens;
	if (tool !== undefined) return toolGeneration({ tool, reasoningTokens, capTokens: capOf(ask, directive), shown: ask.reasoning === "shown", seed });
	const wanted = visiblePieces({ ask, seed, visibleTokens, hasMultibyte: directive.fault === "split_utf8" });
	const pieces = wanted.slice(0, visibleTokens);
	const billsTarget = directive.outputTokens !== undefined || directive.usageAtBound === true;
	const stop = directive.usageAtBound === true ? undefined : firstStop(pieces, ask.stopSequences);
	const kept = stop === undefined ? pieces : stop.pieces;
	const isCut = stop === undefined && (wanted.length > pieces.length || isAtCap(ask, directive, target));
	// What a directive asks for is billed even where a schema's instance is shorter than it.
	const outputTokens = stop === undefined && billsTarget ? target : reasoningTokens + kept.length;
	return {
		parts: [...thinkingPart(ask, seed, reasoningTokens), { kind: "text", pieces: kept }],
		outputTokens,
		reasoningTokens,
		stopReason: stop !== undefined ? "stop_sequence" : isCut ? "length" : "stop",
		stopSequence: stop?.sequence ?? null,
	};
}

function capOf(ask: Ask, directive: Directive): number {
	return directive.ignoreCap === true ? Number.MAX_SAFE_INTEGER : (ask.capTokens ?? Number.MAX_SAFE_INTEGER);
}

function targetTokens(ask: Ask, directive: Directive, seed: number): number {
	if (directive.usageAtBound === true && ask.capTokens !== undefined) return ask.capTokens;
	const natural = ask.json === undefined ? NATURAL_TOKENS_LEAST + (seed % NATURAL_TOKENS_SPREAD) : NATURAL_JSON_TOKENS;
	return Math.min(capOf(ask, directive), directive.outputTokens ?? natural);
}

/** A structured answer ends by itself unless it was cut; prose that reaches the cap was cut by it. */
function isAtCap(ask: Ask, directive: Directive, target: number): boolean {
	if (ask.json !== undefined) return false;
	return target >= capOf(ask, directive);
}

function reasoningOf(ask: Ask, directive: Directive, target: number): number {
	if (directive.reasoningTokens !== undefined) return Math.min(target, directive.reasoningTokens);
	if (ask.reasoning === "none" || ask.json !== undefined) return 0;
	return Math.floor(target / REASONING_SHARE / REASONING_STEP) * REASONING_STEP;
}

function thinkingPart(ask: Ask, seed: number, reasoningTokens: number): OutputPart[] {
	if (ask.reasoning !== "shown" || reasoningTokens === 0) return [];
	return [{ kind: "thinking", pieces: prosePieces({ seed: seed ^ 1, count: reasoningTokens, hasMultibyte: false }) }];
}

function visiblePieces(options: { readonly ask: Ask; readonly seed: number; readonly visibleTokens: number; readonly hasMultibyte: boolean }): string[] {
	const { ask, seed, visibleTokens, hasMultibyte } = options;
	if (ask.json === undefined) return prosePieces({ seed, count: visibleTokens, hasMultibyte });
	if (ask.json.schema !== undefined) return cutIntoPieces(JSON.stringify(instanceOf(ask.json.schema)));
	return jsonObjectPieces(seed, visibleTokens);
}

function chosenTool(ask: Ask, directive: Directive): ChosenTool | undefined {
	const { tools, toolChoice } = ask;
	if (directive.toolCall === false || directive.usageAtBound === true || tools.length === 0) return undefined;
	if (directive.toolCalls !== undefined) return scriptedCall(ask, directive.toolCalls);
	if (directive.toolCall === true) return tools[0];
	if (directive.toolCall !== undefined) return tools.find((tool) => tool.name === directive.toolCall);
	if (toolChoice.kind === "none") return undefined;
	if (toolChoice.kind === "named") return tools.find((tool) => tool.name === toolChoice.name);
	if (toolChoice.kind === "required") return tools[0];
	if (ask.endsWithToolResult) return undefined;
	return tools.find((tool) => tool.name !== "" && ask.lastUserText.includes(tool.name));
}

/** None once the script is over, or for a tool that is not offered. */
function scriptedCall({ tools, toolResults }: Ask, script: readonly ScriptedCall[]): ChosenTool | undefined {
	let callsSoFar = 0;
	for (const { name, arguments: args, times = 1 } of script) {
		callsSoFar += times;
		if (toolResults >= callsSoFar) continue;
		const offer = tools.find((tool) => tool.name === name);
		return offer && { ...offer, ...(args !== undefined && { args }) };
	}
	return undefined;
}

function toolGeneration(options: {
	readonly tool: ChosenTool;
	readonly reasoningTokens: number;
	readonly capTokens: number;
	readonly shown: boolean;
	readonly seed: number;
}): Generation {
	const { tool, capTokens, shown, seed } = options;
	const wanted = cutIntoPieces(JSON.stringify(tool.args ?? instanceOf(tool.schema)));
	const reasoningTokens = Math.max(0, Math.min(options.reasoningTokens, capTokens - wanted.length));
	const pieces = wanted.slice(0, Math.max(1, capTokens - reasoningTokens));
	const thinking: OutputPart[] =
		shown && reasoningTokens > 0 ? [{ kind: "thinking", pieces: prosePieces({ seed: seed ^ 1, count: reasoningTokens, hasMultibyte: false }) }] : [];
	return {
		parts: [...thinking, { kind: "tool", name: tool.name, pieces }],
		outputTokens: reasoningTokens + pieces.length,
		reasoningTokens,
		stopReason: pieces.length < wanted.length ? "length" : "tool",
		stopSequence: null,
	};
}

/** The pieces before the first stop sequence, undefined where none occurs. */
function firstStop(pieces: readonly string[], sequences: readonly string[]): { readonly pieces: string[]; readonly sequence: string } | undefined {
	if (sequences.length === 0) return undefined;
	const text = pieces.join("");
	const found = sequences
		.map((sequence) => ({ sequence, at: sequence === "" ? -1 : text.indexOf(sequence) }))
		.filter(({ at }) => at >= 0)
		.sort((left, right) => left.at - right.at)[0];
	if (found === undefined) return undefined;
	const kept: string[] = [];
	let length = 0;
	for (const piece of pieces) {
		if (length >= found.at) break;
		kept.push(piece.slice(0, found.at - length));
		length += piece.length;
	}
	return { pieces: kept, sequence: found.sequence };
}
