import { type Telling, WorkflowStarter, type WorkflowStarterOptions } from "../../shared/workflow-starter.ts";
import type { BatchRecord } from "../port.ts";
import type { BatchStarterObserver, BatchTeller } from "./job-port.ts";

/**
 * One starter in the whole system (advisory lock) begins the workflow of every batch whose money is held, and tells those of batches that
 * are to be cancelled: no more than 20 a second. What its workflow took up is not due any more; with Temporal away nothing is lost, and being
 * told twice changes nothing.
 */
export type UntoldBatches = {
	/** Whether this process is the one that tells. */
	tryLock(): Promise<boolean>;
	/** Oldest first. */
	due(most: number): Promise<readonly BatchRecord[]>;
};

/** `intervalMs`: default 500 ms. */
export type BatchStarterOptions = WorkflowStarterOptions & {
	readonly source: UntoldBatches;
	readonly teller: BatchTeller;
	readonly observer: BatchStarterObserver;
};

const DEFAULT_INTERVAL_MS = 500;
/** A few more than leave between two looks. */
const DUE_MAX = 16;
/** A workflow takes a batch up when it is told; where none polls, or where telling failed, it is told again after this, so that it neither fills a history nor the log. */
const TOLD_AGAIN_MS = 60_000;
/** Those that were told lately stand before the others, and are looked over. */
const LOOKED_AT_MAX = 1_000;

export class BatchStarter extends WorkflowStarter<BatchStarterOptions> {
	/** When telling a batch was tried last. */
	private readonly triedAt = new Map<string, number>();

	constructor(options: BatchStarterOptions) {
		super(options, DEFAULT_INTERVAL_MS);
	}

	protected async look(): Promise<void> {
		const round = this.beginRound();
		const nowMs = this.options.now();
		for (const [batchId, atMs] of this.triedAt) if (nowMs - atMs >= TOLD_AGAIN_MS) this.triedAt.delete(batchId);
		const due = await this.options.source.due(Math.min(DUE_MAX + this.triedAt.size, LOOKED_AT_MAX));
		for (const batch of due.filter((each) => !this.triedAt.has(nameOf(each))).slice(0, DUE_MAX))
			if (!(await round.hasPlace()) || !(await round.tell(this.telling(batch)))) break;
		await round.end();
	}

	private telling(batch: BatchRecord): Telling {
		const { teller, observer, now } = this.options;
		const tried = (): unknown => this.triedAt.set(nameOf(batch), now());
		return {
			// Which are starts nobody knows: all are held to the pace of starts.
			isStart: true,
			send: () => teller.tell(batch, { retriesNow: batch.cancelAskedAtMs !== null }),
			told() {
				tried();
				observer.told(batch);
			},
			failed: tried,
		};
	}
}

/** A batch that was told to begin is told once more, at once, that it is to end. */
function nameOf({ batchId, cancelAskedAtMs }: BatchRecord): string {
	return cancelAskedAtMs === null ? batchId : `${batchId} ends`;
}
