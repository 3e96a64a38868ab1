import type { CollectorTally } from "#domain/batching/collect.ts";
import { collectorPace } from "#domain/batching/collector-plan.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { reasonToTell, type TellReason, type Told } from "#domain/batching/collector-tell.ts";
import { LINE_OVERHEAD_BYTES } from "#domain/batching/split-parts.ts";
import { type Telling, WorkflowStarter, type WorkflowStarterOptions } from "../../shared/workflow-starter.ts";
import type { BatchLimits } from "../providers/provider-port.ts";
import type { CollectingBatches, CollectorStarterObserver, CollectorTeller, SeenBatch } from "./collector-port.ts";

/**
 * One starter in the whole system (advisory lock) tells the workflow of a collector that items wait, and starts it where it does not run: no more
 * than 20 a second, each collector at most once a second, and only what its workflow cannot know by itself (collector-tell.ts). It looks for what
 * waits, so nothing is lost with Temporal, a gateway or a starter away; being told twice changes nothing.
 * `intervalMs`: default 1,000 ms.
 */
export type CollectorStarterOptions = WorkflowStarterOptions & {
	readonly source: CollectingBatches;
	readonly teller: CollectorTeller;
	readonly observer: CollectorStarterObserver;
	limitsOf(scope: CollectorScope): BatchLimits;
	/** Of the times that items are collected, in thousandths; lower only in tests. */
	readonly pacePermille?: number;
};

const DEFAULT_INTERVAL_MS = 1_000;
const SEEN_MAX = 1_000;
/** Of one collector. */
const TELL_GAP_MS = 1_000;
/** What could not be told, though Temporal answers, is tried again after this. */
const FAILED_AGAIN_MS = 60_000;
/** Sums are read over all items of a batch: the more it has, the more seldom. */
const ITEMS_PER_LOOK_MS = 10;

/** What is known of a batch. `tally` is of `version`; `lookedAtMs` and `retryAtMs` are monotonic. */
type Known = { version: string; tally: CollectorTally; lookedAtMs: number; told: Told | undefined; retryAtMs: number };
type Due = { readonly seen: SeenBatch; readonly known: Known; readonly reason: TellReason };

export class CollectorStarter extends WorkflowStarter<CollectorStarterOptions> {
	private readonly known = new Map<string, Known>();
	/** By collector: when it was told last. */
	private readonly toldAt = new Map<string, number>();

	constructor(options: CollectorStarterOptions) {
		super(options, DEFAULT_INTERVAL_MS);
	}

	protected async look(): Promise<void> {
		const round = this.beginRound();
		for await (const seen of this.seeAll()) {
			if (!(await round.hasPlace())) break;
			const due = await this.dueOf(seen);
			if (due !== undefined && !(await round.tell(this.telling(due)))) break;
		}
		await round.end();
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

	private telling({ seen, known, reason }: Due): Telling {
		const { teller, observer, now } = this.options;
		const collected = { batchId: seen.batchId, items: known.tally.items, reason };
		return {
			// Which are starts nobody knows: all are held to the pace of starts.
			isStart: true,
			send: () => {
				this.toldAt.set(nameOf(seen), now());
				return teller.tell(seen.scope, collected);
			},
			told() {
				known.told = { reason, earliestDeadlineMs: known.tally.earliestDeadlineMs, atMs: seen.clockMs };
				observer.told(collected);
			},
			failed() {
				known.retryAtMs = now() + FAILED_AGAIN_MS;
			},
		};
	}
}

function nameOf({ scope }: SeenBatch): string {
	return JSON.stringify([scope.teamId, scope.protocol, scope.endpoint, scope.deployment, scope.model]);
}
