import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { AGENT_ACTIVITY_NAMES, type AgentActivities, type ToolCallInput, type ToolEnd } from "#workflows/durable-agent/messages.ts";
import { parseAnswer, readText } from "./durable-agent/conversation.ts";
import { callModel } from "./durable-agent/model-call.ts";
import { finishRun, readRun, registerRun } from "./durable-agent/run-calls.ts";
import { type AgentTool, runTool } from "./durable-agent/tool-run.ts";
import { rememberTexts, type TranscriptStore } from "./transcripts.ts";

/** `tollgate/durable-agent`: for the worker that runs durable agents, and for whoever starts them. */

export {
	type AgentHold,
	type AgentPrompt,
	type AgentProtocol,
	type AgentStatus,
	agentStatusQuery,
	checkNowSignal,
	DURABLE_AGENT_WORKFLOW,
	type DurableAgentInput,
	type DurableAgentOutcome,
	type DurableAgentResult,
	durableAgentWorkflowId,
	type ToolDefinition,
} from "#workflows/durable-agent/messages.ts";
export type { AgentTool, ToolContext } from "./durable-agent/tool-run.ts";
export { folderTranscripts, type TranscriptStore } from "./transcripts.ts";

export type AgentActivitiesOptions = {
	/** Origin of the gateway, like http://127.0.0.1:4000. */
	readonly baseUrl: string;
	/** Virtual key (tg-…). The same over the life of a run: a rotated key makes a step that is under way a new one. */
	readonly key: string;
	/** The same store in every worker of these agents. */
	readonly transcripts: TranscriptStore;
	/** By the names that `tools` of the workflow's input has. */
	readonly tools: Readonly<Record<string, AgentTool>>;
};

/** Several within the heartbeat time-out, of which the SDK sends what is needed. */
const HEARTBEATS_PER_TIMEOUT = 6;

/**
 * The activities of `durableAgentWorkflow`, for `Worker.create({ taskQueue, activities })` on the task queue that its workflows
 * are started on: the model call, the run, and each tool under its own name.
 * @throws RangeError where a tool has the name of an activity of the agent.
 */
export function createAgentActivities(options: AgentActivitiesOptions): AgentActivities & Readonly<Record<string, unknown>> {
	const access = { baseUrl: options.baseUrl.replace(/\/+$/, ""), key: options.key };
	const store = rememberTexts(options.transcripts);
	const agent: AgentActivities = {
		registerRun: (input) => asActivity((signal) => registerRun(access, store, input, signal)),
		callModel: (input) => asActivity((signal) => callModel(access, store, input, signal)),
		readRun: (input) => asActivity((signal) => readRun(access, input, signal)),
		finishRun: (input) => asActivity((signal) => finishRun(access, input, signal)),
	};
	const taken = AGENT_ACTIVITY_NAMES.find((name) => Object.hasOwn(options.tools, name));
	if (taken !== undefined) throw new RangeError(`a tool cannot have the name ${taken}, which an activity of the agent has`);
	const run =
		(tool: AgentTool) =>
		(input: ToolCallInput): Promise<ToolEnd> =>
			asActivity((signal) => runTool(store, tool, input, signal));
	return { ...agent, ...Object.fromEntries(Object.entries(options.tools).map(([name, tool]) => [name, run(tool)] as const)) };
}

/** Text of the answer that a result's `answerRef` names. */
export async function readAnswer(transcripts: TranscriptStore, answerRef: string): Promise<string> {
	return parseAnswer(await readText(transcripts, answerRef)).text;
}

/** Beats while it works, so that a dead worker is noticed and a cancellation arrives. What cannot get better is not tried again. */
async function asActivity<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
	const context = Context.current();
	const { heartbeatTimeoutMs } = context.info;
	const beats = heartbeatTimeoutMs === undefined ? undefined : setInterval(() => context.heartbeat(), heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT);
	try {
		return await work(context.cancellationSignal);
	} catch (error) {
		// The failure by which the SDK knows a cancelled activity.
		if (context.cancellationSignal.aborted) return await context.cancelled;
		if (error instanceof RangeError || error instanceof TypeError) throw ApplicationFailure.nonRetryable(error.message, error.name);
		throw error;
	} finally {
		clearInterval(beats);
	}
}
