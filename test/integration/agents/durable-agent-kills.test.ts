import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DURABLE_AGENT_WORKFLOW, durableAgentWorkflowId } from "#clients/durable-agent.ts";
import { agentInput } from "#test/support/agent-transcripts.ts";
import type { AgentWorkerTask } from "#test/support/agent-worker-child.ts";
import { durableAgentBundle } from "#test/support/durable-agent.ts";
import { type ScriptedAnswer, ScriptedGateway, type ScriptedStep } from "#test/support/scripted-gateway.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";

/** A worker that is killed at every boundary of every step, and restarted each time. */
let temporal: TestTemporal;
let gateway: ScriptedGateway;
let folder: string;
let bundlePath: string;

beforeAll(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-agent-kills-"));
	[temporal, gateway] = await Promise.all([startTestTemporal({ hasSearchAttributes: false }), ScriptedGateway.start()]);
	bundlePath = path.join(folder, "bundle.js");
	writeFileSync(bundlePath, (await durableAgentBundle()).code);
	gateway.answer = ({ step }: ScriptedStep): ScriptedAnswer =>
		step < 3 ? { kind: "calls", calls: [{ tool: "search", args: { query: `q${step}` } }] } : { kind: "text", text: "done" };
});

afterAll(async () => {
	await gateway?.close();
	await temporal?.close();
	rmSync(folder, { recursive: true, force: true });
});

/** Restarts its worker until the agent has ended; ends it then. @returns how often it died. */
async function runKilled(runId: string, deaths: readonly string[]) {
	const own = mkdtempSync(path.join(folder, `${runId}-`));
	const task: AgentWorkerTask = { address: temporal.address, taskQueue: runId, gatewayUrl: gateway.url, folder: own, bundlePath, deaths };
	const options = { workflowId: durableAgentWorkflowId(runId), taskQueue: runId, args: [agentInput(runId)] };
	const ending = temporal.client.workflow.execute(DURABLE_AGENT_WORKFLOW, options).finally(() => {
		isOver = true;
		child?.kill("SIGTERM");
	});
	let isOver = false;
	let child: ReturnType<typeof spawn> | undefined;
	while (!isOver) {
		child = spawn(process.execPath, [path.join(import.meta.dirname, "../../support/agent-worker-child.ts"), JSON.stringify(task)], { stdio: ["ignore", "inherit", "inherit"] });
		await once(child, "exit");
	}
	const result = await ending;
	const files = readdirSync(own);
	const effects = readFileSync(path.join(own, "effects"), "utf8").trim().split("\n");
	return { result, effects, died: files.flatMap((file) => (file.startsWith("died ") ? [file.slice(5)] : [])).sort() };
}

const ACTIVITIES = ["registerRun", "callModel 1", "search 1", "callModel 2", "search 2", "callModel 3", "finishRun"];

describe("killed", () => {
	test.concurrent.each(["before", "after"])("%s each of its activities, an agent ends as one that was not: each step paid once, each tool run once", async (when) => {
		const runId = `killed-${when}`;
		const deaths = ACTIVITIES.map((activity) => `${when} ${activity}`);
		const { result, effects, died } = await runKilled(runId, deaths);
		expect(died).toEqual([...deaths].sort());
		expect(result).toMatchObject({ outcome: "answered", steps: 3, toolCalls: 2, costNanoUsd: "3000" });
		expect(gateway.served.filter((key) => key.startsWith(`${runId}/`))).toEqual([`${runId}/1`, `${runId}/2`, `${runId}/3`]);
		// What was answered before the kill was written down: it is not even asked for again.
		expect(gateway.asked.filter((key) => key.startsWith(`${runId}/`))).toHaveLength(3);
		expect(effects).toEqual(['1 {"query":"q1"}', '2 {"query":"q2"}']);
	});

	test.concurrent("with an answer in hand that is not written down, an agent gets the same answer again and pays nothing for it", async () => {
		const runId = "killed-unwritten";
		const deaths = [1, 2, 3].map((step) => `written ${runId} ${step} answer`);
		const { result, effects, died } = await runKilled(runId, deaths);
		expect(died).toEqual(deaths);
		expect(result).toMatchObject({ outcome: "answered", steps: 3 });
		const keys = (list: readonly string[]) => list.filter((key) => key.startsWith(`${runId}/`));
		expect(keys(gateway.served)).toEqual([`${runId}/1`, `${runId}/2`, `${runId}/3`]);
		expect(keys(gateway.asked)).toHaveLength(6);
		expect(effects).toHaveLength(2);
	});

	test.concurrent("while a tool runs, an agent does not run it again and tells the model that nobody knows", async () => {
		const { result, effects, died } = await runKilled("killed-during", ["during search 1"]);
		expect(died).toEqual(["during search 1"]);
		expect(result).toMatchObject({ outcome: "answered", steps: 3 });
		expect(effects).toEqual(['1 {"query":"q1"}', '2 {"query":"q2"}']);
		const told = gateway.steps.find(({ runId, step }) => runId === "killed-during" && step === 2)?.body.messages.at(-1);
		expect(told?.content).toContain("Nobody knows");
	});
});
