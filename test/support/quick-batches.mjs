// Loaded into workers and gateways (NODE_OPTIONS): batches and their collectors wait a two hundredth of their time, so that days of a provider whose clock
// runs faster fit into a test. A batch is taken to need ten seconds where nothing is known. What a call in real time and its margin are given does not shrink
// so far: two seconds and eight, since Temporal, PostgreSQL and the machine are as slow as ever. Everything else is what production runs.
import { registerHooks } from "node:module";

const REPLACED = [
	[
		"/workers/batches.ts",
		"startBatchesRole(options: BatchesRoleOptions): BatchesRole {",
		"startBatchesRole(given: BatchesRoleOptions): BatchesRole {\nconst options: BatchesRoleOptions = { pacePermille: 5, ...given };",
	],
	["/activities/batches/job/batch-starter.ts", "TOLD_AGAIN_MS = 60_000", "TOLD_AGAIN_MS = 2_000"],
	// Less than all looks for a batch take together, as in production: what is sent after them is nobody's.
	["/activities/batches/job/job-submit.ts", "SUBMIT_WITHIN_MS = 20_000", "SUBMIT_WITHIN_MS = 500"],
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
