import { ApplicationFailure } from "@temporalio/common";
import { CancellationScope, continueAsNew, isCancellation, log, setHandler } from "@temporalio/workflow";
import { guardHandler } from "../shared/handler-errors.ts";
import { HEARTBEAT_TIMEOUT_MS, runActivities } from "./activity-proxies.ts";
import { AgentLoop } from "./agent-loop.ts";
import { agentStatusQuery, checkNowSignal, type DurableAgentInput, type DurableAgentResult } from "./messages.ts";
import { checkAgentInput } from "./validation.ts";

/**
 * An agent that survives its worker, its gateway and hours of waiting: it asks the model, runs the tools that the answer calls,
 * asks again. Each step is asked under a key of its own, so that it is paid once however often it is tried; what was said stands
 * in the transcript. It ends with an answer, or with the hold of a run that was stopped. Where it fails or is terminated, a new
 * workflow of the same run goes on behind the last finished step.
 *
 * Only an answer, or cancelling the workflow, finishes the run at the gateway.
 *
 * @throws ApplicationFailure "run.invalid" with every mistake of the input; the code of a refusal that waiting does not help;
 * "idempotency.outcome_unknown" where a step stays without an answer.
 */
export async function durableAgentWorkflow(input: DurableAgentInput): Promise<DurableAgentResult> {
	const problems = checkAgentInput(input);
	if (problems.length > 0) throw invalidInput(problems);
	const agent = new AgentLoop(input);
	setHandler(agentStatusQuery, () => agent.status(), { description: "Step, spend and what the agent waits for." });
	setHandler(
		checkNowSignal,
		guardHandler(() => agent.checkNow()),
		{ description: "Ends the present wait: the run is looked at now." },
	);
	const result = await finishedWhenCancelled(input, () => agent.run());
	if (result.kind === "ended") return result.result;
	return await continueAsNew<typeof durableAgentWorkflow>({ ...input, prompt: { ref: result.state.promptRef }, state: result.state });
}

/** Who cancels an agent wants it to spend nothing more, nor those below it. */
async function finishedWhenCancelled<Result>(
	{ runId, heartbeatTimeoutMs = HEARTBEAT_TIMEOUT_MS }: DurableAgentInput,
	work: () => Promise<Result>,
): Promise<Result> {
	const { finishRun } = runActivities(heartbeatTimeoutMs);
	try {
		return await work();
	} catch (error) {
		if (isCancellation(error))
			await CancellationScope.nonCancellable(() =>
				finishRun({ runId }).catch((failure: unknown) => log.warn("the cancelled run could not be finished", { error: String(failure) })),
			);
		throw error;
	}
}

function invalidInput(problems: ReturnType<typeof checkAgentInput>): ApplicationFailure {
	const message = problems.map(({ field, problem }) => `${field} ${problem}`).join("; ");
	return ApplicationFailure.nonRetryable(message, "run.invalid", problems);
}
