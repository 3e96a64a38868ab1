import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export type RepeatedJob = { readonly name: string; readonly everyMs: number; readonly work: () => Promise<void> };

/** Runs a job now and again after each pause, one at a time. An outage is logged once; the job goes on being tried. Returns how to stop. */
export function repeat(job: RepeatedJob, log: Pick<Logger, "warn" | "error" | "info">): () => Promise<void> {
	const stopping = new AbortController();
	const loop = async (): Promise<void> => {
		let isFailing = false;
		while (!stopping.signal.aborted) {
			try {
				await job.work();
				if (isFailing) log.info({ job: job.name }, "a repeated job works again");
				isFailing = false;
			} catch (error) {
				const isOutage = error instanceof CostControlError && error.isRetryable;
				if (!isOutage) log.error({ err: error, job: job.name }, "a repeated job failed");
				else if (!isFailing) log.warn({ err: error, job: job.name }, "a repeated job cannot run at the moment");
				isFailing = true;
			}
			await delay(job.everyMs, undefined, { signal: stopping.signal }).catch(() => undefined); // stopping ends the wait
		}
	};
	const running = loop();
	return async () => {
		stopping.abort();
		await running;
	};
}
