import type { RunRecord } from "#domain/agents/run.ts";
import type { ToolCall } from "#domain/agents/run-event.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import type { Usage } from "#domain/usage/usage.ts";
import type { Leaving } from "../request/leaving.ts";
import type { AdmissionInput, Booked, KeyIdentity, Refusal } from "../request/port.ts";
import type { RunClaim } from "./port.ts";

/** What guards the agent runs of one gateway, as the pipeline of a call uses it. */
export type RunGuard = {
	/** Synchronous for a run this gateway holds and a body it is not behind of. undefined: the call has no run. */
	enter(call: RunCall): RunEntry | undefined | Promise<RunEntry | undefined>;
	/** Trees that changed elsewhere, from the change log (kind 'run'): dropped, and their watchers woken. */
	follow(rootRunIds: readonly string[]): void;
	/** Resolves when the version of a run is no longer `version`, or after `waitMs`, or when the watcher leaves; undefined: the team has no such run. */
	whenChanged(watched: WatchedRun, waitMs: number, leaving: Leaving): Promise<RunRecord | undefined>;
	/** Lets go of live parts that were idle for a minute, and tells again what could not be told. Called by the heartbeat. */
	rest(nowMs: number): void;
	/** Answers everybody who waits: the gateway ends. */
	beginDrain(): void;
	readonly sizes: { readonly live: number; readonly resting: number; readonly held: number; readonly watched: number };
};

export type WatchedRun = { readonly teamId: string; readonly runId: string /** null = whatever stands, answered at once. */; readonly version: string | null };

export type RunCall = {
	readonly key: KeyIdentity;
	/** Attributed, as budgets see it. */
	readonly feature: string | null;
	readonly claim: RunClaim;
	/** x-tollgate-agent, "" where absent. */
	readonly agent: string;
	readonly endpoint: Endpoint;
	/** The parsed body; read, never kept. */
	readonly conversation: unknown;
	/** Model alias asked for: what a soft ceiling degrades. */
	readonly model: string;
	/** Windows the call meets beside the run's. */
	readonly otherWindows: number;
};

export type RunEntry = { readonly kind: "refused"; readonly refusal: Refusal } | { readonly kind: "step"; readonly step: RunStepEntered };

/** A call that may go on as a step of its run. Exactly one of `answered` and `left` follows, once. */
export type RunStepEntered = {
	readonly runId: string;
	/** For AdmissionInput. */
	readonly run: NonNullable<AdmissionInput["run"]>;
	/** A soft ceiling of tool calls, bytes, growth or clock: how it is served instead. */
	readonly serving: Serving | undefined;
	/** For x-tollgate-run-warning, e.g. "loop.cycle". */
	readonly warnings: readonly string[];
	/** A budget refused: where it is one of the chain, the run is held and this is what the caller is told. undefined: it was another budget. */
	refusedBy(refusal: Refusal): Refusal | undefined | Promise<Refusal | undefined>;
	/** Under which name the books of the tree count the calls of a tool. */
	counterOf(tool: string): string;
	/** Why it may not be sent any more: the run was held while the call waited. */
	heldMeanwhile(): Refusal | undefined;
	/** The request is written, and what its body showed may be read. Once, and never of a call that is not sent. */
	sent(): void;
	answered(answer: StepAnswer): void;
	/** Not sent, or nothing was billed. */
	left(): void;
};

export type StepAnswer = {
	readonly calls: readonly ToolCall[];
	readonly outputBytes: number;
	/** Of an answer the provider keeps. */
	readonly answerId?: string;
	readonly booked: Booked;
	/** undefined where it is not known. */
	readonly usage: Usage | undefined;
};
