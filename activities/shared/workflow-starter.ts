import { setTimeout as delay } from "node:timers/promises";
import { RoleLoop, type RoleObserver } from "./role-loop.ts";
import { TellPace } from "./tell-pace.ts";

export type WorkflowStarterOptions = {
	readonly source: {
		/** Whether this process is the one that tells. */
		tryLock(): Promise<boolean>;
	};
	readonly observer: RoleObserver;
	/** Monotonic milliseconds. */
	readonly now: () => number;
	/** Resolves after so long; default: a timer. */
	readonly wait?: (ms: number) => Promise<unknown>;
	/** From one look to the next, at least; each starter has a default of its own. */
	readonly intervalMs?: number;
};

/** One workflow that is to hear something. */
export type Telling = {
	/** It may have to be started: it is held to the pace of starts. */
	readonly isStart: boolean;
	/** Rejects within its own deadline when Temporal is away. */
	send(): Promise<void>;
	/** Temporal took it. */
	told(): void;
	/** Temporal answers, and it could not be told all the same; the observer knows why. */
	failed(): void;
};

/** All from different workflows. */
const IN_FLIGHT_MAX = 8;

/**
 * A role that begins workflows and tells them what PostgreSQL holds. Each look finds anew what is to be told, and tells of it what may be told
 * before the next look is due. With Temporal away nothing is lost: whatever was not told is found again.
 */
export abstract class WorkflowStarter<Options extends WorkflowStarterOptions> {
	protected readonly options: Options;
	private readonly defaultIntervalMs: number;
	private readonly pace = new TellPace();
	private readonly loop: RoleLoop;

	constructor(options: Options, defaultIntervalMs: number) {
		this.options = options;
		this.defaultIntervalMs = defaultIntervalMs;
		const { source, observer, now } = options;
		this.loop = new RoleLoop({ tryLock: () => source.tryLock(), look: () => this.look(), observer, now, intervalMs: () => this.intervalMs });
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

	protected abstract look(): Promise<void>;

	/** At the beginning of a look: it ends when the next one is due. */
	protected beginRound(): TellingRound {
		const { now, wait = delay } = this.options;
		return new TellingRound({ loop: this.loop, pace: this.pace, now, wait, endsAtMs: now() + this.intervalMs });
	}

	private get intervalMs(): number {
		return this.options.intervalMs ?? this.defaultIntervalMs;
	}
}

type RoundParts = {
	readonly loop: RoleLoop;
	readonly pace: TellPace;
	readonly now: () => number;
	readonly wait: (ms: number) => Promise<unknown>;
	readonly endsAtMs: number;
};

/** What is told between two looks: a few at a time, at the pace of all. */
class TellingRound {
	private readonly parts: RoundParts;
	private readonly inFlight = new Set<Promise<void>>();
	private isAway = false;

	constructor(parts: RoundParts) {
		this.parts = parts;
	}

	/** Waits until another one may be on its way. False: Temporal is away or the role ends, and no more is told. */
	async hasPlace(): Promise<boolean> {
		if (this.inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.inFlight);
		return !this.isAway && !this.parts.loop.isStopped;
	}

	/** Waits until it may leave, not for its answer. False: that would be after the next look. */
	async tell(telling: Telling): Promise<boolean> {
		const { pace, now, wait, endsAtMs } = this.parts;
		const leavesAtMs = pace.freeAtMs(now(), telling.isStart);
		if (leavesAtMs >= endsAtMs) return false;
		if (leavesAtMs > now()) await wait(leavesAtMs - now());
		const arrived = pace.take(telling.isStart);
		const answered = this.send(telling).then(() => arrived(now()));
		this.inFlight.add(answered);
		void answered.finally(() => this.inFlight.delete(answered));
		return true;
	}

	/** Until every answer is there. */
	async end(): Promise<void> {
		await Promise.all(this.inFlight);
	}

	private async send(telling: Telling): Promise<void> {
		const { loop } = this.parts;
		try {
			await telling.send();
		} catch (error) {
			if (loop.isAway(error)) this.isAway = true;
			else telling.failed();
			return;
		}
		loop.temporalAnswered();
		telling.told();
	}
}
