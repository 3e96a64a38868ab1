import { TestWorkflowEnvironment } from "@temporalio/testing";
import { Worker } from "@temporalio/worker";
import { expect, test } from "vitest";
import { createAgentRunActivities } from "#activities/agent-runs/activities.ts";
import type { RunSnapshot } from "#domain/agents/run-snapshot.ts";
import { snapshotOf } from "#test/support/run-snapshots.ts";
import { testWorkflowBundle } from "#test/support/temporal.ts";
import { AGENT_RUN_TASK_QUEUE, AGENT_RUN_WORKFLOW, type AgentRunInput, agentRunWorkflowId, runReportedSignal } from "#workflows/agent-run/messages.ts";

/**
 * Two weeks of a run, where the machine has a server that skips time (CONTRIBUTING.md). A pause of seconds, on a server that does not, is in
 * agent-run.test.ts.
 */
const SERVER = process.env["TOLLGATE_TEST_TIME_SKIPPING_SERVER"];
const DAY_MS = 86_400_000;

test.skipIf(SERVER === undefined)(
	"a pause that nobody answers is reminded of after one day and after six, becomes a stop after seven, and its workflow ends a week later",
	async () => {
		const environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: "existing-path", path: SERVER ?? "" } } });
		try {
			const startedAtMs = await environment.currentTimeMs();
			const days = async () => Math.round(((await environment.currentTimeMs()) - startedAtMs) / DAY_MS);
			const what: string[] = [];
			let held: RunSnapshot = snapshotOf({ version: 2, state: "paused", readAtMs: startedAtMs, heldAtMs: startedAtMs });
			const worker = await Worker.create({
				connection: environment.nativeConnection,
				taskQueue: AGENT_RUN_TASK_QUEUE,
				workflowBundle: await testWorkflowBundle(),
				activities: createAgentRunActivities({
					async decide({ decision, by, knownVersion }) {
						what.push(`${decision.kind} of ${knownVersion} by ${by} on day ${await days()}`);
						const nowMs = await environment.currentTimeMs();
						held = snapshotOf({ version: 3, state: "stopped", readAtMs: nowMs, heldAtMs: nowMs });
						return { kind: "decided", run: held.run, revision: 1n };
					},
					snapshot: async () => held,
					async remind({ reminder }) {
						what.push(`reminder ${reminder} on day ${await days()}`);
						return true;
					},
				}),
			});
			const input: AgentRunInput = { runId: "r-7", teamId: "search", hasSearchAttributes: false };
			const options = {
				workflowId: agentRunWorkflowId("r-7"),
				taskQueue: AGENT_RUN_TASK_QUEUE,
				args: [input],
				signal: runReportedSignal,
				signalArgs: [held] as [RunSnapshot],
			};
			await worker.runUntil(async () => {
				const handle = await environment.client.workflow.signalWithStart(AGENT_RUN_WORKFLOW, options);
				await handle.result();
			});
			expect(what).toEqual(["reminder 1 on day 1", "reminder 2 on day 6", "expire of 2 by tollgate on day 7"]);
			expect(await days()).toBe(14);
		} finally {
			await environment.teardown();
		}
	},
	120_000,
);
