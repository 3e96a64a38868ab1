import type { LaneName } from "./lanes/lane.ts";
import type { Prompt } from "./lanes/probe.ts";

export type ScenarioName = "caller-1" | "callers-16" | "peak" | "prompt-4k" | "prompt-64k" | "agent-step" | "stream";

/** One kind of window, run through each of its lanes in every round. */
export type Scenario = {
	readonly name: ScenarioName;
	readonly title: string;
	readonly lanes: readonly LaneName[];
	readonly latencyMs: number;
	readonly isStream: boolean;
	readonly prompt: Prompt;
	/** Connections at most. */
	readonly connections: number;
	/** undefined: a closed loop, which is how a peak is found and nothing else. */
	readonly ratePerSecond: number | undefined;
	/** Length of a window in a quick pass and in a full one. */
	readonly quickMs: number;
	readonly fullMs: number;
	/** In a full pass a window is measured in so many parts, its lanes taking turns, so that what is compared lies seconds apart. Default 1. */
	readonly fullParts?: number;
	/**
	 * The same calls right before each part, not measured; `after-each-other`: one after the other, as many as can be, where one of the lanes serves little
	 * else; `paced`: as in the window, where what opens connections after a pause would be a share of the slowest calls.
	 */
	readonly leadIn?: { readonly quickMs: number; readonly fullMs: number; readonly pace: "after-each-other" | "paced" };
};

const ALL = ["direct", "floor", "bare", "governed", "governed-8", "governed-10k", "portkey", "litellm"] as const;
const SHORT = ["direct", "floor", "governed", "portkey", "litellm"] as const;
const WHOLE = { isStream: false, prompt: 256, latencyMs: 0 } as const;
/** One connection is enough but where a gateway stalls: a stall of 100 ms is to be measured, not to make the window void. */
/**
 * A gateway that writes its journal in turns leaves a tenth of its core idle with 64, because all of them wait for the provider together; with 256 every lane
 * serves fewer.
 */
export const PEAK_CONNECTIONS = 128;
const ONE_CALLER = { ratePerSecond: 400, connections: 64 } as const;

/**
 * One caller at a time is an arrival every 2.5 ms; 16 callers on a provider that takes 20 ms are 700 calls a second, which keeps
 * about 15 under way. Both are open loops: a gateway that stalls does not slow down those who come.
 */
export const SCENARIOS: readonly Scenario[] = [
	{ name: "caller-1", title: "1 caller, provider at once", lanes: ALL, ...WHOLE, ...ONE_CALLER, quickMs: 500, fullMs: 12_000, fullParts: 3 },
	{
		name: "callers-16",
		title: "16 callers, provider 20 ms",
		lanes: ALL,
		...WHOLE,
		latencyMs: 20,
		connections: 256,
		ratePerSecond: 700,
		quickMs: 700,
		fullMs: 15_000,
		fullParts: 10,
		leadIn: { quickMs: 0, fullMs: 500, pace: "paced" },
	},
	{
		name: "peak",
		title: "most calls a second on one core",
		lanes: ALL,
		...WHOLE,
		connections: PEAK_CONNECTIONS,
		ratePerSecond: undefined,
		quickMs: 500,
		fullMs: 6_000,
	},
	{ name: "prompt-4k", title: "4 KB prompts, 1 caller", lanes: SHORT, ...WHOLE, ...ONE_CALLER, prompt: 4_096, quickMs: 400, fullMs: 6_000 },
	{
		name: "prompt-64k",
		title: "64 KB prompts, 1 caller",
		lanes: SHORT,
		...WHOLE,
		...ONE_CALLER,
		prompt: 65_536,
		// At 400 a second driver and provider use up what the kernel gives SCHED_RR of their core, and are late by what it keeps for others.
		ratePerSecond: 100,
		quickMs: 400,
		fullMs: 12_000,
	},
	{
		name: "agent-step",
		title: "steps of agents with tool results, 1 caller",
		lanes: ["direct", "governed", "governed-run"],
		...WHOLE,
		...ONE_CALLER,
		prompt: "step",
		quickMs: 500,
		fullMs: 12_000,
		// What a step adds to a call is small: it shows between windows that lie within two seconds, and one that the host makes void is soon run again.
		fullParts: 24,
		leadIn: { quickMs: 500, fullMs: 500, pace: "after-each-other" },
	},
	{
		name: "stream",
		title: "streams of 64 tokens, 37 begun a second",
		lanes: SHORT,
		...WHOLE,
		isStream: true,
		connections: 256,
		// With 40 a stream begins every 25 ms, tokens come every 20, and all streams move in step: a first token would wait behind a dozen others, or behind none.
		ratePerSecond: 37,
		quickMs: 500,
		fullMs: 10_000,
		fullParts: 2,
	},
];

export type Pace = {
	readonly isQuick: boolean;
	readonly rounds: number;
	/** Of each lane, before the first round. */
	readonly warmUpMs: number;
	/** How many windows that were void a round may run again, for each that it has. */
	readonly retriesPerWindow: number;
};

export const QUICK: Pace = { isQuick: true, rounds: 5, warmUpMs: 2_500, retriesPerWindow: 0.1 };
/** More and shorter rounds: what is subtracted lies closer together, and intervals are over rounds. */
export const FULL: Pace = { isQuick: false, rounds: 8, warmUpMs: 16_000, retriesPerWindow: 2 };
