import { isRunning, type ProcessIdentity, signalProcess, waitForEnd } from "#activities/process/identity.ts";

/** One life of a supervised process, from ready to gone. */
export type Life = {
	readonly identity: ProcessIdentity;
	/** What the process said when it was ready; empty for those that say nothing. */
	readonly report: Readonly<Record<string, unknown>>;
	/** Settles when the process is gone, with how it ended. */
	readonly ended: Promise<string>;
};

export type Service = {
	readonly name: string;
	/** Starts a process and waits until it serves; rejects when it ends before. `life` counts from 1. */
	start(life: number, onSpawn: (identity: ProcessIdentity) => void): Promise<Life>;
	/** Signals in order, each with the time the process has before the next. */
	readonly stopSteps: readonly (readonly [signal: NodeJS.Signals, patienceMs: number])[];
};

export type ServiceEvents = {
	/** A process was started or is gone: what is recorded about this system has changed. */
	onChange(): void;
	onProgress(line: string): void;
};

export type KeptService = {
	readonly name: string;
	/** The first start; waits until it serves. @throws what that start throws, and then does not try again. */
	start(): Promise<Life>;
	/** The process, from its spawn on; null between two lives. */
	identity(): ProcessIdentity | null;
	/** Null until it serves. */
	life(): Life | null;
	stop(): Promise<void>;
};

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 15_000;
// A process that served this long did not die of its start.
const HEALTHY_AFTER_MS = 30_000;

/**
 * A service that is started again whenever it ends: after 0.1 s the first time, twice as long each time it does not live for
 * 30 s, at most 15 s. Later failures are told through `onProgress` and tried again.
 */
export function keepAlive(service: Service, events: ServiceEvents): KeptService {
	return new Keeper(service, events);
}

class Keeper implements KeptService {
	readonly name: string;
	readonly #service: Service;
	readonly #events: ServiceEvents;
	#lives = 0;
	#delayMs = FIRST_DELAY_MS;
	#identity: ProcessIdentity | null = null;
	#life: Life | null = null;
	#isStopping = false;
	#pendingStart: Promise<unknown> = Promise.resolve();
	#wake: () => void = () => {};

	constructor(service: Service, events: ServiceEvents) {
		this.name = service.name;
		this.#service = service;
		this.#events = events;
	}

	identity(): ProcessIdentity | null {
		return this.#identity;
	}

	life(): Life | null {
		return this.#life;
	}

	async start(): Promise<Life> {
		try {
			const life = await this.#startOne();
			void this.#watch();
			return life;
		} catch (error) {
			await this.stop();
			throw error;
		}
	}

	async stop(): Promise<void> {
		this.#isStopping = true;
		this.#wake();
		if (this.#identity !== null) await endProcess(this.#identity, this.#service.stopSteps);
		// A start that had no process yet ends the one it makes, and rejects.
		await Promise.allSettled([this.#pendingStart]);
		this.#forget();
	}

	#startOne(): Promise<Life> {
		const start = this.#startLife();
		this.#pendingStart = start;
		return start;
	}

	async #startLife(): Promise<Life> {
		this.#lives += 1;
		const life = await this.#service.start(this.#lives, (identity) => {
			this.#identity = identity;
			this.#events.onChange();
			// Stopped while it was being started.
			if (this.#isStopping) signalProcess(identity.pid, "SIGKILL");
		});
		this.#life = life;
		this.#events.onChange();
		return life;
	}

	async #watch(): Promise<void> {
		while (!this.#isStopping) {
			if (this.#life !== null) await this.#waitForDeath(this.#life);
			if (this.#isStopping) return;
			await this.#pause();
			if (this.#isStopping) return;
			try {
				await this.#startOne();
				this.#events.onProgress(`${this.name} runs again`);
			} catch (error) {
				this.#forget();
				this.#events.onProgress(`${this.name} does not start: ${error instanceof Error ? error.message : String(error)}`);
			}
		}
	}

	async #waitForDeath(life: Life): Promise<void> {
		const readyAt = performance.now();
		const how = await life.ended;
		if (this.#isStopping) return;
		if (performance.now() - readyAt > HEALTHY_AFTER_MS) this.#delayMs = FIRST_DELAY_MS;
		this.#forget();
		this.#events.onProgress(`${this.name} ended (${how}); starting it again`);
	}

	async #pause(): Promise<void> {
		await new Promise<void>((resolve) => {
			this.#wake = resolve;
			setTimeout(resolve, this.#delayMs);
		});
		this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_DELAY_MS);
	}

	#forget(): void {
		this.#identity = null;
		this.#life = null;
		this.#events.onChange();
	}
}

/** Ends a process by its identity, step by step. @throws Error when even the last signal leaves it running. */
export async function endProcess(identity: ProcessIdentity, steps: Service["stopSteps"]): Promise<void> {
	for (const [signal, patienceMs] of steps) {
		if (!(await isRunning(identity))) return;
		signalProcess(identity.pid, signal);
		if (await waitForEnd(identity, patienceMs)) return;
	}
	throw new Error(`process ${identity.pid} does not end`);
}
