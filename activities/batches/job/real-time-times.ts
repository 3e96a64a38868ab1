import { LANE_MARGIN_MS, REAL_TIME_P99_MS } from "#domain/batching/lane.ts";
import type { RealTimeTimes } from "./real-time.ts";

export const REAL_TIME_TIMES: RealTimeTimes = {
	workMs: 60_000,
	callMs: 600_000,
	claimMs: 30_000,
	keepMs: 1_000,
	stopMs: 20_000,
	realTimeP99Ms: REAL_TIME_P99_MS,
	marginMs: LANE_MARGIN_MS,
};
