import { randomUUID } from "node:crypto";
import path from "node:path";
import { Client, Connection } from "@temporalio/client";
import {
	DURABLE_AGENT_WORKFLOW,
	type DurableAgentInput,
	type DurableAgentResult,
	durableAgentWorkflowId,
	folderTranscripts,
	readAnswer,
} from "tollgate/durable-agent";
import { readEnvironment } from "./environment.ts";
import { TOOL_DEFINITIONS } from "./tools.ts";

/** Starts one agent and waits for its answer: `start.ts [RUN_ID]`. With the id of an agent that is under way it waits for that one. */

const { temporalAddress, taskQueue, folder } = readEnvironment();
const runId = process.argv[2] ?? randomUUID();
const input: DurableAgentInput = {
	runId,
	prompt: { system: "You keep machines running.", user: "Use find_part for the pump, then order it." },
	model: "gpt-4o",
	tools: TOOL_DEFINITIONS,
	outputTokensMax: 300,
	maxSteps: 10,
	// A worker that is killed is missed after five seconds.
	heartbeatTimeoutMs: 5_000,
};
const connection = await Connection.connect({ address: temporalAddress });
try {
	const { workflow } = new Client({ connection });
	const options = { workflowId: durableAgentWorkflowId(runId), taskQueue, args: [input], workflowIdConflictPolicy: "USE_EXISTING" as const };
	const result = (await workflow.execute(DURABLE_AGENT_WORKFLOW, options)) as DurableAgentResult;
	console.log(`${result.outcome} after ${result.steps} steps and ${result.toolCalls} tool calls`);
	if (result.hold !== null) console.log(`${result.hold.guard}: ${result.hold.evidence}`);
	if (result.answerRef !== null) console.log((await readAnswer(folderTranscripts(path.join(folder, "transcripts")), result.answerRef)).split("\n")[0]);
} finally {
	await connection.close();
}
