// Loaded into a worker process (NODE_OPTIONS): the jobs of batches wait a two hundredth of their time, so that a day of a provider whose
// clock runs faster fits into a test. Everything else of the worker is what production runs.
import { registerHooks } from "node:module";

const REPLACED = [
	["/clients/batch-job-client.ts", "const { eventsPerRun, pacePermille, client }", "const { eventsPerRun, pacePermille = 5, client }"],
	["/activities/batches/job/batch-starter.ts", "TOLD_AGAIN_MS = 60_000", "TOLD_AGAIN_MS = 2_000"],
];

registerHooks({
	load(url, context, nextLoad) {
		const loaded = nextLoad(url, context);
		const replaced = REPLACED.find(([file]) => url.endsWith(file));
		if (replaced === undefined) return loaded;
		const [file, stated, instead] = replaced;
		const source = String(loaded.source);
		if (!source.includes(stated)) throw new Error(`${file} does not say "${stated}" any more`);
		return { ...loaded, source: source.replace(stated, instead) };
	},
});
