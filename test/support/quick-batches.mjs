// Loaded into a worker process (NODE_OPTIONS): the jobs of batches, and those who collect, wait a two hundredth of their time, so that a day of a provider whose
// clock runs faster fits into a test. Everything else of the worker is what production runs.
import { registerHooks } from "node:module";

const REPLACED = [
	["/clients/batch-job-client.ts", "const { eventsPerRun, pacePermille, client }", "const { eventsPerRun, pacePermille = 5, client }"],
	["/workers/batch-collectors.ts", "pacePermille = 1_000 }", "pacePermille = 5 }"],
	["/activities/batches/job/batch-starter.ts", "TOLD_AGAIN_MS = 60_000", "TOLD_AGAIN_MS = 2_000"],
	["/activities/batches/store/turnaround.ts", "KEPT_MS = 60_000", "KEPT_MS = 2_000"],
	["/domain/batching/turnaround.ts", "BATCH_WINDOW_MS = 24 * 3_600_000", "BATCH_WINDOW_MS = 10_000"],
	["/domain/batching/turnaround.ts", "SAMPLES_MIN = 100", "SAMPLES_MIN = 3"],
	["/domain/batching/lane.ts", "LANE_MARGIN_MS = 5 * 60_000", "LANE_MARGIN_MS = 1_600_000"],
	["/domain/batching/lane.ts", "REAL_TIME_P99_MS = 60_000", "REAL_TIME_P99_MS = 400_000"],
	["/domain/batching/deferred.ts", "DEADLINE_MIN_MS = 60_000", "DEADLINE_MIN_MS = 1_000"],
];

registerHooks({
	load(url, context, nextLoad) {
		const loaded = nextLoad(url, context);
		const replaced = REPLACED.filter(([file]) => url.endsWith(file));
		if (replaced.length === 0) return loaded;
		const source = replaced.reduce((text, [file, stated, instead]) => {
			if (!text.includes(stated)) throw new Error(`${file} does not say "${stated}" any more`);
			return text.replace(stated, instead);
		}, String(loaded.source));
		return { ...loaded, source };
	},
});
