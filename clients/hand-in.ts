import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { backoffMs, isPassing, pause } from "./asking-again.ts";
import { DeferredAnswer } from "./batch-submit-contract.ts";
import type { GatewayConnection } from "./gateway-connection.ts";
import { type ItemToSubmit, invalid, type PreparedItem, prepareItem, type SubmitOptions, submissionHeaders } from "./items-to-submit.ts";
import { underWay, untilAborted } from "./under-way.ts";

/** An item that was not taken, and why; the others are not touched by it. */
export type RefusedItem = {
	readonly id: string;
	/** Its place among the items, from 0. */
	readonly index: number;
	/** A CostControlError of the gateway's refusal (`details.field` names what is wrong, `readRefusal` reads a 402), UnreachableError where nobody answered. */
	readonly error: Error;
};

export type HandedIn = {
	/** The caller's id → the gateway's, in the order of the items. */
	readonly ids: ReadonlyMap<string, string>;
	readonly refused: readonly RefusedItem[];
	/** Why the rest was not handed in; undefined = all was. */
	readonly interrupted?: { readonly cause: unknown };
};

/** Under way at once. What a gateway can accept, and not more than it would let one caller have. */
export const ITEMS_UNDER_WAY_MAX = 16;
const PATIENCE_MS = 600_000;
/** Refusals of the key or of what holds for all items: the next would be refused as well. */
const OF_ALL: ReadonlySet<string> = new Set(["key.missing", "key.invalid", "key.expired", "key.revoked", "key.assertion_refused"]);

type TakenItem = { readonly id: string; readonly index: number; readonly deferredId: string };
type Outcome = { readonly kind: "taken"; readonly item: TakenItem } | { readonly kind: "refused"; readonly item: RefusedItem };

/** Hands in one submission. @throws RangeError on a Date that is none, before anything is asked. */
export async function handIn(connection: GatewayConnection, options: SubmitOptions): Promise<HandedIn> {
	const submission = new Submission(connection, options);
	const taken: TakenItem[] = [];
	const refused: RefusedItem[] = [];
	const handedIn = (): HandedIn => ({ ids: new Map(taken.sort(byIndex).map(({ id, deferredId }) => [id, deferredId])), refused: refused.sort(byIndex) });
	try {
		const items = untilAborted(options.items, submission.stop);
		for await (const outcome of underWay(items, ITEMS_UNDER_WAY_MAX, (item, index) => submission.handIn(item, index))) {
			if (outcome.kind === "taken") taken.push(outcome.item);
			else refused.push(outcome.item);
		}
	} catch (error) {
		return { ...handedIn(), interrupted: { cause: error } };
	}
	// What ended it may have been said of the last items.
	return { ...handedIn(), ...(submission.stop.aborted && { interrupted: { cause: submission.stop.reason as unknown } }) };
}

function byIndex(one: { readonly index: number }, other: { readonly index: number }): number {
	return one.index - other.index;
}

class Submission {
	/** Aborted by the caller, or by what ends all of it. */
	readonly stop: AbortSignal;
	readonly #connection: GatewayConnection;
	readonly #signal: AbortSignal | undefined;
	readonly #headers: Readonly<Record<string, string>>;
	readonly #patienceMs: number;
	readonly #ending = new AbortController();
	readonly #seen = new Set<string>();
	/** When the gateway last said yes or no to an item, of this process's clock. */
	#decidedAtMs = Number.NEGATIVE_INFINITY;

	constructor(connection: GatewayConnection, options: SubmitOptions) {
		this.#connection = connection;
		this.#signal = options.signal;
		this.#headers = submissionHeaders(options);
		this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
		this.stop = options.signal === undefined ? this.#ending.signal : AbortSignal.any([options.signal, this.#ending.signal]);
	}

	/** Never rejects. */
	async handIn(given: ItemToSubmit, index: number): Promise<Outcome> {
		const item = prepareItem(given);
		if (item instanceof CostControlError) return refusedItem({ id: idOf(given), index, error: item });
		const { id } = item;
		if (this.#seen.has(id)) return refusedItem({ id, index, error: invalid("id", "An item before this one has the same id.") });
		this.#seen.add(id);
		try {
			return { kind: "taken", item: { id, index, deferredId: await this.#send(item) } };
		} catch (error) {
			return refusedItem({ id, index, error: error instanceof Error ? error : new Error("handing in was ended", { cause: error }) });
		}
	}

	/** The gateway's id. An answer that was lost is asked for again under the same key, which hands in nothing twice. */
	async #send({ path, body, idempotencyKey }: PreparedItem): Promise<string> {
		const beganAtMs = performance.now();
		const headers = { ...this.#headers, "idempotency-key": idempotencyKey };
		for (let failures = 1; ; failures += 1) {
			try {
				const { id } = await this.#connection.send(`POST ${path}`, DeferredAnswer, { body, headers, signal: this.#signal });
				this.#decidedAtMs = performance.now();
				return id;
			} catch (error) {
				if (!isPassing(error)) throw this.#decided(error);
				this.stop.throwIfAborted();
				const waitMs = backoffMs(failures, error);
				if (performance.now() + waitMs > beganAtMs + this.#patienceMs) throw this.#givenUp(error, beganAtMs);
				await pause(waitMs, this.stop);
			}
		}
	}

	#decided(error: unknown): unknown {
		this.#decidedAtMs = performance.now();
		if (isOfAll(error)) this.#ending.abort(error);
		return error;
	}

	/** Where no other item was decided on meanwhile either, it is not for this item: the rest would wait as long, each for itself. */
	#givenUp(error: Error, beganAtMs: number): Error {
		if (this.#decidedAtMs < beganAtMs) this.#ending.abort(error);
		return error;
	}
}

function isOfAll(error: unknown): boolean {
	if (!(error instanceof CostControlError)) return false;
	return OF_ALL.has(error.code) || String(error.details["field"] ?? "").startsWith("x-tollgate-");
}

function refusedItem(item: RefusedItem): Outcome {
	return { kind: "refused", item };
}

/** Of an item that is none, for whoever looks for it. */
function idOf(item: Partial<ItemToSubmit> | null | undefined): string {
	return typeof item?.id === "string" ? item.id : "";
}
