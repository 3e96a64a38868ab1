import { appendFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { createAgentActivities, folderTranscripts, type TranscriptStore } from "#clients/durable-agent.ts";

/**
 * A worker of durable agents that kills itself, as an out-of-memory killer would, once at each named point: `before` or `after` an
 * activity, `during` the tool, or with an answer in hand and not `written`. What its tool does outside is a line in a file.
 */
export type AgentWorkerTask = {
	readonly address: string;
	readonly taskQueue: string;
	readonly gatewayUrl: string;
	/** Virtual key. */
	readonly key: string;
	/** What each run of the tool brings, by step; the last one from then on. */
	readonly results: readonly string[];
	/** Of transcripts, effects and the points that have been. */
	readonly folder: string;
	readonly bundlePath: string;
	/** Like "before callModel 2", "during search 1" or "written r 2 answer"; an activity without a step has none. */
	readonly deaths: readonly string[];
};
type AnyActivity = (input: { readonly step?: number }) => Promise<unknown>;

const task = JSON.parse(process.argv[2] ?? "{}") as AgentWorkerTask;
Runtime.install({ logger: new DefaultLogger("ERROR"), telemetryOptions: { logging: { forward: {}, filter: "OFF" } } });

function dieOnceAt(point: string): void {
	if (!task.deaths.includes(point)) return;
	try {
		writeFileSync(path.join(task.folder, `died ${point}`), "", { flag: "wx" });
	} catch {
		return; // it was here before
	}
	process.kill(process.pid, "SIGKILL");
}

const inFolder = folderTranscripts(path.join(task.folder, "transcripts"));
const transcripts: TranscriptStore = {
	read: (key) => inFolder.read(key),
	write(key, text) {
		dieOnceAt(`written ${key.replaceAll("/", " ")}`);
		return inFolder.write(key, text);
	},
};
const agent = createAgentActivities({
	baseUrl: task.gatewayUrl,
	key: task.key,
	transcripts,
	tools: {
		search(args, { step }) {
			appendFileSync(path.join(task.folder, "effects"), `${step} ${JSON.stringify(args)}\n`);
			dieOnceAt(`during search ${step}`);
			return task.results[Math.min(step, task.results.length) - 1];
		},
	},
});
const activities = Object.fromEntries(
	Object.entries(agent).map(([name, activity]) => [
		name,
		async (input: { readonly step?: number }) => {
			const where = input.step === undefined ? name : `${name} ${input.step}`;
			dieOnceAt(`before ${where}`);
			const result = await (activity as AnyActivity)(input);
			dieOnceAt(`after ${where}`);
			return result;
		},
	]),
);

const connection = await NativeConnection.connect({ address: task.address });
const worker = await Worker.create({
	connection,
	workflowBundle: { codePath: task.bundlePath },
	taskQueue: task.taskQueue,
	activities,
	stickyQueueScheduleToStartTimeout: "1 second",
});
process.once("SIGTERM", () => worker.shutdown());
await worker.run();
await connection.close();
