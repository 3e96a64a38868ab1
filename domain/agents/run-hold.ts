import type { RunGuardName } from "./run.ts";

/** Why a run stands still. Amounts are decimal strings in the unit of the guard. */
export type RunHold = {
	readonly state: "paused" | "stopped";
	readonly guard: RunGuardName;
	/** Of a ceiling on tool calls. */
	readonly tool?: string;
	/** What was seen, in one sentence without a full stop. */
	readonly evidence: string;
	readonly measured: string;
	readonly threshold: string;
	/** The run whose ceiling it is; the run's own id for loops and persons. */
	readonly ofRunId: string;
	/** "pau_" and 16 hexadecimal digits, made by the gateway that held it; null where a person stopped it. */
	readonly pauseId: string | null;
	/** Milliseconds until asking again may help; null = a person has to act, and nobody can say when. */
	readonly askAgainMs: number | null;
	/** `gateway <id>`, or the person. */
	readonly by: string;
};
