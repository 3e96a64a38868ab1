import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Schedule } from "./schedule.ts";

/** What is handed to the thread: the schedule, when it starts on the clock of process.hrtime, and the counter of calls that are due. */
export type PacerOrder = { readonly schedule: Schedule; readonly startsAtNs: bigint; readonly due: Int32Array<SharedArrayBuffer> };

/**
 * Keeps the time of a window in a thread of its own: timers of the event loop are good to a millisecond, which is longer
 * than what is measured; a thread that sleeps on a shared counter is good to some tens of microseconds and burns nothing.
 */
export class Pacer {
	private readonly worker = new Worker(new URL("./pacer-thread.ts", import.meta.url));
	private onDue: (() => void) | undefined;

	constructor() {
		this.worker.on("message", () => this.onDue?.());
		this.worker.unref();
	}

	/** Calls `onDue` whenever more calls are due, with their total so far; the last time when all are. */
	start(order: Omit<PacerOrder, "due">, onDue: (dueCount: number) => void): void {
		const due = new Int32Array(new SharedArrayBuffer(4));
		this.onDue = () => onDue(Atomics.load(due, 0));
		this.worker.postMessage({ ...order, due } satisfies PacerOrder);
	}

	async close(): Promise<void> {
		this.onDue = undefined;
		const ended = once(this.worker, "exit");
		await this.worker.terminate();
		await ended;
	}
}
