import type { HttpOptions } from "./cost-control.ts";
import { DeferredBatch, type DeferredIds, readIds } from "./deferred-batch.ts";
import { GatewayConnection } from "./gateway-connection.ts";
import { handIn } from "./hand-in.ts";
import type { SubmitOptions } from "./items-to-submit.ts";

/**
 * Not all of it was handed in: the signal was aborted, the items failed, the gateway was away for longer than `patienceMs`, or it refused what holds for all
 * of them; `cause` says which. `batch` has what was taken, for `cancel()` or `results()`. Submitting again under the same ids hands in the rest.
 */
export class SubmissionInterruptedError extends Error {
	override readonly name = "SubmissionInterruptedError";
	readonly batch: DeferredBatch;

	constructor(batch: DeferredBatch, cause: unknown) {
		super(`handing in was interrupted after ${batch.ids.size} items were taken`, { cause });
		this.batch = batch;
	}
}

/** Requests that may wait: handed in one by one, sent in batches or in real time as their deadlines allow. */
export class DeferredClient {
	readonly #http: HttpOptions;

	/** From `CostControl.batch`. */
	constructor(http: HttpOptions) {
		this.#http = http;
	}

	/**
	 * Hands in all items, at most 16 under way, and resolves when the gateway has said yes or no to each; those it refused stand in `refused` of the batch.
	 * What is taken is paid for and answered whatever becomes of this process.
	 *
	 * ```ts
	 * const batch = await costControl.batch.submit({ items, deadline: "6h" });
	 * for (const { id, error } of batch.refused) console.error(id, error.message);
	 * for await (const { id, body, costNanoUsd } of batch.results()) save(id, body, costNanoUsd);
	 * ```
	 *
	 * @throws SubmissionInterruptedError where items were taken and the rest was not handed in; what interrupted it where none was taken: the reason of
	 * `signal`, the error of the items, CostControlError "key.…" or of a header ("deferred.deadline"), UnreachableError. RangeError on a Date that is none.
	 */
	async submit(options: SubmitOptions): Promise<DeferredBatch> {
		const { interrupted, ...handedIn } = await handIn(new GatewayConnection(this.#http), options);
		const batch = new DeferredBatch(this.#http, handedIn);
		if (interrupted === undefined) return batch;
		if (batch.ids.size === 0) throw interrupted.cause;
		throw new SubmissionInterruptedError(batch, interrupted.cause);
	}

	/** The batch of what was handed in before, by this process or another one; asks nothing yet. @throws RangeError on ids that are none. */
	resume(ids: DeferredIds): DeferredBatch {
		return new DeferredBatch(this.#http, { ids: readIds(ids), refused: [] });
	}
}
