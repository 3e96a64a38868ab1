import type { Ceiling, HardAction } from "./ceilings.ts";

/** What holds for the runs of a team. */
export type RunPolicy = {
	/** Limits of a root that states none. */
	readonly limits: readonly Ceiling[];
	/** What registering and raising may ask for at most; none = the team's budgets alone. */
	readonly most: readonly Ceiling[];
	/** Roots that a key may begin within an hour. */
	readonly newRunsPerHour: number;
	/** Hours after which a pause that nobody answered becomes a stop. */
	readonly pauseHours: number;
	/** What a loop does to a run. */
	readonly onLoop: HardAction;
};

/** Of a team that says nothing. No ceiling on steps: it would be a second window on every call. */
export const DEFAULT_RUN_POLICY: RunPolicy = {
	limits: [
		{ kind: "costNanoUsd", hard: { at: 20_000_000_000n, action: "pause" } },
		{ kind: "elapsedMs", hard: { at: 86_400_000n, action: "pause" } },
		{ kind: "depth", hard: { at: 8n, action: "pause" } },
		{ kind: "width", hard: { at: 100n, action: "pause" } },
	],
	most: [],
	newRunsPerHour: 1_000,
	pauseHours: 168,
	onLoop: "pause",
};
