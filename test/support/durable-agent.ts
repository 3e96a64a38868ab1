import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, Worker, type WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { type AgentTool, createAgentActivities, type TranscriptStore } from "#clients/durable-agent.ts";
import type { TestTemporal } from "./temporal.ts";

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** `tollgate/workflow` as a bundle of its own, built once per test process. */
export function durableAgentBundle(): Promise<WorkflowBundleWithSourceMap> {
	bundle ??= bundleWorkflowCode({
		workflowsPath: fileURLToPath(new URL("../../workflows/durable-agent/index.ts", import.meta.url)),
		logger: new DefaultLogger("WARN"),
	});
	return bundle;
}

export type AgentWorkerOptions = {
	readonly temporal: Pick<TestTemporal, "nativeConnection">;
	/** Origin, and a virtual key where the gateway asks for one. */
	readonly gateway: { readonly url: string; readonly key?: string };
	readonly taskQueue: string;
	readonly transcripts: TranscriptStore;
	readonly tools: Readonly<Record<string, AgentTool>>;
};

/** @returns what stops it. */
export async function startAgentWorker({ temporal, gateway, taskQueue, transcripts, tools }: AgentWorkerOptions): Promise<() => Promise<void>> {
	const worker = await Worker.create({
		connection: temporal.nativeConnection,
		workflowBundle: await durableAgentBundle(),
		taskQueue,
		activities: createAgentActivities({ baseUrl: gateway.url, key: gateway.key ?? "tg-test", transcripts, tools }),
		shutdownGraceTime: "1 second",
		shutdownForceTime: "2 seconds",
		stickyQueueScheduleToStartTimeout: "1 second",
	});
	const run = worker.run();
	return async () => {
		if (worker.getState() === "RUNNING") worker.shutdown();
		await run;
	};
}
