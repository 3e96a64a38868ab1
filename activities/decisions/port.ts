import type { Endpoint } from "#domain/bound/request.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/**
 * Contract between the request layer and whoever else has a say in a call. A decider is asked before any money is touched, once
 * for each deployment that is tried, which is one unless no connection could be made; what it does not allow is not sent.
 */

/**
 * What a decider is told: attributed facts and proven bounds, never a prompt and never a secret. The names are the wire names
 * of the engines' input (docs/decisions.md): added to, never renamed.
 */
export type CallFacts = {
	readonly team: string;
	/** Attributed by the key, or asserted by a key that may; null = none. */
	readonly feature: string | null;
	readonly user: string | null;
	readonly environment: string | null;
	readonly keyId: string;
	readonly endpoint: Endpoint;
	readonly protocol: Protocol;
	/** Model alias the caller asked for. */
	readonly modelAsked: string;
	readonly provider: string;
	/** Model of the deployment that would serve the call. */
	readonly model: string;
	/** The most the call can cost: nano-USD, and tokens of input and all answers; decimal strings. */
	readonly boundNanoUsd: string;
	readonly boundTokens: string;
	readonly isStream: boolean;
	readonly hasTools: boolean;
	/** What the caller says about himself, by field of the body: true or not. Nothing for a batch: its requests may differ in it. */
	readonly claimed: Readonly<Record<string, string>>;
	/** A batch is decided about as one: how many requests it has, and then the bounds are those of all together. Absent for a call. */
	readonly batchItems?: number;
};

export type Decision =
	| { readonly kind: "allowed" }
	/** `reasons` are for the caller: storable text, at most 8 of at most 200 UTF-16 units; may be empty. */
	| { readonly kind: "denied"; readonly reasons: readonly string[] }
	/** No answer, or none that can be read: the call is refused. `problem` is for operators, never for callers. */
	| { readonly kind: "undecided"; readonly problem: string };

export type Decider = {
	/** False: it allows every call, so that nothing is put together for it. */
	readonly isAsked: boolean;
	/** Never rejects: what fails is `undecided`. `requestId` is for who is told, and no fact: it decides nothing. */
	decide(facts: CallFacts, requestId?: string): Decision | Promise<Decision>;
	/** Open questions end undecided. */
	close(): Promise<void>;
};

/** What became of the calls a decider was asked about. */
export type DecisionCounters = {
	allowed: number;
	denied: number;
	undecided: number;
	/** Of those, the ones that the engine was not asked for again. */
	remembered: number;
};

export function emptyDecisionCounters(): DecisionCounters {
	return { allowed: 0, denied: 0, undecided: 0, remembered: 0 };
}
