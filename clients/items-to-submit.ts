import { createHash, randomUUID } from "node:crypto";
import type { Lane } from "#domain/batching/deferred.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { DEFERRED_ENDPOINTS } from "./batch-submit-contract.ts";

export type DeferredEndpoint = (typeof DEFERRED_ENDPOINTS)[number];

/** One request that may wait. */
export type ItemToSubmit = {
	/**
	 * Yours, any text, and one item's for good: an item that is handed in again under its id is the one that was handed in first. Default: a random one, so
	 * that nothing is known of it once the process is gone.
	 */
	readonly id?: string | undefined;
	readonly endpoint: DeferredEndpoint;
	/** Of an ordinary call of this endpoint, `model` included; no `stream`. */
	readonly body: Readonly<Record<string, unknown>>;
};

/** Items, and what holds for all of them. */
export type SubmitOptions = {
	/** Taken as fast as they are handed in: an async iterable of a large file is never held in memory as a whole. */
	readonly items: Iterable<ItemToSubmit> | AsyncIterable<ItemToSubmit>;
	/**
	 * By when answers are needed: a span from the moment an item arrives (`90s`, `30m`, `6h`, `2d`), an RFC 3339 instant, or a Date; 1 minute to 7 days away.
	 * Default: none, they come when the provider has done them.
	 */
	readonly deadline?: string | Date | undefined;
	/** Name of the alert channel, of kind `webhook`, that is told of the end of each. Default: nobody is. */
	readonly webhook?: string | undefined;
	/** "batch": never in real time, whatever the deadline. Default: Tollgate chooses for each item. */
	readonly lane?: Extract<Lane, "batch"> | undefined;
	/** What they are booked on; for a key that may assert features. */
	readonly feature?: string | undefined;
	/** Whom they are booked on; for a key that may assert users. */
	readonly user?: string | undefined;
	/** Ends handing in; see SubmissionInterruptedError. */
	readonly signal?: AbortSignal | undefined;
	/** How long an item is tried again while the gateway is away or asks to come later, in milliseconds. Default: 600,000. */
	readonly patienceMs?: number | undefined;
};

/** An item as it goes to the gateway. */
export type PreparedItem = { readonly id: string; readonly path: string; readonly body: ItemToSubmit["body"]; readonly idempotencyKey: string };

/** The item, or what is wrong with it. Items come from files as often as from code, so that types prove nothing. */
export function prepareItem(item: ItemToSubmit): PreparedItem | CostControlError {
	const { id = randomUUID(), endpoint, body } = (item ?? {}) as Partial<ItemToSubmit>;
	if (typeof id !== "string" || id === "") return invalid("id", "An id is a text that is not empty.");
	if (endpoint === undefined || !DEFERRED_ENDPOINTS.includes(endpoint)) return invalid("endpoint", `An endpoint is one of ${DEFERRED_ENDPOINTS.join(", ")}.`);
	if (typeof body !== "object" || body === null || Array.isArray(body)) return invalid("body", "A body is an object, as of an ordinary call.");
	return { id, path: `/v1/deferred/${endpoint}`, body, idempotencyKey: idempotencyKeyOf(id) };
}

/** @throws RangeError on a Date that is none. */
export function submissionHeaders({ deadline, webhook, lane, feature, user }: Omit<SubmitOptions, "items">): Readonly<Record<string, string>> {
	if (deadline instanceof Date && Number.isNaN(deadline.getTime())) throw new RangeError("deadline: this Date is none");
	return {
		...(deadline !== undefined && { "x-tollgate-deadline": deadline instanceof Date ? deadline.toISOString() : deadline }),
		...(webhook !== undefined && { "x-tollgate-webhook": webhook }),
		...(lane !== undefined && { "x-tollgate-lane": lane }),
		...(feature !== undefined && { "x-tollgate-feature": feature }),
		...(user !== undefined && { "x-tollgate-user": user }),
	};
}

/** An id may be any text of any length, and a header may not. */
function idempotencyKeyOf(id: string): string {
	return `deferred-${createHash("sha256").update(id).digest("hex")}`;
}

export function invalid(field: string, message: string): CostControlError {
	return new CostControlError("request.invalid", message, { details: { field } });
}
