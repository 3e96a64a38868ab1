import type { AliasTarget } from "#config/providers.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { PriceBook, PriceLine, PriceTier, Protocol } from "#domain/pricing/price-book.ts";
import type { Redaction } from "./redaction.ts";

/** Contract between the request layer and the wire of a provider. */

/** One place where a model alias is served. Holds no secret. */
export type Deployment = {
	/** `<provider>/<model>`; unique in a table. */
	readonly name: string;
	readonly provider: string;
	readonly protocol: Protocol;
	/** Scheme, host and port; provider keys are bound to it. */
	readonly origin: string;
	/** Model id sent upstream. */
	readonly model: string;
	readonly pricedAs: { readonly provider: string; readonly model: string };
	/** Path and query per endpoint; an endpoint that is absent is not served by this deployment. */
	readonly paths: Readonly<Partial<Record<Endpoint, string>>>;
	readonly billedStatuses: readonly number[];
	readonly hasStreamUsage: boolean;
	/** Its models tokenize text with the encoding of their price line. */
	readonly hasKnownEncoding: boolean;
	/** Price tiers the provider account may bill a request that names none. */
	readonly defaultTiers: readonly PriceTier[];
	/** What the geography the account serves from by default does to token prices, in thousandths. */
	readonly tokenPermille: number;
	/** Output cap fields the deployment obeys; undefined = those the price line names. */
	readonly enforcedCapFields: readonly string[] | undefined;
};

export type ServedModel = { readonly alias: string; readonly protocol: Protocol; readonly provider: string };

/** Alias → deployments, in the order they are tried. */
export type DeploymentCatalog = {
	/** True without an alias table: what a provider's price line names is served. */
	readonly followsPriceBook: boolean;
	/** Providers of the price book that are offered, in the order of the table. */
	readonly offered: readonly { readonly pricedAs: string; readonly protocol: Protocol }[];
	/** Those that are not, and the variable that holds their key. */
	readonly withoutKey: readonly { readonly pricedAs: string; readonly keyVariable: string }[];
	find(alias: string, book: PriceBook): readonly Deployment[];
	served(book: PriceBook): readonly ServedModel[];
};

export type ReloadableCatalog = DeploymentCatalog & {
	/** Takes these for the aliases of the policy, from the next call on. */
	replaceAliases(aliases: Readonly<Record<string, readonly AliasTarget[]>>): void;
};

/** A deployment together with the price line of the book in force. */
export type PricedDeployment = { readonly deployment: Deployment; readonly line: PriceLine };

export type ModelCall = {
	readonly deployment: Deployment;
	readonly endpoint: Endpoint;
	/** The bytes to send, exactly. */
	readonly body: Buffer;
	/** Travels as x-client-request-id. */
	readonly attemptId: string;
	/** Flat name, value list taken from the caller by the allow-list. */
	readonly forwardedHeaders: readonly string[];
	/** Upper end of the whole call, from sending to the last byte. */
	readonly maxCallMs: number;
};

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * `unreachable`: no connection; `aborted`: we gave up (the reason says why); `timeout`: maxCallMs;
 * `cut`: the connection broke. `isSent` false means that no byte of the request was written.
 */
export type CallFailure = { readonly kind: "unreachable" | "aborted" | "timeout" | "cut"; readonly isSent: boolean; readonly message: string };

/** Receives an answer as it arrives. `onEnd` or `onFailure` is called once, last. */
export type AnswerListener = {
	/** The whole request was handed to the connection. */
	onSent(): void;
	onStart(status: number, headers: AnswerHeaders): void;
	onData(chunk: Buffer): void;
	onEnd(): void;
	onFailure(failure: CallFailure): void;
};

export type OpenCall = {
	/** False until the first byte of the request is handed to the connection. */
	readonly isSent: boolean;
	abort(): void;
	/** Back-pressure towards the provider. */
	pause(): void;
	resume(): void;
};

export type ModelTransport = {
	send(call: ModelCall, listener: AnswerListener): OpenCall;
	/** Takes the provider key out of an answer, should the provider have repeated it. */
	redactionFor(deployment: Deployment): Redaction;
	/** Waits for open calls, then closes the connections. */
	close(): Promise<void>;
};
