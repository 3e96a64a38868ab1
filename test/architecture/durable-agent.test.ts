import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { defaultPayloadConverter } from "@temporalio/common";
import { bundleWorkflowCode, DefaultLogger } from "@temporalio/worker";
import { beforeAll, describe, expect, test } from "vitest";
import { createAgentActivities } from "#clients/durable-agent.ts";
import { MemoryTranscripts } from "#test/support/agent-transcripts.ts";
import { durableAgentBundle } from "#test/support/durable-agent.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import * as messages from "#workflows/durable-agent/messages.ts";

/** What is in the bundle of whoever runs durable agents, and the names that his Temporal keeps. */
const BYTES_MAX = 2_300_000;
let code: string;
let own: string[];

beforeAll(async () => {
	({ code } = await durableAgentBundle());
	const modules = [...code.matchAll(/^\s*!\*\*\*\s+(\S+)/gm)].map((match) => match[1]!);
	own = modules.filter((module) => module.startsWith("./") && !module.includes("node_modules"));
});

test("tollgate/workflow brings domain rules and the durable agent along, and no other workflow", () => {
	expect(own).toContain("./workflows/durable-agent/workflow.ts");
	expect(own.filter((module) => !/^\.\/(domain|workflows)\//.test(module))).toEqual([]);
	expect(own.filter((module) => /^\.\/workflows\/(?!durable-agent\/|shared\/)/.test(module))).toEqual([]);
	expect(code.length).toBeGreaterThan(100_000);
	expect(code.length).toBeLessThan(BYTES_MAX);
});

test("the names that a package of the user's imports lead where they say", async () => {
	const [workflow, agent, clients] = await Promise.all([import("tollgate/workflow"), import("tollgate/durable-agent"), import("tollgate")]);
	expect(Object.keys(workflow)).toEqual(["durableAgentWorkflow"]);
	expect(agent.createAgentActivities).toBe(createAgentActivities);
	expect(clients.CostControl).toBeTypeOf("function");
});

test("linked into another project they work as well, in Node and in the bundler of Temporal's worker", async () => {
	const project = mkdtempSync(path.join(tmpdir(), "tollgate-linked-"));
	try {
		mkdirSync(path.join(project, "node_modules"));
		symlinkSync(PROJECT_FOLDER, path.join(project, "node_modules/tollgate"));
		symlinkSync(path.join(PROJECT_FOLDER, "node_modules/@temporalio"), path.join(project, "node_modules/@temporalio"));
		writeFileSync(path.join(project, "package.json"), '{"type":"module"}');
		const workflowsPath = path.join(project, "workflows.ts");
		writeFileSync(workflowsPath, 'export { durableAgentWorkflow } from "tollgate/workflow";\n');
		const bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger("WARN") });
		expect(bundle.code).toContain("workflows/durable-agent/workflow.ts");
		const script = 'const { folderTranscripts } = await import("tollgate/durable-agent"); console.log(typeof folderTranscripts);';
		const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], { cwd: project });
		expect(stdout).toBe("function\n");
	} finally {
		rmSync(project, { recursive: true });
	}
});

describe("wire names of the durable agent", () => {
	test("workflow, id, messages", () => {
		expect(messages.DURABLE_AGENT_WORKFLOW).toBe("durableAgentWorkflow");
		expect(messages.durableAgentWorkflowId("r-1")).toBe("durable-agent/r-1");
		const { checkNowSignal, agentStatusQuery } = messages;
		expect([checkNowSignal, agentStatusQuery].map(({ type, name }) => `${type} ${name}`)).toEqual(["signal checkNow", "query agentStatus"]);
	});

	test("activities, beside which a tool has its own", () => {
		const options = { baseUrl: "http://127.0.0.1:1", key: "tg-test", transcripts: new MemoryTranscripts() };
		expect(Object.keys(createAgentActivities({ ...options, tools: { search: () => "" } }))).toEqual([
			"registerRun",
			"callModel",
			"readRun",
			"finishRun",
			"search",
		]);
		expect(messages.AGENT_ACTIVITY_NAMES).toEqual(["registerRun", "callModel", "readRun", "finishRun"]);
		expect(() => createAgentActivities({ ...options, tools: { readRun: () => "" } })).toThrow(/cannot have the name readRun/);
	});
});

test("what goes along into a new run of the history survives the default converter", () => {
	const hold: messages.AgentHold = {
		state: "paused",
		guard: "ceiling.steps",
		evidence: "200 steps",
		measured: "200",
		threshold: "200",
		ofRunId: "r",
		pauseId: null,
		askAgainMs: null,
	};
	const state: messages.DurableAgentState = {
		version: 1,
		promptRef: "r/prompt",
		toolsRef: "r/tools-0",
		step: 201,
		attempt: 2,
		toolCalls: 400,
		costNanoUsd: "123456789012345678901",
		lostCalls: [0, 2],
		hold,
		checks: 3,
		isCheckAsked: true,
		refusedSinceMs: 1,
	};
	expect(defaultPayloadConverter.fromPayload(defaultPayloadConverter.toPayload(state)!)).toStrictEqual(state);
});
