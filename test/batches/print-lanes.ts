import { parseArgs } from "node:util";
import { decideLane, type LaneConditions } from "#domain/batching/lane.ts";
import { TurnaroundHistory } from "#domain/batching/turnaround.ts";
import { createRandom } from "#test/faults/random.ts";
import { costShare, type LaneFigures, lateShareOf, renderFigures } from "./lane-figures.ts";
import { createLaneWorld, type LaneWorld, MINUTE_MS, REAL_TIME_P99_MS, STARTS_AT_MS } from "./lane-generator.ts";
import { ALWAYS_BATCH, ALWAYS_REAL_TIME, OUR_POLICY, playPolicy, WINDOW_RULE, WITHOUT_HEDGE, WORLD_LIMITS } from "./lane-simulation.ts";

// `node test/batches/print-lanes.ts --seed S`: what each way to choose a lane costs, and how much of it comes late, over one seeded world. Last
// line: one JSON object with `ok`, `seed` and figures. Exit code 0: docs/batch-lanes.md holds; 1: it does not; 2: it could not be run.

const HELP = `node test/batches/print-lanes.ts [--seed S] [--days D] [--items N]
  --seed S    a whole number; default: of the clock, and printed
  --days D    3 to 60; default 21
  --items N   a day, 10 to 10000; default 1200
`;

/** Of the price of real time. */
const COST_SHARE_MAX = 0.8;

type Options = { readonly seed: number; readonly days: number; readonly itemsPerDay: number };

function readOptions(): Options | undefined {
	const text = { type: "string" } as const;
	try {
		const { values } = parseArgs({ options: { seed: text, days: text, items: text, help: { type: "boolean" } } });
		const [seed, days, itemsPerDay] = [Number(values.seed ?? Date.now() % 2 ** 31), Number(values.days ?? 21), Number(values.items ?? 1_200)];
		const isWhole = (value: number, lowest: number, highest: number): boolean => Number.isInteger(value) && value >= lowest && value <= highest;
		const isRight = !values.help && isWhole(seed, 0, 2 ** 32) && isWhole(days, 3, 60) && isWhole(itemsPerDay, 10, 10_000);
		return isRight ? { seed, days, itemsPerDay } : undefined;
	} catch (error) {
		process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
		return undefined;
	}
}

/** A history with all it keeps of one hour, and a decision by it; microseconds each. */
function timeDecisions(world: LaneWorld): { readonly estimateMicroseconds: number; readonly decisionMicroseconds: number } {
	const history = new TurnaroundHistory();
	const random = createRandom(world.seed);
	for (let at = 0; at < 1_000; at += 1) {
		history.noteSubmitted(`batch-${at}`, STARTS_AT_MS + at * 1_000);
		if (at < 700) history.noteEnded(`batch-${at}`, { atMs: STARTS_AT_MS + at * 1_000 + world.turnaroundMs(STARTS_AT_MS, random), isCancelled: false });
	}
	const nowMs = STARTS_AT_MS + 60 * MINUTE_MS;
	const estimate = () => history.estimate({ submitAtMs: STARTS_AT_MS, nowMs });
	const conditions: LaneConditions = { turnaround: estimate(), fillWaitMs: 15 * MINUTE_MS, realTimeP99Ms: REAL_TIME_P99_MS, limits: WORLD_LIMITS };
	return {
		estimateMicroseconds: microsecondsOf(2_000, () => void estimate()),
		decisionMicroseconds: microsecondsOf(
			200_000,
			(at) => void decideLane({ nowMs, ...(world.items[at % world.items.length] as LaneWorld["items"][number]) }, conditions),
		),
	};
}

function microsecondsOf(times: number, run: (at: number) => void): number {
	const startedAtMs = performance.now();
	for (let at = 0; at < times; at += 1) run(at);
	return Math.round(((performance.now() - startedAtMs) * 1_000_000) / times) / 1_000;
}

function main(): 0 | 1 | 2 {
	const options = readOptions();
	if (options === undefined) {
		process.stdout.write(HELP);
		return 2;
	}
	const world = createLaneWorld(options);
	const [realTime, batch, windowRule, unhedged, ours] = [ALWAYS_REAL_TIME, ALWAYS_BATCH, WINDOW_RULE, WITHOUT_HEDGE, OUR_POLICY].map((policy) =>
		playPolicy(world, policy),
	) as [LaneFigures, LaneFigures, LaneFigures, LaneFigures, LaneFigures];
	process.stdout.write(`${renderFigures([realTime, windowRule, ours, unhedged, batch], realTime)}\n`);
	process.stdout.write(`why: ${JSON.stringify(ours.reasons)}\nby the turnaround of: ${JSON.stringify(ours.sources)}\n`);
	const share = costShare(ours, realTime);
	const isInTime = ours.late <= realTime.late && ours.late <= batch.late;
	const isRight = share <= COST_SHARE_MAX && isInTime && [realTime, batch, windowRule, ours].every(({ notDeliveredOnce }) => notDeliveredOnce === 0);
	const { duplicates, hedged, items } = ours;
	const figures = { items, costShare: share, lateShare: lateShareOf(ours), lateShareRealTime: lateShareOf(realTime), lateShareBatch: lateShareOf(batch) };
	process.stdout.write(`${JSON.stringify({ ok: isRight, ...options, ...figures, hedged, duplicates, ...timeDecisions(world) })}\n`);
	return isRight ? 0 : 1;
}

process.exitCode = main();
