import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Client } from "@temporalio/client";
import { DURABLE_AGENT_WORKFLOW, type DurableAgentInput, type DurableAgentResult, durableAgentWorkflowId } from "#clients/durable-agent.ts";
import type { AgentWorkerTask } from "./agent-worker-child.ts";

export type KilledAgent = {
	readonly result: DurableAgentResult /** What its tool did outside. */;
	readonly effects: readonly string[];
	readonly died: readonly string[];
};

const CHILD = path.join(import.meta.dirname, "agent-worker-child.ts");

/** Runs an agent on a worker of its own that kills itself at `task.deaths`, and is started again each time, until the agent has ended. */
export async function runKilledAgent(
	client: Client,
	input: DurableAgentInput,
	{ parentFolder, ...rest }: Omit<AgentWorkerTask, "folder" | "taskQueue"> & { readonly parentFolder: string },
): Promise<KilledAgent> {
	const folder = mkdtempSync(path.join(parentFolder, `${input.runId}-`));
	const task: AgentWorkerTask = { ...rest, folder, taskQueue: input.runId };
	let isOver = false;
	let child: ChildProcess | undefined;
	const options = { workflowId: durableAgentWorkflowId(input.runId), taskQueue: task.taskQueue, args: [input] };
	const ending = client.workflow.execute(DURABLE_AGENT_WORKFLOW, options).finally(() => {
		isOver = true;
		child?.kill("SIGTERM");
	}) as Promise<DurableAgentResult>;
	ending.catch(() => undefined); // looked at below, once the worker has ended
	while (!isOver) {
		child = spawn(process.execPath, [CHILD, JSON.stringify(task)], { stdio: ["ignore", "inherit", "inherit"] });
		await once(child, "exit");
	}
	const result = await ending;
	const died = readdirSync(folder).flatMap((file) => (file.startsWith("died ") ? [file.slice("died ".length)] : []));
	return { result, effects: readFileSync(path.join(folder, "effects"), "utf8").trim().split("\n"), died: died.sort() };
}
