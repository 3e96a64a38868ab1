import type { Mutant } from "./mutant.ts";

/** When items that were handed in alone go: none is kept too long, lost, or sent in batches of a few. */
const PLAN = "domain/batching/collector-plan.ts";
const REDUCER = "domain/batching/collector-reducer.ts";
const STARTER = "activities/batches/collector/collector-starter.ts";
const DEFERRED = "migrations/0026_deferred.sql";
const PLAN_TEST = "test/unit/domain/batching/collector-plan.test.ts";
const STARTER_TEST = "test/unit/activities/batches/collector/collector-starter.test.ts";
const STORE_TEST = "test/integration/activities/batches/collector-store.test.ts";
const WORKFLOW_TEST = "test/workflow/batch-collector.test.ts";

export const COLLECTOR_MUTANTS: readonly Mutant[] = [
	{
		rule: "a collector sends at most every five seconds",
		file: PLAN,
		from: "const soonestMs = lastFlush === null ? 0 : lastFlush.atMs + paced(FLUSH_GAP_MS, state);",
		to: "const soonestMs = 0 * (lastFlush === null ? 0 : paced(FLUSH_GAP_MS, state));",
		test: PLAN_TEST,
		titles: ["five seconds from one flush to the next, unless it is full"],
	},
	{
		rule: "a collector that is full sends at once",
		file: PLAN,
		from: '		if (FULL.has(reason)) return { batch, kind: "flush", reason, atMs: nowMs };\n',
		to: "",
		test: PLAN_TEST,
		titles: ["five seconds from one flush to the next, unless it is full"],
	},
	{
		rule: "what is collected goes in real time whatever room the provider has",
		file: PLAN,
		from: '	if (nowMs >= realTimeAtMs) return { batch, kind: "flush", reason: "real_time", atMs: Math.max(nowMs, soonestMs) };\n',
		to: "",
		test: PLAN_TEST,
		titles: ["items that have to go in real time go all the same"],
	},
	{
		rule: "what is collected and no batch can bring in time waits for others until a call has to begin",
		file: PLAN,
		from: "earliestDeadlineMs: batch.reachableDeadlineMs };",
		to: "};",
		test: PLAN_TEST,
		titles: ["with items that no batch brings in time until a call has to begin"],
	},
	{
		rule: "a collector that was quiet is not when another item came",
		file: PLAN,
		from: 'version: reason === "quiet" ? version : null',
		to: "version: null",
		test: PLAN_TEST,
		titles: ["for quiet goes only if nothing came since; for any other reason more items change nothing"],
	},
	{
		rule: "a collector reads again before it acts on what it read long ago",
		file: PLAN,
		from: "return nowMs - readAtMs <= FRESH_MS;",
		to: "return true;",
		test: PLAN_TEST,
		titles: ["again before it acts on what it read long ago", "when it was empty for a day, and looked once more"],
	},
	{
		rule: "a collector whose flush was refused has what it had",
		file: REDUCER,
		from: "	if (items === null) return { ...state, isStale: true, failures: 0, dueAtMs: nowMs + paced(NOT_AS_READ_MS, state) };\n",
		to: '	if (items === null) return takeFlush(state, { kind: "flushed", batchId, reason, items: 0, nowMs });\n',
		test: PLAN_TEST,
		titles: ["for quiet goes only if nothing came since; for any other reason more items change nothing"],
	},
	{
		rule: "a collector is told at most once a second",
		file: STARTER,
		from: "		if (toldAtMs !== undefined && nowMs - toldAtMs < TELL_GAP_MS) return undefined;\n",
		to: "",
		test: STARTER_TEST,
		titles: ["two batches of one collector are told a second apart"],
	},
	{
		rule: "workflows are told no more often than the pace allows",
		file: "activities/shared/workflow-starter.ts",
		from: "		if (leavesAtMs >= endsAtMs) return false;\n		if (leavesAtMs > now()) await wait(leavesAtMs - now());\n",
		to: "",
		test: STARTER_TEST,
		titles: ["every collector is told once, with sums alone, no more than twenty in a second"],
	},
	{
		rule: "sums of a collector that changed say nothing of it",
		file: STARTER,
		from: "if (known?.version === version) return known;",
		to: "if (known !== undefined) return known;",
		test: STARTER_TEST,
		titles: ["nothing comes of the sums of a batch that changed: they are read again first"],
	},
	{
		rule: "what a collector holds is counted as the provider counts a file",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.collector_tally(",
		from: "sum(bytes + 256)",
		to: "sum(bytes)",
		test: STORE_TEST,
		titles: ["is the sums of its batch as the provider's limits count them: with what stands around a body, and each input of embeddings"],
	},
	{
		rule: "each input of embeddings that is collected counts",
		file: "migrations/0031_deferred_groups.sql",
		within: "CREATE FUNCTION tollgate.add_deferred_items(",
		from: "coalesce((a.item #>> '{item,embeddingInputs}')::integer, 1)",
		to: "1",
		test: STORE_TEST,
		titles: ["is the sums of its batch as the provider's limits count them: with what stands around a body, and each input of embeddings"],
	},
	{
		rule: "a collector is flushed as it was read",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.flush_collector(",
		from: "v_batch.version <> p_version OR ",
		to: "",
		test: STORE_TEST,
		titles: ["of what was read is refused when an item came since; of whatever there is it is not"],
	},
	{
		rule: "deadlines that a collector's batch cannot keep are not its deadlines",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.batches_of_collector(",
		from: " AND i.deadline >= i.held_at + p_needed_ms * interval '1 millisecond'",
		to: "",
		test: STORE_TEST,
		titles: ["tells deadlines that a batch could keep when their items came from those that only a call can"],
	},
	{
		rule: "a batch that we ended says nothing of how long collected ones take",
		file: DEFERRED,
		within: "CREATE FUNCTION tollgate.batch_turnarounds(",
		from: "coalesce(b.cancel_asked_at < p.ended_at, false)",
		to: "false",
		test: STORE_TEST,
		titles: ["is the provider's whole window where too few are known, and those that we ended count as not ended"],
	},
	{
		rule: "what is collected when its workflow is cancelled goes before it ends",
		file: "workflows/batch-collector/workflow.ts",
		from: "CancellationScope.nonCancellable(() => drive(driver, input));",
		to: "drive(driver, input);",
		test: WORKFLOW_TEST,
		titles: ["who cancels the workflow loses nothing: what waits goes, and it ends"],
		redBy: "cancelled",
	},
];
