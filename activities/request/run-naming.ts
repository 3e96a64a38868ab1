import type { RunClaim } from "../runs/port.ts";

/** What a call says of itself as a step of an agent run, by headers. */
export type RunNaming = {
	/** null: it names no run. */
	readonly claim: RunClaim;
	/** Who acts in the tree of agents; "" where nothing is said. */
	readonly agent: string;
};

/** Of the calls of a key that requires a run, where they say nothing. */
export const NAMES_NO_RUN: RunNaming = { claim: null, agent: "" };
