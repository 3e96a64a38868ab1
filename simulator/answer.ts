import type { Directive } from "./directive.ts";
import type { PromptCache } from "./prompt-cache.ts";
import { errorBody, type Protocol, ProviderError } from "./provider-error.ts";

/** Contract between the protocol modules, which know what an answer looks like, and the delivery, which knows when its bytes leave. */

/** The usage object in the provider's shape. */
export type WireUsage = Readonly<Record<string, unknown>>;

/**
 * A piece of a stream. `outputTokens`: how many tokens must have been generated before it can leave.
 * `usage` carries the usage report, `end` marks the end of the stream.
 */
export type Frame = { readonly kind: "content" | "usage" | "end"; readonly text: string; readonly outputTokens: number };

export type Answer = {
	readonly protocol: Protocol;
	/** As answered and as billed. */
	readonly model: string;
	readonly serviceTier: string | null;
	/** All answers together. */
	readonly outputTokens: number;
	/** Answers generated side by side; each runs at the full token speed. */
	readonly choices: number;
	/** True usage after this many output tokens. */
	usageAfter(outputTokens: number): WireUsage;
	/** Whole body of a plain answer; undefined usage leaves the report out. */
	body(reported: WireUsage | undefined): unknown;
	/** Stream of the answer; undefined when the caller did not ask for a stream. */
	readonly frames: ((reported: WireUsage | undefined) => Iterable<Frame>) | undefined;
	/** An error after the stream began, as the protocol frames it. */
	errorFrame(): string;
};

export type AnswerContext = {
	readonly directive: Directive;
	readonly cache: PromptCache;
	/** Unique end of every id of this call. */
	readonly idSuffix: string;
	readonly createdAtMs: number;
};

/** What the fault `wrong_model` answers where `answeredModel` names none: no price book holds it. */
export const WRONG_MODEL = "simulated-unknown-model";

export function answeredModel(directive: Directive, asked: string): string {
	return directive.answeredModel ?? (directive.fault === "wrong_model" ? WRONG_MODEL : asked);
}

/** An error in the middle of a stream; the status line has long said 200. */
export function errorFrameText(protocol: Protocol, idSuffix: string): string {
	const error = new ProviderError(protocol === "openai" ? 500 : 529, "[simulated] the model failed while answering");
	const data = JSON.stringify(errorBody(protocol, error, `req_${idSuffix}`));
	return protocol === "openai" ? `data: ${data}\n\n` : `event: error\ndata: ${data}\n\n`;
}
