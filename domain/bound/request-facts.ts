import { assert } from "../assert.ts";
import type { PriceTier } from "../pricing/price-book.ts";
import type { InspectedRequest, RequestProblem } from "./request.ts";
import type { Member } from "./scan-json.ts";

/**
 * Something the body points at and the bytes do not show. `kind` says who may point at it: `answer`
 * is an earlier answer and `item` an item of one, owned by the team that received it; `stored` is kept in the provider account
 * that all teams share (files, conversations, vector stores); `open` needs no owner: sealed into the
 * body, or reachable by anybody (a URL).
 */
export type Reference = { readonly field: string; readonly id: string | undefined; readonly kind: "answer" | "item" | "stored" | "open" };

export type HostedTool = {
	readonly field: string;
	/** Fee in the price line; null where the provider charges none. */
	readonly feeName: string | null;
	readonly calls: number;
};

/** Price-independent quantities of one request, filled during inspection and read by `boundRequest`. */
export type RequestFacts = {
	readonly kind: "request-facts";
	members: readonly Member[];
	/** Upper bound of text tokens: body bytes without inline media. */
	textBytes: number;
	messages: number;
	/** Tools of any kind were given. */
	hasTools: boolean;
	/** JSON is asked for, with a schema or without. */
	hasSchema: boolean;
	hiddenToolTokens: number;
	images: number;
	firstImageField: string | undefined;
	/** Named by id or URL and bounded otherwise, listed for the check of whose it is: images, answers compared with. */
	named: Reference[];
	/** Inline documents whose pages the bytes do not show. */
	documents: number;
	firstDocumentField: string | undefined;
	audioBytes: number;
	firstAudioField: string | undefined;
	references: Reference[];
	/** What a reference or a hosted call brings may hold images. */
	hasUnseenImages: boolean;
	hostedTools: HostedTool[];
	/** One cap over all hosted calls (`max_tool_calls`) instead of one per tool. */
	areHostedCallsShared: boolean;
	predictionBytes: number;
	cacheWrites: "none" | "short" | "long";
	/** Price tiers that what was asked for may be billed at, with the field that asked; empty = the project's default. */
	askedTiers: { readonly field: string; readonly tier: PriceTier | "project" }[];
	thinkingBudgetTokens: number | undefined;
	/** Context window a beta header unlocks. */
	unlockedWindowTokens: number;
	/** Policy let an unknown field pass: every price of the line is reachable. */
	isDearest: boolean;
};

export function emptyFacts(): RequestFacts {
	return {
		kind: "request-facts",
		members: [],
		textBytes: 0,
		messages: 0,
		hasTools: false,
		hasSchema: false,
		hiddenToolTokens: 0,
		images: 0,
		firstImageField: undefined,
		named: [],
		documents: 0,
		firstDocumentField: undefined,
		audioBytes: 0,
		firstAudioField: undefined,
		references: [],
		hasUnseenImages: false,
		hostedTools: [],
		areHostedCallsShared: false,
		predictionBytes: 0,
		cacheWrites: "none",
		askedTiers: [],
		thinkingBudgetTokens: undefined,
		unlockedWindowTokens: 0,
		isDearest: false,
	};
}

/** The facts of an inspected request. Throws InvariantViolation when the request did not come from `inspectRequest`. */
export function factsOf(request: InspectedRequest): RequestFacts {
	assert(isRequestFacts(request.facts), "the request was not inspected");
	return request.facts;
}

function isRequestFacts(facts: unknown): facts is RequestFacts {
	return typeof facts === "object" && facts !== null && "kind" in facts && facts.kind === "request-facts";
}

/** Notes something the window bounds, and whether it may hold images. */
export function addReference(facts: RequestFacts, reference: Reference, { isTextOnly = false }: { readonly isTextOnly?: boolean } = {}): void {
	facts.references.push(reference);
	if (!isTextOnly) facts.hasUnseenImages = true;
}

/** What in the body belongs to somebody: earlier answers and stored content. Empty for most requests. */
export function ownedReferencesOf(request: InspectedRequest): readonly Reference[] {
	const facts = factsOf(request);
	if (facts.references.length === 0 && facts.named.length === 0) return NOTHING_OWNED;
	return [...facts.references, ...facts.named].filter(({ kind }) => kind !== "open");
}

const NOTHING_OWNED: readonly Reference[] = [];

export function invalid(field: string, message: string): RequestProblem {
	return { code: "request.invalid", message: `${field}: ${message}`, field };
}

export function unknownField(field: string, message: string): RequestProblem {
	return { code: "request.unknown_field", message: `${field}: ${message}`, field };
}

export function unknownTier(field: string, message: string): RequestProblem {
	return { code: "pricing.unknown_tier", message: `${field}: ${message}`, field };
}

export function unbounded(field: string, message: string): RequestProblem {
	return { code: "request.unbounded", message: `${field}: ${message}`, field };
}
