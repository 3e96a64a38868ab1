import type { ConcurrentStreams } from "../rounds/run-concurrent-streams.ts";
import { FRONTIER_BOUNDS_MS, type Frontier, highestRate } from "../rounds/run-frontier.ts";
import { textTable } from "./text-table.ts";

/** What stands beside the lanes' tables: frontiers and concurrent streams, where they were measured. */
export function describeSides({
	frontiers,
	concurrentStreams,
}: {
	readonly frontiers: readonly Frontier[];
	readonly concurrentStreams: readonly ConcurrentStreams[];
}): string[] {
	const bounds = FRONTIER_BOUNDS_MS.map((bound) => `<= ${bound} ms`);
	const frontierRows = frontiers.map(({ lane, rungs }) => [lane, ...FRONTIER_BOUNDS_MS.map((bound) => String(highestRate(rungs, bound)))]);
	const lanes = [...new Set(concurrentStreams.map(({ lane }) => lane))];
	const streamRows = lanes.map((lane) => {
		const reached = concurrentStreams.filter((entry) => entry.lane === lane);
		const whole = reached.filter(({ streams, right }) => streams === right).at(-1);
		return [lane, String(whole?.streams ?? 0), reached.some(({ isVoid }) => isVoid) ? "core 1 was full in one of them" : ""];
	});
	if (frontiers.length === 0 && concurrentStreams.length === 0) return [];
	return [
		"frontier: highest rate, calls a second, at which no call fails and added p99 stays within",
		...textTable(["lane", ...bounds], frontierRows),
		"",
		"most concurrent streams tried with no byte lost or reordered",
		...textTable(["lane", "streams", ""], streamRows),
		"",
	];
}
