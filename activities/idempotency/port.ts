import type { Endpoint } from "#domain/bound/request.ts";
import type { KnownRecord, UnknownReason } from "#domain/idempotency/decide.ts";

/** Contract of the records behind `Idempotency-Key`; PostgreSQL in ./postgres.ts. */

/** One call that carries a key. `requestId` names the holder: only it may end the record. */
export type IdempotentRequest = {
	readonly keyId: string;
	/** SHA-256 of the Idempotency-Key and of who the caller is under the virtual key. */
	readonly keyHash: Buffer;
	/** SHA-256 of everything that makes it this request and no other. */
	readonly requestHash: Buffer;
	readonly endpoint: Endpoint;
	readonly requestId: string;
};

/** A complete answer as its caller received it. */
export type StoredAnswer = {
	/** Of the call that was served. */
	readonly requestId: string;
	readonly status: number;
	/** Headers of the provider that are worth keeping, lower case. */
	readonly headers: Readonly<Record<string, string>>;
	readonly model: string;
	readonly clampedOutputTokens: number | undefined;
	readonly degradedFrom?: string | undefined;
	readonly isStream: boolean;
	/** At most 1 MiB. */
	readonly body: Buffer;
};

export type Beginning =
	| { readonly kind: "new" }
	| {
			readonly kind: "known";
			/** `isHolderLive` as PostgreSQL sees it; of its own epoch the gateway knows better. */
			readonly record: KnownRecord;
			readonly isOurs: boolean;
			readonly holderRequestId: string;
			/** Undefined where there is none, or where it was encrypted with another key. */
			readonly answer: StoredAnswer | undefined;
	  };

export type Ending =
	| { readonly kind: "removed" }
	| { readonly kind: "unknown"; readonly reason: UnknownReason; readonly attemptId: string | null }
	| { readonly kind: "answered"; readonly answer: StoredAnswer; readonly attemptId: string | null };

export type IdempotencyStore = {
	/** One round trip: takes the key, or says who has it. `inFlightMs`: after that an open record is over, whatever became of it. */
	begin(request: IdempotentRequest, inFlightMs: number): Promise<Beginning>;
	/** One round trip; repeating it changes nothing. */
	finish(request: IdempotentRequest, ending: Ending): Promise<void>;
};
