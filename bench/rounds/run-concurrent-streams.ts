import type { RunningLane } from "../lanes/lane.ts";
import type { LoadGenerator } from "./load-generator.ts";
import type { WindowRecord } from "./window-record.ts";

export type ConcurrentStreams = { readonly lane: RunningLane["name"]; readonly streams: number; readonly right: number; readonly isVoid: boolean };

/** Shorter than a stream, so that each connection carries exactly one. */
const WINDOW_MS = 300;

/** So many streams at once, until one of them loses, changes or reorders a byte; the last entry is where it ended. */
export async function runConcurrentStreams(run: {
	readonly generator: LoadGenerator;
	readonly lane: RunningLane;
	readonly counts: readonly number[];
	readonly onWindow: (record: WindowRecord) => void;
}): Promise<ConcurrentStreams[]> {
	const { generator, lane, counts, onWindow } = run;
	const reached: ConcurrentStreams[] = [];
	for (const streams of counts) {
		const load = { latencyMs: 0, isStream: true, prompt: 256, connections: streams, ratePerSecond: undefined, durationMs: WINDOW_MS } as const;
		const record = await generator.measure(lane, load, { scenario: "concurrent-streams", round: streams, part: 0 });
		onWindow(record);
		reached.push({ lane: lane.name, streams, right: record.right, isVoid: record.voidBecause.length > 0 });
		if (record.right !== streams) break;
	}
	return reached;
}
