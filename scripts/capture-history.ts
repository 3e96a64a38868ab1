import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Client, Connection } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { loadSettings, requireTemporalAddress } from "#config/load.ts";

/**
 * Records every run of a workflow as fixtures of the replay test, oldest first:
 *
 *     TEMPORAL_ADDRESS=127.0.0.1:4003 npx node scripts/capture-history.ts team-budget/demo 0.1.0-demo
 *
 * writes test/replay/histories/<workflow>/<release>-<scenario>-<run>.json. A fixture is never edited; it is deleted
 * only when no run of that age can exist. Histories hold names of people and teams: record them from a test system.
 */
export async function captureHistory(
	client: Client,
	workflowId: string,
	name: string,
	folder = path.join(import.meta.dirname, "../test/replay/histories"),
): Promise<string[]> {
	const files: string[] = [];
	let runId: string | undefined = (await client.workflow.getHandle(workflowId).describe()).raw.workflowExecutionInfo?.firstRunId ?? undefined;
	while (runId !== undefined) {
		const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
		const file = path.join(folder, workflowId.slice(0, workflowId.indexOf("/")), `${name}-${files.length + 1}.json`);
		await mkdir(path.dirname(file), { recursive: true });
		await writeFile(file, withoutHost(historyToJSON(history)));
		files.push(file);
		runId = history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
	}
	return files;
}

/** Process identities (also in the names of sticky queues) and stack traces tell of the recording host; replay reads neither. */
function withoutHost(json: string): string {
	const clean = (key: string, value: unknown): unknown => (key === "stackTrace" ? "" : typeof value === "string" && /^\d+@/.test(value) ? "recorded" : value);
	return `${JSON.stringify(JSON.parse(json, clean), undefined, 1)}\n`;
}

if (import.meta.main) {
	const [workflowId, name] = process.argv.slice(2);
	if (workflowId === undefined || name === undefined || !workflowId.includes("/")) {
		process.stderr.write("usage: TEMPORAL_ADDRESS=host:port npx node scripts/capture-history.ts WORKFLOW_ID RELEASE-SCENARIO\n");
		process.exit(2);
	}
	const settings = loadSettings();
	const connection = await Connection.connect({ address: requireTemporalAddress(settings) });
	try {
		for (const file of await captureHistory(new Client({ connection, namespace: settings.temporalNamespace }), workflowId, name))
			process.stdout.write(`${file}\n`);
	} finally {
		await connection.close();
	}
}
