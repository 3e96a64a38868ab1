import { ActivityFailure, ApplicationFailure } from "@temporalio/common";
import { condition, isCancellation, log, setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import { HEARTBEAT_TIMEOUT_MS, modelActivity, runActivities, toolActivity } from "./activity-proxies.ts";
import { renderAgentDetails } from "./details.ts";
import type {
	AgentActivity,
	AgentHold,
	AgentStatus,
	CallModelInput,
	DurableAgentInput,
	DurableAgentOutcome,
	DurableAgentResult,
	DurableAgentState,
	ModelAnswer,
	ToolCallToRun,
	ToolDefinition,
} from "./messages.ts";
import { checkAgainMs } from "./waiting.ts";

const STEPS_PER_RUN = 200;
const OUTPUT_TOKENS_MAX = 4_096;
const MODEL_TIMEOUT_MS = 600_000;
const TOOL_TIMEOUT_MS = 300_000;
const UNKNOWN_OUTCOME_RETRIES = 1;
const TOOL_ATTEMPTS_MAX = 3;
/** Of one answer, side by side: an answer that calls a hundred tools does not take every slot of the workers. */
const TOOLS_AT_ONCE = 16;
/** A budget that refuses for so long is not waited for: as long as a pause lives by default. */
const REFUSED_MS_MAX = 7 * 86_400_000;

export type LoopEnd = { readonly kind: "ended"; readonly result: DurableAgentResult } | { readonly kind: "rolls"; readonly state: DurableAgentState };

type Answered = Extract<ModelAnswer, { kind: "answered" }>;
type Asked = Answered | { readonly kind: "over"; readonly outcome: DurableAgentOutcome } | { readonly kind: "rolls" };

/** One run of the history of a durable agent: its state and the steps that change it. Activities do; this decides. */
export class AgentLoop {
	readonly #input: DurableAgentInput;
	readonly #runs: ReturnType<typeof runActivities>;
	#state: DurableAgentState;
	#activity: AgentActivity = "registering";
	/** Steps and waits of this run of the history. */
	#turnsHere = 0;
	#isCutOff = false;
	#isCheckAsked = false;
	#waitsUntilMs: number | null = null;
	#refusedWith: string | null = null;

	constructor(input: DurableAgentInput) {
		this.#input = input;
		this.#runs = runActivities(this.#heartbeatTimeoutMs);
		this.#state = input.state ?? firstState();
		this.#isCheckAsked = this.#state.isCheckAsked;
	}

	/** Signal: the present wait is over. */
	checkNow(): void {
		this.#isCheckAsked = true;
	}

	status(): AgentStatus {
		const { step, toolCalls, costNanoUsd, hold } = this.#state;
		return {
			runId: this.#input.runId,
			activity: this.#activity,
			step,
			toolCalls,
			costNanoUsd,
			hold,
			refusedWith: this.#refusedWith,
			waitsUntilMs: this.#waitsUntilMs,
		};
	}

	async run(): Promise<LoopEnd> {
		const { runId, parentRunId = null, feature = null, limits = null, prompt, tools, maxSteps = Number.POSITIVE_INFINITY } = this.#input;
		if (this.#input.state === undefined) this.#change(await this.#runs.registerRun({ runId, parentRunId, feature, limits, prompt, tools }));
		while (this.#state.step <= maxSteps) {
			if (this.#isLongEnough()) return this.#roll();
			const asked = await this.#askUntilAnswered();
			if (asked.kind === "rolls") return this.#roll();
			if (asked.kind === "over") return this.#end(asked.outcome);
			this.#isCutOff = asked.isCutOff;
			const lostCalls = await this.#runTools(asked.calls);
			this.#turnsHere += 1;
			this.#change({
				step: this.#state.step + 1,
				attempt: 1,
				lostCalls,
				toolCalls: this.#state.toolCalls + asked.calls.length,
				costNanoUsd: (BigInt(this.#state.costNanoUsd) + BigInt(asked.costNanoUsd)).toString(),
			});
			if (asked.isFinal) return this.#finish();
		}
		return this.#end("out_of_steps");
	}

	/** Through pauses, budgets that are spent and outcomes that nobody knows. */
	async #askUntilAnswered(): Promise<Asked> {
		for (;;) {
			if (this.#state.hold !== null) {
				const over = await this.#waitWhileHeld(this.#state.hold);
				if (over !== undefined) return over;
			}
			this.#activity = "asking the model";
			this.#show();
			const answer = await this.#askOnce();
			if (answer.kind === "answered") {
				this.#refusedWith = null;
				this.#change({ checks: 0, refusedSinceMs: null });
				return answer;
			}
			const over = await this.#afterNoAnswer(answer);
			if (over !== undefined) return over;
		}
	}

	/** undefined: it is asked again. */
	async #afterNoAnswer(answer: Exclude<ModelAnswer, Answered>): Promise<Exclude<Asked, Answered> | undefined> {
		switch (answer.kind) {
			case "held":
				this.#refusedWith = null;
				this.#change({ hold: answer.hold });
				// Also where a run above it is held, of which its own record says nothing.
				return answer.hold.state !== "stopped" && this.#isLongEnough() ? { kind: "rolls" } : undefined;
			case "finished":
				return { kind: "over", outcome: "finished" };
			case "unknown":
				return this.#countUnknown(answer.code);
			case "refused":
				return this.#waitForMoney(answer);
		}
	}

	/** It had not come to an end that anybody knows: asked under another key, and both are in the books. */
	#countUnknown(code: string): undefined {
		const { attempt, step } = this.#state;
		if (attempt > (this.#input.unknownOutcomeRetries ?? UNKNOWN_OUTCOME_RETRIES))
			throw ApplicationFailure.nonRetryable(`nobody knows what became of step ${step}, asked ${attempt} times (${code})`, "idempotency.outcome_unknown");
		this.#change({ attempt: attempt + 1 });
	}

	async #waitForMoney(refused: Extract<ModelAnswer, { kind: "refused" }>): Promise<Exclude<Asked, Answered> | undefined> {
		const sinceMs = this.#state.refusedSinceMs ?? Date.now();
		if (Date.now() - sinceMs > REFUSED_MS_MAX) throw ApplicationFailure.nonRetryable(refused.message, refused.code);
		this.#refusedWith = refused.code;
		await this.#wait(refused.askAgainMs);
		this.#change({ refusedSinceMs: sinceMs });
		return this.#isLongEnough() ? { kind: "rolls" } : undefined;
	}

	/** undefined: it runs again. */
	async #waitWhileHeld(first: AgentHold): Promise<Exclude<Asked, Answered> | undefined> {
		let hold: AgentHold | null = first;
		while (hold !== null) {
			if (hold.state === "stopped") return { kind: "over", outcome: "stopped" };
			await this.#wait(hold.askAgainMs);
			const seen = await this.#runs.readRun({ runId: this.#input.runId });
			if (seen.state === "finished") return { kind: "over", outcome: "finished" };
			hold = seen.hold;
			this.#change({ hold });
			if (hold !== null && hold.state !== "stopped" && this.#isLongEnough()) return { kind: "rolls" };
		}
		return undefined;
	}

	/** A durable timer, which `checkNow` ends: nothing is held anywhere meanwhile. */
	async #wait(askAgainMs: number | null): Promise<void> {
		const waitMs = checkAgainMs(askAgainMs, this.#state.checks);
		this.#activity = "waiting";
		this.#waitsUntilMs = Date.now() + waitMs;
		this.#show();
		await condition(() => this.#isCheckAsked, waitMs);
		// Before what follows is looked at: a signal that comes while it is looked at counts for the next wait.
		this.#isCheckAsked = false;
		this.#waitsUntilMs = null;
		this.#turnsHere += 1;
		this.#change({ checks: this.#state.checks + 1 });
	}

	#askOnce(): Promise<ModelAnswer> {
		const { runId, parentRunId = null, agent = null, model, modelTimeoutMs = MODEL_TIMEOUT_MS, outputTokensMax = OUTPUT_TOKENS_MAX } = this.#input;
		const { step, attempt, promptRef, toolsRef, lostCalls } = this.#state;
		const asked: CallModelInput = {
			runId,
			parentRunId,
			agent,
			step,
			attempt,
			model,
			protocol: this.#input.protocol ?? (model.startsWith("claude") ? "messages" : "chat/completions"),
			outputTokensMax,
			timeoutMs: modelTimeoutMs,
			promptRef,
			toolsRef,
			lostCalls,
		};
		return modelActivity({ timeoutMs: modelTimeoutMs, heartbeatTimeoutMs: this.#heartbeatTimeoutMs, summary: `step ${step}` })(asked);
	}

	/** @returns the calls whose activity ended without telling how. */
	async #runTools(calls: readonly ToolCallToRun[]): Promise<readonly number[]> {
		if (calls.length === 0) return [];
		this.#activity = "running tools";
		this.#show();
		const lost: number[] = [];
		for (let at = 0; at < calls.length; at += TOOLS_AT_ONCE) {
			const ends = await Promise.all(calls.slice(at, at + TOOLS_AT_ONCE).map((call) => this.#runTool(call)));
			lost.push(...ends.flatMap((index) => (index === undefined ? [] : [index])));
		}
		return lost;
	}

	/** What the tool brought, a failure included, is in the transcript. Its activity fails only where that could not be written. */
	async #runTool({ index, tool }: ToolCallToRun): Promise<number | undefined> {
		const { timeoutMs = this.#input.toolTimeoutMs ?? TOOL_TIMEOUT_MS, isIdempotent = false, attemptsMax = TOOL_ATTEMPTS_MAX } = this.#definitionOf(tool);
		const { step } = this.#state;
		const activity = toolActivity(tool, { timeoutMs, heartbeatTimeoutMs: this.#heartbeatTimeoutMs, summary: `step ${step}, call ${index + 1}` });
		try {
			await activity({ runId: this.#input.runId, step, index, isIdempotent, attemptsMax });
			return undefined;
		} catch (error) {
			if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
			log.warn("a tool ended without a result; the model is told so", { tool, step, error: String(error.cause) });
			return index;
		}
	}

	#definitionOf(name: string): ToolDefinition {
		const definition = this.#input.tools.find((tool) => tool.name === name);
		if (definition === undefined) throw new TypeError(`callModel asked for the tool ${name}, which this agent does not have`);
		return definition;
	}

	get #heartbeatTimeoutMs(): number {
		return this.#input.heartbeatTimeoutMs ?? HEARTBEAT_TIMEOUT_MS;
	}

	/** A run of the history that has done nothing yet goes on, whatever suggests another. */
	#isLongEnough(): boolean {
		if (this.#turnsHere === 0) return false;
		const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged } = workflowInfo();
		return continueAsNewSuggested || targetWorkerDeploymentVersionChanged === true || this.#turnsHere >= (this.#input.stepsPerRun ?? STEPS_PER_RUN);
	}

	#roll(): LoopEnd {
		// A signal that came while this run of the history ended counts in the next.
		return { kind: "rolls", state: { ...this.#state, isCheckAsked: this.#isCheckAsked } };
	}

	async #finish(): Promise<LoopEnd> {
		try {
			await this.#runs.finishRun({ runId: this.#input.runId });
		} catch (error) {
			if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
			log.warn("the answered run could not be finished", { error: String(error.cause) });
		}
		return this.#end("answered");
	}

	#end(outcome: DurableAgentOutcome): LoopEnd {
		this.#activity = "ended";
		this.#show();
		const { step, toolCalls, costNanoUsd, hold } = this.#state;
		const { runId } = this.#input;
		const steps = step - 1;
		const answerRef = steps === 0 ? null : `${runId}/${steps}/answer`;
		return { kind: "ended", result: { outcome, runId, steps, toolCalls, costNanoUsd, answerRef, isCutOff: this.#isCutOff, hold } };
	}

	#change(change: Partial<DurableAgentState>): void {
		this.#state = { ...this.#state, ...change };
	}

	#show(): void {
		setCurrentDetails(renderAgentDetails(this.status()));
	}
}

function firstState(): DurableAgentState {
	return {
		version: 1,
		promptRef: "",
		toolsRef: "",
		step: 1,
		attempt: 1,
		toolCalls: 0,
		costNanoUsd: "0",
		lostCalls: [],
		hold: null,
		checks: 0,
		isCheckAsked: false,
		refusedSinceMs: null,
	};
}
