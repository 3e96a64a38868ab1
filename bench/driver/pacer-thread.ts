import { parentPort } from "node:worker_threads";
import type { PacerOrder } from "./pacer.ts";

/** The thread of bench/driver/pacer.ts: sleeps until a call is due, counts it, says so. */
const sleeping = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on("message", ({ schedule, startsAtNs, due }: PacerOrder) => {
	for (let next = 0; next < schedule.length; ) {
		const elapsedMs = Number(process.hrtime.bigint() - startsAtNs) / 1e6;
		const aheadMs = (schedule[next] ?? 0) - elapsedMs;
		// Nobody ever changes the value slept on: the wait ends by its time alone.
		if (aheadMs > 0) Atomics.wait(sleeping, 0, 0, aheadMs);
		else {
			while (next < schedule.length && (schedule[next] ?? 0) <= elapsedMs) next += 1;
			Atomics.store(due, 0, next);
			parentPort?.postMessage(null);
		}
	}
});
