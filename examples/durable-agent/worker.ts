import path from "node:path";
import { fileURLToPath } from "node:url";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { createAgentActivities, folderTranscripts } from "tollgate/durable-agent";
import { readEnvironment } from "./environment.ts";
import { createTools } from "./tools.ts";

/** A worker of yours: your task queue, your tools, and the workflow of the durable agent in your bundle. */

// It prints what its tools do, and warnings.
Runtime.install({ logger: new DefaultLogger("WARN") });
const { baseUrl, key, temporalAddress, taskQueue, folder } = readEnvironment();
const connection = await NativeConnection.connect({ address: temporalAddress });
const worker = await Worker.create({
	connection,
	taskQueue,
	workflowsPath: fileURLToPath(new URL("./workflows.ts", import.meta.url)),
	activities: createAgentActivities({ baseUrl, key, transcripts: folderTranscripts(path.join(folder, "transcripts")), tools: createTools(folder) }),
	// A killed worker's workflows go to the next one after this.
	stickyQueueScheduleToStartTimeout: "2 seconds",
	// Time for what is under way when the worker is asked to end.
	shutdownGraceTime: "10 seconds",
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => worker.shutdown());
console.log(`the worker polls ${taskQueue}`);
await worker.run();
await connection.close();
