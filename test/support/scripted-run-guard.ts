import type { Leaving } from "#activities/request/leaving.ts";
import type { WatchedRun } from "#activities/runs/guard-port.ts";
import type { RunRecord } from "#domain/agents/run.ts";
import type { RunRoutes } from "#gateway/routes/runs.ts";

type Waiter = { readonly watched: WatchedRun; readonly waitMs: number; answer(): void };

export type ScriptedRunGuard = RunRoutes["guard"] & {
	/** Who waits, in the order of asking. */
	readonly waiting: readonly Waiter[];
	/** Trees that the routes said have changed. */
	readonly followed: string[];
	/** Answers everybody who waits for the run, as a change does. */
	wake(runId: string): void;
};

/** Waits as a guard does, over records that `find` has; time passes only where a test says so. */
export function scriptedRunGuard(find: (watched: WatchedRun) => Promise<RunRecord | undefined>): ScriptedRunGuard {
	const waiting: Waiter[] = [];
	const followed: string[] = [];
	let isDraining = false;
	const hold = (watched: WatchedRun, waitMs: number, leaving: Leaving): Promise<void> =>
		new Promise((resolve) => {
			const answer = (): void => {
				waiting.splice(waiting.indexOf(waiter), 1);
				leaving.forget(answer);
				resolve();
			};
			const waiter = { watched, waitMs, answer };
			waiting.push(waiter);
			leaving.onLeave(answer);
		});
	return {
		waiting,
		followed,
		wake(runId) {
			for (const waiter of [...waiting]) if (waiter.watched.runId === runId) waiter.answer();
		},
		follow: (rootRunIds) => void followed.push(...rootRunIds),
		beginDrain() {
			isDraining = true;
			for (const waiter of [...waiting]) waiter.answer();
		},
		async whenChanged(watched, waitMs, leaving) {
			const run = await find(watched);
			if (run === undefined || isDraining || leaving.hasLeft || watched.version !== run.version) return run;
			await hold(watched, waitMs, leaving);
			return find(watched);
		},
	};
}
