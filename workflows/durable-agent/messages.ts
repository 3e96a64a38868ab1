import { defineQuery, defineSignal } from "@temporalio/workflow";
import type { RunState } from "#domain/agents/run.ts";

/**
 * The wire contract of the durable agent: what its workflow takes, tells and asks of the user's activities. Names here are
 * persisted by Temporal: never renamed, never reused. Numbers and references only: what people and models say stays in the
 * transcript, under keys that follow from run, step and call.
 */
export const DURABLE_AGENT_WORKFLOW = "durableAgentWorkflow";

const WORKFLOW_ID_PREFIX = "durable-agent/";

/** One workflow a run: started twice under this id, Temporal refuses the second. */
export function durableAgentWorkflowId(runId: string): string {
	return WORKFLOW_ID_PREFIX + runId;
}

export const AGENT_PROTOCOLS = ["chat/completions", "messages"] as const;
export type AgentProtocol = (typeof AGENT_PROTOCOLS)[number];

/** Names of activities that are not tools. */
export const AGENT_ACTIVITY_NAMES = ["registerRun", "callModel", "readRun", "finishRun"] as const;

export type ToolDefinition = {
	/** 1 to 64 of A-Z a-z 0-9 _ -; the activity of this name on the workflow's task queue runs it. */
	readonly name: string;
	readonly description: string;
	/** JSON Schema of its arguments, an object. */
	readonly parameters: Readonly<Record<string, unknown>>;
	/** Longest one attempt may take; default `toolTimeoutMs` of the agent. */
	readonly timeoutMs?: number;
	/** It may run twice: an attempt of which nobody knows how it ended is run again. Default false: the model is told that nobody knows. */
	readonly isIdempotent?: boolean;
	/** Attempts in all, where it fails; default 3. */
	readonly attemptsMax?: number;
};

/** `ref`: a key of the transcript store that holds `{"system"?, "user"}` as JSON. */
export type AgentPrompt = { readonly system?: string; readonly user: string } | { readonly ref: string };

export type DurableAgentInput = {
	/** 1 to 128 of A-Z a-z 0-9 . _ : -, and nobody else's in the whole deployment, like a UUID. */
	readonly runId: string;
	/** Run above it, whose ceilings it draws from. */
	readonly parentRunId?: string;
	readonly feature?: string;
	/** Who acts in the tree of agents, `x-tollgate-agent`; default nobody. */
	readonly agent?: string;
	readonly prompt: AgentPrompt;
	readonly model: string;
	/** Default "messages" for models whose name begins with "claude", else "chat/completions". */
	readonly protocol?: AgentProtocol;
	readonly tools: readonly ToolDefinition[];
	/** Ceilings of the run, as of `POST /v1/runs`; default those of the team. */
	readonly limits?: Readonly<Record<string, unknown>>;
	/** Model calls in all; default without a limit of its own: the run's ceilings hold. */
	readonly maxSteps?: number;
	/** Of one answer; default 4,096. */
	readonly outputTokensMax?: number;
	/** Steps and waits after which the workflow begins a new run of its history; default 200. */
	readonly stepsPerRun?: number;
	/** Longest one model call may take; default 600,000. */
	readonly modelTimeoutMs?: number;
	/** Longest one attempt of a tool may take; default 300,000. */
	readonly toolTimeoutMs?: number;
	/** A worker not heard of for so long is taken for dead, and what it did is tried elsewhere; default 30,000. */
	readonly heartbeatTimeoutMs?: number;
	/** How often a step is asked again, under another key, whose outcome nobody knows; default 1. */
	readonly unknownOutcomeRetries?: number;
	/** Set by the workflow where it goes on in a new run of its history. */
	readonly state?: DurableAgentState;
};

/** What goes along into a new run of the history: plain JSON. */
export type DurableAgentState = {
	readonly version: 1;
	readonly promptRef: string;
	readonly toolsRef: string;
	/** The next one to ask, from 1. */
	readonly step: number;
	/** Of that step: 1, and one more for each time its outcome was unknown. */
	readonly attempt: number;
	readonly toolCalls: number;
	readonly costNanoUsd: string;
	/** Calls of the step before whose activity ended without telling how: the model is told so. */
	readonly lostCalls: readonly number[];
	readonly hold: AgentHold | null;
	/** Times it was looked whether the present wait is over. */
	readonly checks: number;
	/** `checkNow` came for the next wait. */
	readonly isCheckAsked: boolean;
	/** Since when budgets refuse the present step; null = they do not. */
	readonly refusedSinceMs: number | null;
};

/** Why the run stands still, as the gateway told it. */
export type AgentHold = {
	readonly state: "paused" | "stopped";
	readonly guard: string;
	readonly evidence: string;
	readonly measured: string;
	readonly threshold: string;
	readonly ofRunId: string;
	readonly pauseId: string | null;
	readonly askAgainMs: number | null;
};

export type DurableAgentOutcome =
	/** The model answered without calling a tool. */
	| "answered"
	/** The run was stopped: see `hold`. A stop may be lifted; a new workflow of the same run goes on where this one ended. */
	| "stopped"
	/** Somebody else finished the run. */
	| "finished"
	/** `maxSteps` are done. */
	| "out_of_steps";

export type DurableAgentResult = {
	readonly outcome: DurableAgentOutcome;
	readonly runId: string;
	/** Model calls that were answered. */
	readonly steps: number;
	readonly toolCalls: number;
	/** Sum of what the answers said, decimal string; an answer that came again says 0. The books have the exact sum. */
	readonly costNanoUsd: string;
	/** Key of the newest answer in the transcript; null where there is none. */
	readonly answerRef: string | null;
	/** The newest answer ended at its most tokens. */
	readonly isCutOff: boolean;
	readonly hold: AgentHold | null;
};

export type AgentActivity = "registering" | "asking the model" | "running tools" | "waiting" | "ended";

export type AgentStatus = {
	readonly runId: string;
	readonly activity: AgentActivity;
	/** The present step, from 1. */
	readonly step: number;
	readonly toolCalls: number;
	readonly costNanoUsd: string;
	readonly hold: AgentHold | null;
	/** Code of the refusal that is waited out, like "budget.exceeded"; null where none is. */
	readonly refusedWith: string | null;
	/** When it looks again; null where it does not wait. */
	readonly waitsUntilMs: number | null;
};

/** Ends the present wait: the run is looked at now. */
export const checkNowSignal = defineSignal("checkNow");
export const agentStatusQuery = defineQuery<AgentStatus>("agentStatus");

export type RegisterRunInput = {
	readonly runId: string;
	readonly parentRunId: string | null;
	readonly feature: string | null;
	readonly limits: Readonly<Record<string, unknown>> | null;
	readonly prompt: AgentPrompt;
	readonly tools: readonly ToolDefinition[];
};
export type RegisteredRun = { readonly promptRef: string; readonly toolsRef: string };

export type CallModelInput = {
	readonly runId: string;
	readonly parentRunId: string | null;
	readonly agent: string | null;
	readonly step: number;
	readonly attempt: number;
	readonly model: string;
	readonly protocol: AgentProtocol;
	readonly outputTokensMax: number;
	readonly timeoutMs: number;
	readonly promptRef: string;
	readonly toolsRef: string;
	/** Calls of the step before that have no result and get none. */
	readonly lostCalls: readonly number[];
};

/** `index`: place of the call in its answer, from 0. */
export type ToolCallToRun = { readonly index: number; readonly tool: string };

export type ModelAnswer =
	| {
			readonly kind: "answered";
			/** Calls to run; those of unknown tools, and beyond the most that are run, are answered without. */
			readonly calls: readonly ToolCallToRun[];
			/** It calls no tool at all. */
			readonly isFinal: boolean;
			readonly isCutOff: boolean;
			readonly costNanoUsd: string;
	  }
	| { readonly kind: "held"; readonly hold: AgentHold }
	/** Refused for money: the same call may pass later. */
	| { readonly kind: "refused"; readonly code: string; readonly message: string; readonly askAgainMs: number | null }
	| { readonly kind: "finished" }
	/** It may have been served and billed, and its answer cannot be had. */
	| { readonly kind: "unknown"; readonly code: string };

export type RunInput = { readonly runId: string };
export type RunSeen = { readonly state: RunState; readonly version: string; readonly hold: AgentHold | null };

/** What the activity of a tool gets; the arguments stand in the transcript, with the answer that made the call. */
export type ToolCallInput = {
	readonly runId: string;
	readonly step: number;
	readonly index: number;
	readonly isIdempotent: boolean;
	readonly attemptsMax: number;
};
/** How it ended; what it brought stands in the transcript. */
export type ToolEnd = { readonly end: "ok" | "error" | "unknown" };

export type AgentActivities = {
	registerRun(input: RegisterRunInput): Promise<RegisteredRun>;
	callModel(input: CallModelInput): Promise<ModelAnswer>;
	readRun(input: RunInput): Promise<RunSeen>;
	finishRun(input: RunInput): Promise<void>;
};
export type ToolActivity = (input: ToolCallInput) => Promise<ToolEnd>;
