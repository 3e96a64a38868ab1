import type { Leaving } from "#activities/request/leaving.ts";
import type { AdmissionInput, Refusal } from "#activities/request/port.ts";
import { CallRuns } from "#activities/request/run-step.ts";
import type { RunCall, RunEntry, RunGuard, StepAnswer, WatchedRun } from "#activities/runs/guard-port.ts";
import type { RunRecord } from "#domain/agents/run.ts";
import type { RunHold } from "#domain/agents/run-hold.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import { LOOP_HOLD } from "./run-snapshots.ts";

/** A guard that says what the test says, and keeps what it was told. One pot of steps: each must end once. */
export type ScriptedGuard = RunGuard & {
	readonly entered: EnteredCall[];
	readonly followed: string[];
	/** How the next calls are received; default: each is a step of the run it names. */
	receive: (call: RunCall) => RunEntry | undefined | Promise<RunEntry | undefined>;
	/** What a budget's refusal makes of it, when it is one of the run's. */
	refusedBy: (refusal: Refusal) => Refusal | undefined | Promise<Refusal | undefined>;
	/** Set while the run is held. */
	held: Refusal | undefined;
	serving: Serving | undefined;
	warnings: readonly string[];
	budgets: NonNullable<AdmissionInput["run"]>["budgets"];
	/** Times that the heartbeat came by. */
	rests: number;
	isDraining: boolean;
	/** What `whenChanged` answers. */
	whenWatched: (watched: WatchedRun, waitMs: number, leaving: Leaving) => Promise<RunRecord | undefined>;
};

/** A call as it was entered, without its conversation's rest, and how its step ended. */
export type EnteredCall = {
	readonly call: Omit<RunCall, "key">;
	readonly keyId: string;
	readonly refusals: Refusal[];
	/** Times that it was told of a request that is written. */
	sent: number;
	readonly ends: (StepAnswer | "left")[];
};

export function createScriptedGuard(): ScriptedGuard {
	const guard: ScriptedGuard = {
		...{ entered: [], followed: [], held: undefined, serving: undefined, warnings: [], budgets: [], rests: 0, isDraining: false },
		sizes: { live: 3, resting: 2, held: 1, watched: 0 },
		receive: (call) => stepOf(guard, call),
		refusedBy: () => undefined,
		whenWatched: async () => undefined,
		enter: (call) => guard.receive(call),
		follow: (rootRunIds) => void guard.followed.push(...rootRunIds),
		whenChanged: (watched, waitMs, leaving) => guard.whenWatched(watched, waitMs, leaving),
		rest: () => {
			guard.rests += 1;
		},
		beginDrain: () => {
			guard.isDraining = true;
		},
	};
	return guard;
}

/** The step that a call becomes by itself. */
export function stepOf(guard: ScriptedGuard, call: RunCall): RunEntry {
	const { key, feature, claim, agent, endpoint, conversation, model, otherWindows } = call;
	const entered: EnteredCall = {
		call: { feature, claim, agent, endpoint, conversation, model, otherWindows },
		keyId: key.keyId,
		refusals: [],
		sent: 0,
		ends: [],
	};
	guard.entered.push(entered);
	return {
		kind: "step",
		step: {
			runId: claim?.runId ?? "implicit",
			run: { runIds: ["7"], budgets: guard.budgets },
			serving: guard.serving,
			warnings: guard.warnings,
			refusedBy: (refusal) => {
				entered.refusals.push(refusal);
				return guard.refusedBy(refusal);
			},
			counterOf: (tool) => tool,
			heldMeanwhile: () => guard.held,
			sent: () => {
				entered.sent += 1;
			},
			answered: (answer) => void entered.ends.push(answer),
			left: () => void entered.ends.push("left"),
		},
	};
}

/** What a run that stands still is told. */
export function heldRefusal(changes: Partial<RunHold> = {}): Refusal {
	const hold = { ...LOOP_HOLD, ...changes };
	return {
		code: hold.state === "paused" ? "run.paused" : "run.stopped",
		message: `The run r-7 is ${hold.state} by ${hold.guard}: ${hold.evidence}.`,
		...{ budget: null, unit: null, limitAmount: null, leftAmount: null, resetsAt: null, heldAmount: null, heldUntil: null, retryAfterSeconds: null },
		howToAsk: "npx tollgate run resume r-7",
		run: { runId: "r-7", version: "3", hold },
	};
}

/** A refusal that names a header. */
export function refusedEntry(changes: Partial<Refusal> & Pick<Refusal, "code">): RunEntry {
	const refusal: Refusal = {
		message: "This run is not to be had.",
		...{ budget: null, unit: null, limitAmount: null, leftAmount: null, resetsAt: null, heldAmount: null, heldUntil: null, retryAfterSeconds: null },
		howToAsk: "",
		...changes,
	};
	return { kind: "refused", refusal };
}

/** As a gateway takes it. */
export function scriptedSteps(guard: ScriptedGuard): { readonly guard: ScriptedGuard; readonly calls: CallRuns } {
	return { guard, calls: new CallRuns(guard) };
}
