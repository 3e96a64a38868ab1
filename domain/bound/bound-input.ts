import type { NanoUsd } from "../money/nano-usd.ts";
import type { PriceLine } from "../pricing/price-book.ts";
import type { Endpoint, RequestProblem } from "./request.ts";
import { type RequestFacts, unbounded } from "./request-facts.ts";

export type BoundedInput = { readonly kind: "bounded"; readonly tokens: number; readonly feesNanoUsd: NanoUsd };

export type InputQuestion = {
	readonly endpoint: Endpoint;
	readonly facts: RequestFacts;
	readonly line: PriceLine;
	/** Tokens by which exactly counted text is below its bytes; 0 where bytes are the bound. */
	readonly textTokensSaved: number;
};

type Unbounded = { readonly kind: "unbounded"; readonly problem: RequestProblem };

/** Slowest MP3 bit rate, 8 kbit/s: no second of audio is shorter than this (ISO/IEC 13818-3, layer III). */
const AUDIO_BYTES_PER_SECOND_MIN = 1_000;

/** Input tokens and fees of a request on a line; or the first field that has no bound there. */
export function boundInput(question: InputQuestion): BoundedInput | Unbounded {
	const { facts, line } = question;
	const media = boundMedia(question);
	if ("code" in media) return { kind: "unbounded", problem: media };
	const hidden = line.hiddenTokensPerRequest + line.hiddenTokensPerMessage * facts.messages + facts.hiddenToolTokens;
	const text = Math.max(0, facts.textBytes - question.textTokensSaved) + hidden;
	const visible = textInWindow(question, text, media.fillsWindow) + media.tokens;
	if (facts.references.length === 0 && facts.hostedTools.length === 0) return { kind: "bounded", tokens: visible, feesNanoUsd: 0n };
	return boundByWindow(facts, line, visible);
}

/** Text, and whatever only the window bounds. */
function textInWindow(question: InputQuestion, textTokens: number, fillsWindow: boolean): number {
	const window = windowOf(question.facts, question.line);
	if (window === undefined) return textTokens;
	if (rejectsBeyondWindow(question)) return fillsWindow ? window : Math.min(textTokens, window);
	return fillsWindow ? textTokens + window : textTokens;
}

/**
 * A longer conversation is answered with an error and not billed, so the window bounds it. Not so a list of
 * embeddings inputs, each of which has a window of its own, nor what an unknown field may unlock.
 */
function rejectsBeyondWindow({ endpoint, facts }: InputQuestion): boolean {
	return endpoint !== "embeddings" && !facts.isDearest;
}

/** What the bytes do not show: one context window per pass, a pass more for every hosted call. */
function boundByWindow(facts: RequestFacts, line: PriceLine, visible: number): BoundedInput | Unbounded {
	const window = windowOf(facts, line);
	const field = facts.references[0]?.field ?? facts.hostedTools[0]?.field ?? "input";
	if (window === undefined)
		return {
			kind: "unbounded",
			problem: unbounded(field, `what this adds is not in the body, and the price book does not know the context window of ${line.model}`),
		};
	const fees = hostedFees(facts, line);
	if (typeof fees !== "bigint") return { kind: "unbounded", problem: fees };
	const tokens = Math.max(window, visible) * (1 + hostedCalls(facts));
	if (!Number.isSafeInteger(tokens)) return { kind: "unbounded", problem: unbounded(field, "so many hosted calls have no useful bound") };
	return { kind: "bounded", tokens, feesNanoUsd: fees };
}

function windowOf(facts: RequestFacts, line: PriceLine): number | undefined {
	if (line.contextWindowTokens === undefined) return undefined;
	return Math.max(line.contextWindowTokens, facts.unlockedWindowTokens);
}

function hostedCalls(facts: RequestFacts): number {
	if (facts.areHostedCallsShared) return facts.hostedTools[0]?.calls ?? 0;
	return facts.hostedTools.reduce((sum, tool) => sum + tool.calls, 0);
}

/** Fees of all allowed hosted calls: under a shared cap every call may be the dearest tool's. */
function hostedFees(facts: RequestFacts, line: PriceLine): NanoUsd | RequestProblem {
	let sum = 0n;
	let dearest = 0n;
	for (const tool of facts.hostedTools) {
		const fee = tool.feeName === null ? 0n : Object.hasOwn(line.perCall, tool.feeName) ? line.perCall[tool.feeName] : undefined;
		if (fee === undefined) return unbounded(tool.field, `the price book has no fee for ${tool.feeName} on ${line.model}`);
		const cost = fee * BigInt(tool.calls);
		sum += cost;
		if (cost > dearest) dearest = cost;
	}
	return facts.areHostedCallsShared ? dearest : sum;
}

/** `tokens` counts on top of the text; `fillsWindow`: something here is bounded by nothing but the window, text included. */
type BoundedMedia = { readonly tokens: number; readonly fillsWindow: boolean };

/**
 * Images, pages and audio, however small their bytes are. Images are counted beside the window where their
 * maximum is known: some models bill an image as more tokens than it takes up there.
 */
function boundMedia(question: InputQuestion): BoundedMedia | RequestProblem {
	const { facts, line } = question;
	const window = windowOf(facts, line);
	let tokens = 0;
	let fillsWindow = false;
	if (facts.documents > 0) {
		if (window === undefined) return unknownPages(facts, line);
		fillsWindow = true;
	}
	if (facts.images > 0) {
		if (line.maxTokensPerImage !== undefined) tokens += facts.images * line.maxTokensPerImage;
		else if (window === undefined || !rejectsBeyondWindow(question)) return unknownMaximum(facts.firstImageField, "image", line);
		else fillsWindow = true;
	}
	if (facts.audioBytes > 0 || facts.firstAudioField !== undefined) {
		if (line.maxTokensPerAudioSecond === undefined) return unknownMaximum(facts.firstAudioField, "audio second", line);
		tokens += (Math.ceil(facts.audioBytes / AUDIO_BYTES_PER_SECOND_MIN) + 1) * line.maxTokensPerAudioSecond;
	}
	return { tokens, fillsWindow };
}

/** Pages of an inline document are not told by its bytes (objects are compressed): the context window holds them all. */
function unknownPages(facts: RequestFacts, line: PriceLine): RequestProblem {
	return unbounded(
		facts.firstDocumentField ?? "messages",
		`the price book does not know the context window of ${line.model}, and the bytes do not tell a document's pages`,
	);
}

function unknownMaximum(field: string | undefined, unit: string, line: PriceLine): RequestProblem {
	return unbounded(field ?? "messages", `the price book does not know the most tokens one ${unit} takes on ${line.model}`);
}
