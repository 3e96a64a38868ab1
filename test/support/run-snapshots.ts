import type { RunState } from "#domain/agents/run.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";

export const OPENED_AT_MS = Date.parse("2026-11-26T10:00:00Z");

/** A loop that holds the run itself. */
export const LOOP_HOLD: RunHold = {
	state: "paused",
	guard: "loop.repetition",
	evidence: 'the call `search({"q":"x"})` and its result repeated 9 times in 9 steps',
	measured: "9",
	threshold: "9",
	ofRunId: "r-7",
	pauseId: "pau_0123456789abcdef",
	askAgainMs: 900_000,
	by: "gateway g1",
};

export type SnapshotFacts = {
	readonly runId?: string;
	readonly version?: number;
	readonly state?: RunState;
	/** Default: a loop where it is paused or stopped. */
	readonly hold?: RunHold | null;
	readonly heldAtMs?: number | null;
	/** When PostgreSQL read it. Default: a minute after it was opened. */
	readonly readAtMs?: number;
	readonly steps?: number;
	readonly pauseHours?: number;
	readonly more?: Partial<RunSnapshot>;
};

/** A run of team search as PostgreSQL would tell it. */
export function snapshotOf(facts: SnapshotFacts = {}): RunSnapshot {
	const { runId = "r-7", version = 1, state = "running", readAtMs = OPENED_AT_MS + 60_000, steps = 9, pauseHours, more = {} } = facts;
	const isHeld = state === "paused" || state === "stopped";
	const hold = facts.hold === undefined ? (isHeld ? { ...LOOP_HOLD, ofRunId: runId, state } : null) : facts.hold;
	return {
		run: {
			number: "7",
			runId,
			teamId: "search",
			keyId: "key_1",
			origin: "header",
			path: ["7"],
			limits: { costNanoUsd: { hard: { at: "5000000000", action: "pause" } } },
			state,
			hold,
			version: String(version),
			forgiven: 0,
			openedMsAgo: readAtMs - OPENED_AT_MS,
			pausedMs: 0,
			children: 0,
			onLoop: "pause",
		},
		rootRunId: runId,
		parentRunId: null,
		openedAtMs: OPENED_AT_MS,
		heldAtMs: facts.heldAtMs === undefined ? (isHeld ? OPENED_AT_MS + 50_000 : null) : facts.heldAtMs,
		...(pauseHours !== undefined && { pauseHours }),
		totals: { costNanoUsd: "120000000", inputTokens: 1_200, outputTokens: 300, steps, outputBytes: 4_096, toolCalls: { search: steps } },
		ceilings: [{ ofRunId: runId, kind: "costNanoUsd", at: "5000000000", taken: "120000000" }],
		steps: [
			{ atMs: OPENED_AT_MS + 40_000, requestId: "req_8", model: "gpt-test", costNanoUsd: "13000000", tokens: 160, outcome: "settled" },
			{ atMs: OPENED_AT_MS + 49_000, requestId: "req_9", model: "gpt-test", costNanoUsd: "14000000", tokens: 170, outcome: "settled" },
		],
		events: [
			{ seq: "1", atMs: OPENED_AT_MS, kind: "opened", detail: { origin: "header" } },
			...(isHeld
				? [{ seq: "2", atMs: OPENED_AT_MS + 50_000, kind: state, detail: { guard: "loop.repetition", by: "gateway g1", evidence: LOOP_HOLD.evidence } }]
				: []),
		],
		...more,
	};
}
