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
	if (facts.references.length === 0 && facts.hostedTools.length === 0) return { kind: "bounded", tokens: tokensOfPass(question, text, media), feesNanoUsd: 0n };
	return boundByWindow(question, text, { ...media, fillsWindow: true });
}

/** One pass of the model over its input: text, what only the window bounds, and the media that are counted one by one. */
function tokensOfPass(question: InputQuestion, text: number, media: BoundedMedia): number {
	const { facts, line } = question;
	const window = windowOf(facts, line);
	if (window === undefined) return text + media.imageTokens + media.audioTokens;
	if (!media.fillsWindow) return (rejectsBeyondWindow(question) ? Math.min(text, window) : text) + media.imageTokens + media.audioTokens;
	return tokensOfWindow(question, window, media) + (rejectsBeyondWindow(question) ? 0 : text) + media.audioTokens;
}

/**
 * A full window: text takes one token of it a token, an image may be billed as more than it takes up. Where the line
 * says how many a window of images is billed as, that holds them all; else the visible ones count beside the window.
 */
function tokensOfWindow(question: InputQuestion, window: number, media: BoundedMedia): number {
	const { imageWindowPermille } = question.line;
	const beside = window + media.imageTokens;
	if (imageWindowPermille === undefined) return beside;
	const ofImages = Math.ceil((window * imageWindowPermille) / 1_000);
	if (media.hasUncountedImages) return rejectsBeyondWindow(question) ? ofImages : ofImages + media.imageTokens;
	return rejectsBeyondWindow(question) ? Math.min(beside, ofImages) : beside;
}

/**
 * A longer conversation is answered with an error and not billed, so the window bounds it. Not so a list of
 * embeddings inputs, each of which has a window of its own, nor what an unknown field may unlock.
 */
function rejectsBeyondWindow({ endpoint, facts }: InputQuestion): boolean {
	return endpoint !== "embeddings" && !facts.isDearest;
}

/** What the bytes do not show: one context window per pass, a pass more for every hosted call. */
function boundByWindow(question: InputQuestion, text: number, media: BoundedMedia): BoundedInput | Unbounded {
	const { facts, line } = question;
	const field = facts.references[0]?.field ?? facts.hostedTools[0]?.field ?? "input";
	if (windowOf(facts, line) === undefined)
		return {
			kind: "unbounded",
			problem: unbounded(field, `what this adds is not in the body, and the price book does not know the context window of ${line.model}`),
		};
	const fees = hostedFees(facts, line);
	if (typeof fees !== "bigint") return { kind: "unbounded", problem: fees };
	const tokens = tokensOfPass(question, text, media) * (1 + hostedCalls(facts));
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

type BoundedMedia = {
	/** Images and audio that are counted one by one, on top of the text. */
	readonly imageTokens: number;
	readonly audioTokens: number;
	/** Something here is bounded by nothing but the window, text included. */
	readonly fillsWindow: boolean;
	/** Images that the window holds and nobody counts: pages, earlier turns, images without a maximum. */
	readonly hasUncountedImages: boolean;
};

/**
 * Images, pages and audio, however small their bytes are. Images are counted beside the window where their
 * maximum is known: some models bill an image as more tokens than it takes up there.
 */
function boundMedia(question: InputQuestion): BoundedMedia | RequestProblem {
	const { facts, line } = question;
	const window = windowOf(facts, line);
	if (facts.documents > 0 && window === undefined) return unknownPages(facts, line);
	const hasUnknownImages = facts.images > 0 && line.maxTokensPerImage === undefined;
	if (hasUnknownImages && (window === undefined || !rejectsBeyondWindow(question))) return unknownMaximum(facts.firstImageField, "image", line);
	const hasAudio = facts.audioBytes > 0 || facts.firstAudioField !== undefined;
	if (hasAudio && line.maxTokensPerAudioSecond === undefined) return unknownMaximum(facts.firstAudioField, "audio second", line);
	const audioSeconds = hasAudio ? Math.ceil(facts.audioBytes / AUDIO_BYTES_PER_SECOND_MIN) + 1 : 0;
	return {
		imageTokens: facts.images * (line.maxTokensPerImage ?? 0),
		audioTokens: audioSeconds * (line.maxTokensPerAudioSecond ?? 0),
		fillsWindow: facts.documents > 0 || hasUnknownImages,
		hasUncountedImages: facts.documents > 0 || hasUnknownImages || facts.hasUnseenImages,
	};
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
