import { setTimeout as delay } from "node:timers/promises";
import type { CollectorTally } from "#domain/batching/collect.ts";
import { collectorPace } from "#domain/batching/collector-plan.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { reasonToTell, type TellReason, type Told } from "#domain/batching/collector-tell.ts";
import { LINE_OVERHEAD_BYTES } from "#domain/batching/split-parts.ts";
import { RunPace } from "../../agent-runs/run-pace.ts";
import { RoleLoop } from "../../shared/role-loop.ts";
import type { BatchLimits } from "../providers/provider-port.ts";
import type { CollectingBatches, CollectorStarterObserver, CollectorTeller, SeenBatch } from "./collector-port.ts";

/**
 * One starter in the whole system (advisory lock) tells the workflow of a collector that items wait, and starts it where it does not run: no more
 * than 20 a second, each collector at most once a second, and only what its workflow cannot know by itself (collector-tell.ts). It looks for what
 * waits, so nothing is lost with Temporal, a gateway or a starter away; being told twice changes nothing.
 */
export type CollectorStarterOptions = {
	readonly source: CollectingBatches;
	readonly teller: CollectorTeller;
	readonly observer: CollectorStarterObserver;
	limitsOf(scope: CollectorScope): BatchLimits;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least. Default 1,000 ms. */
	readonly intervalMs?: number;
	/** Of the times that items are collected, in thousandths; lower only in tests. */
	readonly pacePermille?: number;
};

const DEFAULT_INTERVAL_MS = 1_000;
const SEEN_MAX = 1_000;
const IN_FLIGHT_MAX = 8;
/** Of one collector. */
const TELL_GAP_MS = 1_000;
/** What could not be told, though Temporal answers, is tried again after this. */
const FAILED_AGAIN_MS = 60_000;
/** Sums are read over all items of a batch: the more it has, the more seldom. */
const ITEMS_PER_LOOK_MS = 10;

/** What is known of a batch. `tally` is of `version`; `lookedAtMs` and `retryAtMs` are monotonic. */
type Known = { version: string; tally: CollectorTally; lookedAtMs: number; told: Told | undefined; retryAtMs: number };
type Due = { readonly seen: SeenBatch; readonly known: Known; readonly reason: TellReason };

export class CollectorStarter {
	private readonly options: CollectorStarterOptions;
	private readonly pace = new RunPace();
	private readonly loop: RoleLoop;
	private readonly known = new Map<string, Known>();
	/** By collector: when it was told last. */
	private readonly toldAt = new Map<string, number>();

	constructor(options: CollectorStarterOptions) {
		this.options = options;
		const { source, observer, now } = options;
		this.loop = new RoleLoop({ tryLock: () => source.tryLock(), look: () => this.tellDue(), observer, now, intervalMs: () => this.intervalMs });
	}

	start(delayMs?: number): void {
		this.loop.start(delayMs);
	}

	/** Resolves when the cycle under way is over. */
	stop(): Promise<void> {
		return this.loop.stop();
	}

	/** One look, and what may be told until the next. An outage is told to the observer, anything else rejects. */
	cycle(): Promise<void> {
		return this.loop.cycle();
	}

	private get intervalMs(): number {
		return this.options.intervalMs ?? DEFAULT_INTERVAL_MS;
	}

	private async tellDue(): Promise<void> {
		const { now, wait = delay } = this.options;
		const nowMs = now();
		const inFlight = new Set<Promise<void>>();
		let isAway = false;
		for await (const seen of this.seeAll()) {
			if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
			if (isAway || this.loop.isStopped) break;
			const due = await this.dueOf(seen);
			if (due === undefined) continue;
			// Which are starts nobody knows: all are held to the pace of starts.
			const leavesAtMs = this.pace.freeAtMs(now(), true);
			if (leavesAtMs >= nowMs + this.intervalMs) break;
			if (leavesAtMs > now()) await wait(leavesAtMs - now());
			const arrived = this.pace.take(true);
			const telling = this.tell(due).then((outcome) => {
				arrived(now());
				isAway ||= outcome === "away";
			});
			inFlight.add(telling);
			void telling.finally(() => inFlight.delete(telling));
		}
		await Promise.all(inFlight);
	}

	/** All that collect, by their numbers. What was not there any more when all were seen is forgotten. */
	private async *seeAll(): AsyncGenerator<SeenBatch> {
		const { source, now } = this.options;
		const gone = new Set(this.known.keys());
		for (let after = "0"; ; ) {
			const page = await source.seen(after, SEEN_MAX);
			for (const { batchId } of page) gone.delete(batchId);
			yield* page;
			after = page.at(-1)?.number ?? after;
			if (page.length < SEEN_MAX) break;
		}
		for (const batchId of gone) this.known.delete(batchId);
		const nowMs = now();
		for (const [name, atMs] of this.toldAt) if (nowMs - atMs >= TELL_GAP_MS) this.toldAt.delete(name);
	}

	/** undefined: there is nothing its workflow has to hear now. */
	private async dueOf(seen: SeenBatch): Promise<Due | undefined> {
		const nowMs = this.options.now();
		const toldAtMs = this.toldAt.get(nameOf(seen));
		if (toldAtMs !== undefined && nowMs - toldAtMs < TELL_GAP_MS) return undefined;
		const known = await this.lookAt(seen, nowMs);
		if (known === undefined || nowMs < known.retryAtMs) return undefined;
		const { itemsMax, bytesMax, embeddingInputsMax, enqueuedTokensMax } = this.options.limitsOf(seen.scope);
		const limits = { itemsMax, bytesMax, embeddingInputsMax, enqueuedTokensMax, itemOverheadBytes: LINE_OVERHEAD_BYTES };
		const conditions = { ...collectorPace(this.options.pacePermille ?? 1_000), nowMs: seen.clockMs, limits };
		const reason = reasonToTell(known.tally, known.told, conditions);
		return reason === undefined ? undefined : { seen, known, reason };
	}

	/** undefined: its sums are not those of its items any more, and not due to be read again; or it has gone. */
	private async lookAt({ batchId, version }: SeenBatch, nowMs: number): Promise<Known | undefined> {
		const known = this.known.get(batchId);
		if (known?.version === version) return known;
		if (known !== undefined && nowMs - known.lookedAtMs < known.tally.items / ITEMS_PER_LOOK_MS) return undefined;
		const tally = await this.options.source.tally(batchId);
		if (tally === undefined || tally.items === 0) return undefined;
		const looked: Known = { told: known?.told, retryAtMs: known?.retryAtMs ?? 0, version, tally, lookedAtMs: nowMs };
		this.known.set(batchId, looked);
		return looked;
	}

	private async tell({ seen, known, reason }: Due): Promise<"told" | "away" | "failed"> {
		const { teller, observer, now } = this.options;
		const collected = { batchId: seen.batchId, items: known.tally.items, reason };
		this.toldAt.set(nameOf(seen), now());
		try {
			await teller.tell(seen.scope, collected);
		} catch (error) {
			if (this.loop.isAway(error)) return "away";
			known.retryAtMs = now() + FAILED_AGAIN_MS;
			return "failed";
		}
		this.loop.temporalAnswered();
		known.told = { reason, earliestDeadlineMs: known.tally.earliestDeadlineMs, atMs: seen.clockMs };
		observer.told(collected);
		return "told";
	}
}

function nameOf({ scope }: SeenBatch): string {
	return JSON.stringify([scope.teamId, scope.protocol, scope.endpoint, scope.deployment, scope.model]);
}
