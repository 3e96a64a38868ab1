import { setTimeout as delay } from "node:timers/promises";
import { RunPace } from "../../agent-runs/run-pace.ts";
import { RoleLoop } from "../../shared/role-loop.ts";
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

export type BatchStarterOptions = {
	readonly source: UntoldBatches;
	readonly teller: BatchTeller;
	readonly observer: BatchStarterObserver;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least. Default 500 ms. */
	readonly intervalMs?: number;
};

const DEFAULT_INTERVAL_MS = 500;
/** A few more than leave between two looks. */
const DUE_MAX = 16;
const IN_FLIGHT_MAX = 8;
/** A workflow takes a batch up when it is told; where none polls, or where telling failed, it is told again after this, so that it neither fills a history nor the log. */
const TOLD_AGAIN_MS = 60_000;
/** Those that were told lately stand before the others, and are looked over. */
const LOOKED_AT_MAX = 1_000;

export class BatchStarter {
	private readonly options: BatchStarterOptions;
	private readonly pace = new RunPace();
	/** When telling a batch was tried last. */
	private readonly triedAt = new Map<string, number>();
	private readonly loop: RoleLoop;

	constructor(options: BatchStarterOptions) {
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
		const { source, now, wait = delay } = this.options;
		const nowMs = now();
		for (const [batchId, atMs] of this.triedAt) if (nowMs - atMs >= TOLD_AGAIN_MS) this.triedAt.delete(batchId);
		const due = await source.due(Math.min(DUE_MAX + this.triedAt.size, LOOKED_AT_MAX));
		const inFlight = new Set<Promise<void>>();
		let isAway = false;
		for (const batch of due.filter((each) => !this.triedAt.has(nameOf(each))).slice(0, DUE_MAX)) {
			if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
			if (isAway || this.loop.isStopped) break;
			// Which are starts nobody knows: all are held to the pace of starts.
			const leavesAtMs = this.pace.freeAtMs(now(), true);
			if (leavesAtMs >= nowMs + this.intervalMs) break;
			if (leavesAtMs > now()) await wait(leavesAtMs - now());
			const arrived = this.pace.take(true);
			const telling = this.tell(batch).then((outcome) => {
				arrived(now());
				isAway ||= outcome === "away";
				if (outcome === "told") this.options.observer.told(batch);
			});
			inFlight.add(telling);
			void telling.finally(() => inFlight.delete(telling));
		}
		await Promise.all(inFlight);
	}

	private async tell(batch: BatchRecord): Promise<"told" | "away" | "failed"> {
		try {
			await this.options.teller.tell(batch, { retriesNow: batch.cancelAskedAtMs !== null });
		} catch (error) {
			if (this.loop.isAway(error)) return "away";
			this.triedAt.set(nameOf(batch), this.options.now());
			return "failed";
		}
		this.loop.temporalAnswered();
		this.triedAt.set(nameOf(batch), this.options.now());
		return "told";
	}
}

/** A batch that was told to begin is told once more, at once, that it is to end. */
function nameOf({ batchId, cancelAskedAtMs }: BatchRecord): string {
	return cancelAskedAtMs === null ? batchId : `${batchId} ends`;
}
