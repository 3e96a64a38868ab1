import { TestWorkflowEnvironment } from "@temporalio/testing";
import { expect, test } from "vitest";
import { DURABLE_AGENT_WORKFLOW, durableAgentWorkflowId } from "#clients/durable-agent.ts";
import { agentInput, MemoryTranscripts } from "#test/support/agent-transcripts.ts";
import { startAgentWorker } from "#test/support/durable-agent.ts";
import { ScriptedGateway } from "#test/support/scripted-gateway.ts";

/**
 * A pause of days, where the machine has a server that skips time: TOLLGATE_TEST_TIME_SKIPPING_SERVER names an executable that starts
 * io.temporal:temporal-test-server (CONTRIBUTING.md). A pause of seconds, on a server that does not, is in durable-agent.test.ts.
 */
const SERVER = process.env["TOLLGATE_TEST_TIME_SKIPPING_SERVER"];
const DAY_MS = 86_400_000;
/** The gateway says 15 minutes, the agent looks every ten. */
const LOOKS_A_WEEK = 1_010;

test.skipIf(SERVER === undefined)(
	"an agent that is paused for a week looks about a thousand times, over several runs of its history, and goes on with everything it had",
	async () => {
		const environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: "existing-path", path: SERVER ?? "" } } });
		const gateway = await ScriptedGateway.start();
		try {
			gateway.answer = ({ step, runId }) => {
				if (step === 1) gateway.hold(runId, "paused", 900_000);
				return step === 1 ? { kind: "calls", calls: [{ tool: "search", args: { query: "before the week" } }] } : { kind: "text", text: "after it" };
			};
			gateway.onLook = (runId) => {
				if (gateway.looks === LOOKS_A_WEEK) gateway.resume(runId);
			};
			const options = { temporal: environment, gateway, taskQueue: "week", transcripts: new MemoryTranscripts(), tools: { search: () => "found" } };
			const stopWorker = await startAgentWorker(options);
			const startedAtMs = await environment.currentTimeMs();
			const workflow = { workflowId: durableAgentWorkflowId("week"), taskQueue: "week", args: [agentInput("week", { heartbeatTimeoutMs: 10_000 })] };
			const handle = await environment.client.workflow.start(DURABLE_AGENT_WORKFLOW, workflow);
			expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 2, hold: null });
			expect((await environment.currentTimeMs()) - startedAtMs).toBeGreaterThan(7 * DAY_MS);
			expect(gateway.served).toEqual(["week/1", "week/2"]);
			expect(JSON.stringify(gateway.steps.at(-1)?.body.messages)).toContain("before the week");
			const { runId: lastRunId } = await environment.client.workflow.getHandle(handle.workflowId).describe();
			expect(lastRunId).not.toBe(handle.firstExecutionRunId);
			await stopWorker();
		} finally {
			await gateway.close();
			await environment.teardown();
		}
	},
);
