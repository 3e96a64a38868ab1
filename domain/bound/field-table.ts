import type { PriceTier, Protocol } from "../pricing/price-book.ts";
import type { Endpoint } from "./request.ts";

/**
 * What each request field of an endpoint may do to the cost, as data. The tables live in
 * `config/request-fields/` and are passed in; `docs/bounds.md` is generated from them and a test
 * holds them against the request types of both SDKs.
 */

export type JsonType = "string" | "number" | "boolean" | "object" | "array" | "null";

export type FieldRuleName =
	/** Cannot raise the cost beyond what its own bytes cost. */
	| "neutral"
	| "model"
	| "stream"
	/** `stream_options`: `include_usage` is read, the rest is neutral. */
	| "stream-options"
	/** Conversation or text whose parts are bounded one by one. */
	| "content"
	| "tools"
	/** Output cap: a positive integer. */
	| "cap"
	/** Multiplies the output (`n`). */
	| "multiplies"
	/** Text that may be billed as output on top of the answer (`prediction`). */
	| "adds"
	/** Selects the price tier (`service_tier`). */
	| "tier"
	/** `thinking.budget_tokens`, kept below the cap. */
	| "thinking"
	/** Cap on hosted tool calls (`max_tool_calls`). */
	| "hosted-calls"
	/** Points at content the bytes do not show: input is bounded by the context window. */
	| "reference"
	/** What the caller claims about himself; kept, never trusted. */
	| "claimed"
	/** Cannot be bounded: 422 unless the value is one of `allow`. */
	| "unbounded"
	/** A header of the SDK; in a body it is an unknown field. */
	| "header";

export type JsonScalar = string | number | boolean | null;

/** Whose it is: `answer` an earlier answer of the team, `item` an item of one, `stored` content of the provider account all teams share. */
export type ReferenceOwner = "answer" | "item" | "stored";

export type FieldRule = {
	readonly rule: FieldRuleName;
	/** Accepted JSON types; anything else is 400. */
	readonly types?: readonly JsonType[];
	/** For `unbounded`: values that are harmless. */
	readonly allow?: readonly JsonScalar[];
	/** For `unbounded`: a list without an item is harmless. */
	readonly allowsEmptyList?: boolean;
	/** For `unbounded`: an object is harmless whose only key is this list, all of it items of these types. */
	readonly allowListOf?: { readonly key: string; readonly types: readonly string[] };
	/** Harmless values of keys below this field, for example `reasoning.mode`; anything else is 422. */
	readonly allowNested?: Readonly<Record<string, readonly JsonScalar[]>>;
	/** Keys below this field that name an earlier answer or stored content without adding any input; whose it must be. */
	readonly nestedReferences?: Readonly<Record<string, ReferenceOwner>>;
	/** For `tier`: the price tiers an asked tier may be billed at; a value not named is 422. "project" stands for the project's default. */
	readonly tiers?: Readonly<Record<string, readonly (PriceTier | "project")[]>>;
	/** For `reference`: whose it must be; absent where that is no question. */
	readonly owner?: ReferenceOwner;
	readonly raisesCost: boolean;
	readonly note: string;
};

export type PartRule = {
	readonly rule: "text" | "image" | "audio" | "document" | "reference" | "tools" | "unbounded";
	/** Keys that hold further content parts. */
	readonly nested?: readonly string[];
	/** For `reference`: whose it must be; absent where that is no question. */
	readonly owner?: ReferenceOwner;
	/** For `reference`: it cannot bring images, which some models bill as more tokens than they take up in the window. */
	readonly isTextOnly?: boolean;
	readonly note: string;
};

export type ToolRule = {
	/**
	 * `client`: run by the caller, bounded by its bytes plus `hiddenTokens`; `reference`: as client,
	 * but what the provider adds is unknown, so the context window bounds it; `hosted`: run by the
	 * provider, bounded where its calls are capped and its fee is in the price book.
	 */
	readonly rule: "client" | "reference" | "hosted" | "group" | "unbounded";
	readonly hiddenTokens?: number;
	/** For `hosted`: the cap on calls, a key of the tool (`max_uses`) or of the body (`max_tool_calls`). */
	readonly callsField?: "max_uses" | "max_tool_calls";
	/** For `hosted`: name of the fee in the price line; null where the provider charges none. */
	readonly feeName?: string | null;
	/** The tool reads content stored in the provider account. */
	readonly owner?: "stored";
	readonly note: string;
};

export type BetaRule = {
	readonly rule: "neutral" | "unbounded";
	/** Context window this beta unlocks, which then bounds references. */
	readonly windowTokens?: number;
	readonly note: string;
};

export type FieldTable = {
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	/** Tokens the provider adds once when any tool is given. */
	readonly hiddenTokensWithTools: number;
	readonly fields: Readonly<Record<string, FieldRule>>;
	/** By `type` of a content part. */
	readonly parts: Readonly<Record<string, PartRule>>;
	/** By `type` of an input item (responses only). */
	readonly items: Readonly<Record<string, PartRule>>;
	/** By `type` of a tool; `default` is the type of a tool that names none. */
	readonly tools: Readonly<Record<string, ToolRule>>;
	/** By value of the `anthropic-beta` header. */
	readonly betas: Readonly<Record<string, BetaRule>>;
};

/** Own-property lookup: "constructor" is a key of no table. */
export function lookUp<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
	return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Folds case as the most lenient JSON decoders do (Go's also folds U+017F to s and U+212A to k). */
export function foldKey(key: string): string {
	return key.toUpperCase().toLowerCase();
}
