import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { pause, untilAnswered } from "./asking-again.ts";
import { DEFERRED_WAIT_SECONDS_MAX, DeferredAnswer, DeferredPage } from "./batch-submit-contract.ts";
import { type GatewayConnection, WAIT_GRACE_MS } from "./gateway-connection.ts";
import { underWay } from "./under-way.ts";

/**
 * Items as they end. So few as may be waited for are waited for at the gateway. Of more, the list of the team's items is paged through, newest first,
 * at most a page a second; whatever it shows to have ended is then read, one request each, because lists have no answers.
 */

/** Waited for one by one. */
const FEW = 8;
const READ_AT_ONCE_MAX = 8;
const PAGE_ITEMS = 100;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** A page of the list has its time, so that 50,000 items are not asked about all day. */
const PAUSE_PER_PAGE_MS = 1_000;
const FINAL: ReadonlySet<DeferredAnswer["status"]> = new Set(["succeeded", "failed", "expired", "cancelled"]);

/** Refusals that say something of one item: it is not there, no more, or cannot be read. */
const OF_ONE_ITEM: ReadonlySet<unknown> = new Set([404, 410, 500]);

/**
 * Each of the items once, when it has ended, its answer with it.
 * @throws CostControlError of the first that cannot be read ("deferred.missing": the gateway does not know it, or no more), once all others were given;
 * any other refusal at once; the reason of `signal`.
 */
export async function* arrivals(connection: GatewayConnection, deferredIds: Iterable<string>, signal: AbortSignal | undefined): AsyncGenerator<DeferredAnswer> {
	// Whoever takes no more results does not leave requests behind that wait for a minute.
	const left = new AbortController();
	const end = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
	try {
		yield* new Search(connection, deferredIds, end).run();
	} finally {
		left.abort();
	}
}

export function deferredPath(deferredId: string): string {
	return `/v1/deferred/${encodeURIComponent(deferredId)}`;
}

class Search {
	readonly #connection: GatewayConnection;
	/** Not given yet. */
	readonly #open: Set<string>;
	readonly #end: AbortSignal;
	readonly #unreadable: CostControlError[] = [];
	/** Behind it begins what is of use of the list: items that were accepted later come before it for good. */
	#after: string | undefined;

	constructor(connection: GatewayConnection, deferredIds: Iterable<string>, end: AbortSignal) {
		this.#connection = connection;
		this.#open = new Set(deferredIds);
		this.#end = end;
	}

	async *run(): AsyncGenerator<DeferredAnswer> {
		for (let pauseMs = PAUSE_FIRST_MS; this.#open.size > FEW; ) {
			const before = this.#open.size;
			const round = { pages: 0 };
			yield* this.#given(underWay(this.#ended(round), READ_AT_ONCE_MAX, (id) => this.#read(id)));
			if (this.#open.size <= FEW) break;
			pauseMs = this.#open.size < before ? PAUSE_FIRST_MS : Math.min(2 * pauseMs, PAUSE_MAX_MS);
			await pause(Math.max(pauseMs, round.pages * PAUSE_PER_PAGE_MS), this.#end);
		}
		yield* this.#given(underWay([...this.#open], FEW, (id) => this.#whenEnded(id)));
		this.#throwUnreadable();
	}

	async *#given(views: AsyncIterable<DeferredAnswer | undefined>): AsyncGenerator<DeferredAnswer> {
		for await (const view of views) {
			if (view === undefined || !FINAL.has(view.status)) continue;
			this.#open.delete(view.id);
			yield view;
		}
	}

	/** Those of ours that the list shows to have ended, and some that it does not show, as it is paged through once. */
	async *#ended(round: { pages: number }): AsyncGenerator<string> {
		const unseen = new Set(this.#open);
		let isBehindOpen = false;
		for (let after = this.#after; ; ) {
			const page = await this.#page(after);
			round.pages += 1;
			for (const { id, status } of page.data) {
				after = id;
				const isOurs = unseen.delete(id);
				if (isOurs && FINAL.has(status)) yield id;
				isBehindOpen ||= isOurs && !FINAL.has(status);
				if (!isBehindOpen) this.#after = id;
			}
			if (unseen.size === 0) return;
			if (!page.has_more || page.data.length === 0) break;
		}
		yield* [...unseen].slice(0, PAGE_ITEMS);
	}

	#page(after: string | undefined): Promise<DeferredPage> {
		const query = `limit=${PAGE_ITEMS}${after === undefined ? "" : `&after=${encodeURIComponent(after)}`}`;
		return untilAnswered(() => this.#connection.send(`GET /v1/deferred?${query}`, DeferredPage, { signal: this.#end }), this.#end);
	}

	/** undefined: it cannot be read; told in the end. */
	async #read(id: string, wait = ""): Promise<DeferredAnswer | undefined> {
		const ask = { signal: this.#end, ...(wait !== "" && { timeoutMs: DEFERRED_WAIT_SECONDS_MAX * 1_000 + WAIT_GRACE_MS }) };
		try {
			return await untilAnswered(() => this.#connection.send(`GET ${deferredPath(id)}${wait}`, DeferredAnswer, ask), this.#end);
		} catch (error) {
			if (!(error instanceof CostControlError) || !OF_ONE_ITEM.has(error.details["httpStatus"])) throw error;
			this.#open.delete(id);
			this.#unreadable.push(error);
			return undefined;
		}
	}

	async #whenEnded(id: string): Promise<DeferredAnswer | undefined> {
		for (;;) {
			const askedAtMs = performance.now();
			const view = await this.#read(id, `/wait?seconds=${DEFERRED_WAIT_SECONDS_MAX}`);
			if (view === undefined || FINAL.has(view.status)) return view;
			// A gateway that shuts down answers at once.
			if (performance.now() - askedAtMs < PAUSE_FIRST_MS) await pause(PAUSE_FIRST_MS, this.#end);
		}
	}

	#throwUnreadable(): void {
		const [error, ...others] = this.#unreadable;
		if (error === undefined) return;
		if (others.length === 0) throw error;
		throw new CostControlError(error.code, `${error.publicMessage} ${others.length} other items cannot be read either.`, {
			details: error.details,
			cause: error,
		});
	}
}
