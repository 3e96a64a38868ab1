import { setTimeout as delay } from "node:timers/promises";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { DueRun, RunSink, StarterObserver, UntoldRuns } from "./port.ts";
import { RunPace } from "./run-pace.ts";

/**
 * One starter in the whole system (advisory lock) tells the workflows of runs what PostgreSQL holds, and begins them where there is none:
 * held runs first, then registered, then warned ones, no more than 20 starts a second; then what moved, at most once in ten seconds and
 * run, 50 signals a second in all. With Temporal away nothing is lost: what was not told is due again, and a snapshot is absolute.
 */
export type RunStarterOptions = {
	readonly source: UntoldRuns;
	readonly sink: RunSink;
	readonly observer: StarterObserver;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least. Default 250 ms. */
	readonly intervalMs?: number;
};

const DEFAULT_INTERVAL_MS = 250;
const TOLD_INTERVAL_MS = 10_000;
const IN_FLIGHT_MAX = 8;
/** A few more than leave between two looks. */
const DUE_MAX = 16;
const STARTS_MAX = 8;
/** Rows are dated before they are committed. */
const MOVED_OVERLAP_MS = 5_000;
const MOVED_MAX = 5_000;

export class RunStarter {
	private readonly options: RunStarterOptions;
	private readonly pace = new RunPace();
	/** When runs were told last, by number; no older than TOLD_INTERVAL_MS. */
	private readonly toldAt = new Map<string, number>();
	/** Runs that took steps since they were told. */
	private readonly moved = new Set<string>();
	private movedReadAtMs = Number.NEGATIVE_INFINITY;
	private isStarter = false;
	private isTemporalReachable = true;
	private timer: NodeJS.Timeout | undefined;
	private running: Promise<void> = Promise.resolve();
	private isStopped = false;

	constructor(options: RunStarterOptions) {
		this.options = options;
	}

	start(delayMs = this.intervalMs): void {
		this.timer = setTimeout(() => {
			const beganAtMs = this.options.now();
			this.running = this.cycle()
				.catch((error: unknown) => this.options.observer.failed(error))
				.finally(() => {
					if (!this.isStopped) this.start(Math.max(0, beganAtMs + this.intervalMs - this.options.now()));
				});
		}, delayMs);
	}

	/** Resolves when the cycle under way is over. */
	async stop(): Promise<void> {
		this.isStopped = true;
		clearTimeout(this.timer);
		await this.running;
	}

	/** One look, and what may be told until the next. An outage is told to the observer, anything else rejects. */
	async cycle(): Promise<void> {
		try {
			// Asked every time: the session's lock is counted, and a connection that was lost and reopened has none.
			const isHeld = await this.options.source.tryLock();
			this.changeRole(isHeld, undefined);
			if (!isHeld) return;
			await this.tellDue();
			await this.readMoved();
		} catch (error) {
			if (!(error instanceof CostControlError && error.isRetryable)) throw error;
			this.changeRole(false, error);
		}
	}

	private get intervalMs(): number {
		return this.options.intervalMs ?? DEFAULT_INTERVAL_MS;
	}

	private changeRole(isStarter: boolean, cause: unknown): void {
		if (this.isStarter === isStarter) return;
		this.isStarter = isStarter;
		this.options.observer.roleChanged(isStarter, cause);
	}

	private async readMoved(): Promise<void> {
		const nowMs = this.options.now();
		if (nowMs - this.movedReadAtMs < TOLD_INTERVAL_MS) return;
		const found = await this.options.source.movedWithin(Math.min(nowMs - this.movedReadAtMs, TOLD_INTERVAL_MS * 6) + MOVED_OVERLAP_MS);
		this.movedReadAtMs = nowMs;
		for (const number of found) if (this.moved.size < MOVED_MAX) this.moved.add(number);
	}

	private async tellDue(): Promise<void> {
		const nowMs = this.options.now();
		for (const [number, atMs] of this.toldAt) if (nowMs - atMs >= TOLD_INTERVAL_MS) this.toldAt.delete(number);
		const due = await this.options.source.due({ limit: DUE_MAX, starts: STARTS_MAX, except: [...this.toldAt.keys()], moved: [...this.moved] });
		const told: DueRun[] = [];
		const inFlight = new Set<Promise<void>>();
		let isAway = false;
		for (const run of due) {
			if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
			if (isAway || this.isStopped) break;
			// Who is not told in time is due again at the next look, behind whoever is held meanwhile.
			const leavesAtMs = this.pace.freeAtMs(this.options.now(), run.isNew);
			if (leavesAtMs >= nowMs + this.intervalMs) continue;
			if (leavesAtMs > this.options.now()) await (this.options.wait ?? delay)(leavesAtMs - this.options.now());
			const arrived = this.pace.take(run.isNew);
			const telling = this.tell(run).then((outcome) => {
				arrived(this.options.now());
				isAway ||= outcome === "away";
				if (outcome === "told") told.push(run);
			});
			inFlight.add(telling);
			void telling.finally(() => inFlight.delete(telling));
		}
		await Promise.all(inFlight);
		if (told.length === 0) return;
		await this.options.source.recordTold(told);
		for (const run of told) this.options.observer.told(run);
	}

	private async tell(run: DueRun): Promise<"told" | "away" | "failed"> {
		try {
			await this.options.sink.report(run.snapshot);
		} catch (error) {
			const isAway = error instanceof CostControlError && error.code === "governance.unreachable";
			if (isAway) {
				this.changeReachability(false, error);
				return "away";
			}
			// What is wrong with one run must not silence the others, and not fill the log.
			this.toldAt.set(run.number, this.options.now());
			this.options.observer.failed(error);
			return "failed";
		}
		this.changeReachability(true, undefined);
		this.toldAt.set(run.number, this.options.now());
		this.moved.delete(run.number);
		return "told";
	}

	private changeReachability(isReachable: boolean, cause: unknown): void {
		if (this.isTemporalReachable === isReachable) return;
		this.isTemporalReachable = isReachable;
		this.options.observer.reachabilityChanged(isReachable, cause);
	}
}
