import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** What a role tells of itself. */
export type RoleObserver = {
	/** Temporal went away or came back. */
	reachabilityChanged(isReachable: boolean, cause: unknown): void;
	/** PostgreSQL went away or came back, or the role was taken or lost. */
	roleChanged(isHeld: boolean, cause: unknown): void;
	/** A look, or telling one of those it found, failed for a reason that is no outage; it is tried again all the same. */
	failed(error: unknown): void;
};

export type RoleLoopOptions = {
	/** Whether this process holds the role, by an advisory lock of its session. */
	readonly tryLock: () => Promise<boolean>;
	/** One look, and what may be told until the next; only while the role is held. */
	readonly look: () => Promise<void>;
	readonly observer: RoleObserver;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** From the beginning of one look to that of the next, at least; asked after each. */
	readonly intervalMs: () => number;
	/** The role was taken or lost: another one may have told more meanwhile. */
	readonly onRoleChange?: () => void;
};

/**
 * A role that one process in the whole system has: it looks again and again, and tells Temporal what it found. An outage is told to the
 * observer once, when it begins and when it is over; nothing is lost meanwhile, since what was not told is found again.
 */
export class RoleLoop {
	private readonly options: RoleLoopOptions;
	private isHeld = false;
	private isTemporalReachable = true;
	private timer: NodeJS.Timeout | undefined;
	private running: Promise<void> = Promise.resolve();
	/** No more looks; the one under way may end early. */
	isStopped = false;

	constructor(options: RoleLoopOptions) {
		this.options = options;
	}

	start(delayMs = this.options.intervalMs()): void {
		const { now, observer, intervalMs } = this.options;
		this.timer = setTimeout(() => {
			const beganAtMs = now();
			this.running = this.cycle()
				.catch((error: unknown) => observer.failed(error))
				.finally(() => {
					if (!this.isStopped) this.start(Math.max(0, beganAtMs + intervalMs() - now()));
				});
		}, delayMs);
	}

	/** Resolves when the cycle under way is over. */
	async stop(): Promise<void> {
		this.isStopped = true;
		clearTimeout(this.timer);
		await this.running;
	}

	/** One look, where the role is held. An outage of PostgreSQL is told to the observer, anything else rejects. */
	async cycle(): Promise<void> {
		try {
			// Asked every time: the session's lock is counted, and a connection that was lost and reopened has none.
			const isHeld = await this.options.tryLock();
			this.changeRole(isHeld, undefined);
			if (isHeld) await this.options.look();
		} catch (error) {
			if (!(error instanceof CostControlError && error.isRetryable)) throw error;
			this.changeRole(false, error);
		}
	}

	/** Temporal took what it was told. */
	temporalAnswered(): void {
		this.changeReachability(true, undefined);
	}

	/** Telling Temporal failed: true where it is away, which holds for whatever else there is to tell. What is wrong with one alone is told and must not silence the others. */
	isAway(error: unknown): boolean {
		const isAway = error instanceof CostControlError && error.code === "governance.unreachable";
		if (isAway) this.changeReachability(false, error);
		else this.options.observer.failed(error);
		return isAway;
	}

	private changeRole(isHeld: boolean, cause: unknown): void {
		if (this.isHeld === isHeld) return;
		this.isHeld = isHeld;
		this.options.onRoleChange?.();
		this.options.observer.roleChanged(isHeld, cause);
	}

	private changeReachability(isReachable: boolean, cause: unknown): void {
		if (this.isTemporalReachable === isReachable) return;
		this.isTemporalReachable = isReachable;
		this.options.observer.reachabilityChanged(isReachable, cause);
	}
}
