import { type Telling, WorkflowStarter, type WorkflowStarterOptions } from "../shared/workflow-starter.ts";
import type { DueRun, RunSink, StarterObserver, UntoldRuns } from "./port.ts";

/**
 * One starter in the whole system (advisory lock) tells the workflows of runs what PostgreSQL holds, and begins them where there is none:
 * held runs first, then registered, then warned ones, no more than 20 starts a second; then what moved, at most once in ten seconds and
 * run, 50 signals a second in all. With Temporal away nothing is lost: what was not told is due again, and a snapshot is absolute.
 * `intervalMs`: default 250 ms.
 */
export type RunStarterOptions = WorkflowStarterOptions & {
	readonly source: UntoldRuns;
	readonly sink: RunSink;
	readonly observer: StarterObserver;
};

const DEFAULT_INTERVAL_MS = 250;
const TOLD_INTERVAL_MS = 10_000;
/** A few more than leave between two looks. */
const DUE_MAX = 16;
const STARTS_MAX = 8;
/** Rows are dated before they are committed. */
const MOVED_OVERLAP_MS = 5_000;
const MOVED_MAX = 5_000;

export class RunStarter extends WorkflowStarter<RunStarterOptions> {
	/** When runs were told last, by number; no older than TOLD_INTERVAL_MS. */
	private readonly toldAt = new Map<string, number>();
	/** Runs that took steps since they were told. */
	private readonly moved = new Set<string>();
	private movedReadAtMs = Number.NEGATIVE_INFINITY;

	constructor(options: RunStarterOptions) {
		super(options, DEFAULT_INTERVAL_MS);
	}

	protected async look(): Promise<void> {
		await this.tellDue();
		await this.readMoved();
	}

	private async readMoved(): Promise<void> {
		const nowMs = this.options.now();
		if (nowMs - this.movedReadAtMs < TOLD_INTERVAL_MS) return;
		const found = await this.options.source.movedWithin(Math.min(nowMs - this.movedReadAtMs, TOLD_INTERVAL_MS * 6) + MOVED_OVERLAP_MS);
		this.movedReadAtMs = nowMs;
		for (const number of found) if (this.moved.size < MOVED_MAX) this.moved.add(number);
	}

	private async tellDue(): Promise<void> {
		const round = this.beginRound();
		const nowMs = this.options.now();
		for (const [number, atMs] of this.toldAt) if (nowMs - atMs >= TOLD_INTERVAL_MS) this.toldAt.delete(number);
		const due = await this.options.source.due({ limit: DUE_MAX, starts: STARTS_MAX, except: [...this.toldAt.keys()], moved: [...this.moved] });
		const told: DueRun[] = [];
		for (const run of due) {
			if (!(await round.hasPlace())) break;
			// Who is not told in time is due again at the next look, behind whoever is held meanwhile.
			await round.tell(this.telling(run, told));
		}
		await round.end();
		if (told.length === 0) return;
		await this.options.source.recordTold(told);
		for (const run of told) this.options.observer.told(run);
	}

	private telling(run: DueRun, told: DueRun[]): Telling {
		const { sink, now } = this.options;
		return {
			isStart: run.isNew,
			send: () => sink.report(run.snapshot),
			told: () => {
				this.toldAt.set(run.number, now());
				this.moved.delete(run.number);
				told.push(run);
			},
			// It is not to fill the log.
			failed: () => void this.toldAt.set(run.number, now()),
		};
	}
}
