import type { DeferredStatus, Lane } from "#domain/batching/deferred.ts";
import { DEFERRED_ID_PATTERN } from "#domain/batching/deferred.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { endOfWaiting, untilAnswered, type WaitOptions } from "./asking-again.ts";
import { DeferredAnswer } from "./batch-submit-contract.ts";
import type { HttpOptions } from "./cost-control.ts";
import { arrivals, deferredPath } from "./deferred-arrivals.ts";
import { GatewayConnection } from "./gateway-connection.ts";
import { ITEMS_UNDER_WAY_MAX, type RefusedItem } from "./hand-in.ts";
import { underWay } from "./under-way.ts";

/** How an item ended. */
export type DeferredResult = {
	/** The caller's. */
	readonly id: string;
	/** The gateway's. */
	readonly deferredId: string;
	/** `failed`: the provider refused it, or gave no answer; `expired`: there was no time left for it. The body says why. */
	readonly status: Extract<DeferredStatus, "succeeded" | "failed" | "expired" | "cancelled">;
	/** HTTP status of the answer, 200 where it succeeded; null of an item that was cancelled before anything carried it. */
	readonly statusCode: number | null;
	/** The answer that the ordinary call would have had, read as JSON; where nobody answered, an error of the same shape. null with `statusCode` null. */
	readonly body: unknown;
	/** Which way it went; null where it went none. */
	readonly lane: Lane | null;
	/** Decimal string of nano-USD: everything that was billed for it. "0" where nothing was. */
	readonly costNanoUsd: string;
	/** It ended after its deadline. */
	readonly isLate: boolean;
};

/** Caller's id → the gateway's: `batch.ids`, or what was kept of it, like `Object.fromEntries(batch.ids)` read from a file. */
export type DeferredIds = ReadonlyMap<string, string> | Readonly<Record<string, string>> | Iterable<readonly [id: string, deferredId: string]>;

const NOT_FOUND = 404;

/** Items that were handed in together. The gateway knows them one by one; this is the list of them. */
export class DeferredBatch {
	/** The caller's id → the gateway's, of every item that was taken. Keep it to go on after a crash: `costControl.batch.resume(ids)`. */
	readonly ids: ReadonlyMap<string, string>;
	/** Items that were not taken, each with its error. Nothing is held for them. */
	readonly refused: readonly RefusedItem[];
	readonly #connection: GatewayConnection;

	/** From `CostControl.batch`. */
	constructor(http: HttpOptions, { ids, refused }: { readonly ids: ReadonlyMap<string, string>; readonly refused: readonly RefusedItem[] }) {
		this.#connection = new GatewayConnection(http);
		this.ids = ids;
		this.refused = refused;
	}

	/**
	 * Each item that was taken, once, as it ends. A second call begins anew: answers are kept at the gateway.
	 * @throws CostControlError of the first item that cannot be read, once all others were given ("deferred.missing": its retention is over); "key.…" at
	 * once; the reason of `signal`; TimeoutError after `timeoutMs`. A gateway that is away is waited for.
	 */
	async *results(options: WaitOptions = {}): AsyncGenerator<DeferredResult, void, void> {
		const idOf = new Map([...this.ids].map(([id, deferredId]) => [deferredId, id]));
		for await (const view of arrivals(this.#connection, this.ids.values(), endOfWaiting(options))) yield resultOf(idOf.get(view.id) ?? view.id, view);
	}

	/** All of them, in the order of `ids`, when the last has ended. They are in memory together: of many, take `results()`. @throws as `results`. */
	async wait(options: WaitOptions = {}): Promise<DeferredResult[]> {
		const found = new Map<string, DeferredResult>();
		for await (const result of this.results(options)) found.set(result.id, result);
		return [...this.ids.keys()].flatMap((id) => found.get(id) ?? []);
	}

	/**
	 * Asks for the end of each that has not ended: one that still collects or waits ends at once and costs nothing, one that a provider has ends as the
	 * provider lets it. `results()` tells how. One request an item; repeating it is safe.
	 * @throws CostControlError "key.…"; the reason of `signal`; TimeoutError after `timeoutMs`.
	 */
	async cancel(options: WaitOptions = {}): Promise<void> {
		const end = endOfWaiting(options);
		const cancelled = underWay(this.ids.values(), ITEMS_UNDER_WAY_MAX, (deferredId) => this.#cancelOne(deferredId, end));
		for await (const _each of cancelled);
	}

	async #cancelOne(deferredId: string, end: AbortSignal | undefined): Promise<void> {
		try {
			await untilAnswered(() => this.#connection.send(`DELETE ${deferredPath(deferredId)}`, DeferredAnswer, { signal: end }), end);
		} catch (error) {
			// What is not there any more needs no end.
			if (!(error instanceof CostControlError && error.details["httpStatus"] === NOT_FOUND)) throw error;
		}
	}
}

/** @throws RangeError on an id of the gateway that is none, or stands twice. */
export function readIds(given: DeferredIds): ReadonlyMap<string, string> {
	const pairs = Symbol.iterator in given ? [...given] : Object.entries(given);
	const ids = new Map(pairs);
	const wrong = [...ids.values()].find((deferredId) => !DEFERRED_ID_PATTERN.test(deferredId));
	if (wrong !== undefined) throw new RangeError(`no id of an item that was handed in: ${JSON.stringify(wrong)}`);
	if (new Set(ids.values()).size !== pairs.length) throw new RangeError("an id stands twice among the ids to resume");
	return ids;
}

function resultOf(id: string, { id: deferredId, status, lane, answer, cost_nano_usd, is_late }: DeferredAnswer): DeferredResult {
	return {
		...{ id, deferredId, status: status as DeferredResult["status"], lane, isLate: is_late },
		...{ statusCode: answer?.status_code ?? null, body: answer?.body ?? null, costNanoUsd: cost_nano_usd ?? "0" },
	};
}
