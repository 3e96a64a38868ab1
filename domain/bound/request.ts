import type { ErrorCode } from "../errors/codes.ts";
import type { NanoUsd } from "../money/nano-usd.ts";
import type { PriceTier, Protocol } from "../pricing/price-book.ts";

/** Contract between the request inspection (domain/bound), the request layer and the gateway. */

export type Endpoint = "chat.completions" | "responses" | "embeddings" | "messages" | "count_tokens";

/** A request we will not send, as data. `field` is the JSON path the caller should look at. */
export type RequestProblem = { readonly code: ErrorCode; readonly message: string; readonly field?: string };

/** What the body says, read once from the received bytes; the bytes themselves are forwarded. */
export type InspectedRequest = {
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	readonly body: Buffer;
	/** Model alias as asked for. */
	readonly model: string;
	readonly isStream: boolean;
	/** OpenAI chat: the caller asked for stream_options.include_usage himself. */
	readonly asksStreamUsage: boolean;
	/** Caller's own cap on output tokens (any cap field), undefined where he gave none. */
	readonly outputCapTokens: number | undefined;
	/** Name of the cap field present in the body, if any. */
	readonly outputCapField: string | undefined;
	/** Answers asked for (`n`), at least 1. */
	readonly choices: number;
	/** What the caller claims; kept beside attribution, never instead of it. */
	readonly claimed: Readonly<Record<string, string>>;
	/** Price-independent quantities the bound needs; opaque outside domain/bound. */
	readonly facts: unknown;
};

export type Inspection =
	/** `parsed`: the body itself, for whoever reads more of it at once; it is not kept, since the bytes are. */
	| { readonly kind: "inspected"; readonly request: InspectedRequest; readonly parsed: Readonly<Record<string, unknown>> }
	| { readonly kind: "rejected"; readonly problem: RequestProblem };

/**
 * The most a call can cost, as a function of its output cap. Money is monotone in `outputTokens`.
 * `outputTokens` counts one answer; `choices` is already multiplied inside.
 */
export type Bound = {
	readonly inputTokens: number;
	/** Output cap that holds if the body is sent untouched: the caller's own, else the model's maximum. */
	readonly outputTokens: number;
	/** Reservation if the body is sent untouched. */
	readonly nanoUsd: NanoUsd;
	/** Tokens reserved if the body is sent untouched (input + output × choices). */
	readonly tokens: number;
	/** What the reservation covers beside its amounts: the price tiers the call can be billed at, and the geography's multiplier. */
	readonly reach: PriceReach;
	/** Lowest output cap a clamp may set; undefined where no clamp is possible (caller's own cap, no cap field, embeddings). */
	readonly clampFloorTokens: number | undefined;
	/** Money and tokens reserved at a given output cap (≤ outputTokens); output tokens among them are `tokens` less `inputTokens`. */
	at(outputTokens: number): { readonly nanoUsd: NanoUsd; readonly tokens: number };
	/** Highest output cap whose reservation is ≤ what is given; undefined when even the floor does not fit. */
	clampTo(available: ClampRoom): number | undefined;
};

/** Money, tokens, and output tokens among them that a clamped call may take; undefined or absent = no such limit. */
export type ClampRoom = { readonly nanoUsd: NanoUsd | undefined; readonly tokens: number | undefined; readonly outputTokens?: number | undefined };

/** `tokenPermille`: what the dearest geography reserved for does to token prices, in thousandths. */
export type PriceReach = { readonly tiers: readonly PriceTier[]; readonly tokenPermille: number };

export type BoundResult = { readonly kind: "bounded"; readonly bound: Bound } | { readonly kind: "unbounded"; readonly problem: RequestProblem };
