import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentInput } from "#test/support/agent-transcripts.ts";
import { durableAgentBundle } from "#test/support/durable-agent.ts";
import { runKilledAgent } from "#test/support/killed-agent.ts";
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

const runKilled = (runId: string, deaths: readonly string[]) => {
	const rest = { address: temporal.address, gatewayUrl: gateway.url, key: "tg-test", results: ["found"], bundlePath, deaths, parentFolder: folder };
	return runKilledAgent(temporal.client, agentInput(runId), rest);
};
const keysOf = (runId: string, keys: readonly string[]) => keys.filter((key) => key.startsWith(`${runId}/`));
const stepsOf = (runId: string) => [1, 2, 3].map((step) => `${runId}/${step}`);
const EACH_SEARCH_ONCE = ['1 {"query":"q1"}', '2 {"query":"q2"}'];
const ACTIVITIES = ["registerRun", "callModel 1", "search 1", "callModel 2", "search 2", "callModel 3", "finishRun"];

describe("killed", () => {
	test.concurrent.each(["before", "after"])(
		"%s each of its activities, an agent ends as one that was not: each step paid once, each tool run once",
		async (when) => {
			const runId = `killed-${when}`;
			const deaths = ACTIVITIES.map((activity) => `${when} ${activity}`);
			const { result, effects, died } = await runKilled(runId, deaths);
			expect(died).toEqual([...deaths].sort());
			expect(result).toMatchObject({ outcome: "answered", steps: 3, toolCalls: 2, costNanoUsd: "3000" });
			expect(keysOf(runId, gateway.served)).toEqual(stepsOf(runId));
			// What was answered before the kill was written down: it is not even asked for again.
			expect(keysOf(runId, gateway.asked)).toEqual(stepsOf(runId));
			expect(effects).toEqual(EACH_SEARCH_ONCE);
		},
	);

	test.concurrent("with an answer in hand that is not written down, an agent gets the same answer again and pays nothing for it", async () => {
		const runId = "killed-unwritten";
		const deaths = [1, 2, 3].map((step) => `written ${runId} ${step} answer`);
		const { result, effects, died } = await runKilled(runId, deaths);
		expect(died).toEqual(deaths);
		expect(result).toMatchObject({ outcome: "answered", steps: 3 });
		expect(keysOf(runId, gateway.served)).toEqual(stepsOf(runId));
		// Twice each at least; a machine that is busy makes a worker look dead that is not.
		expect(keysOf(runId, gateway.asked).length).toBeGreaterThanOrEqual(6);
		expect(effects).toEqual(EACH_SEARCH_ONCE);
	});

	test.concurrent("while a tool runs, an agent does not run it again and tells the model that nobody knows", async () => {
		const runId = "killed-during";
		const { result, effects, died } = await runKilled(runId, ["during search 1"]);
		expect(died).toEqual(["during search 1"]);
		expect(result).toMatchObject({ outcome: "answered", steps: 3 });
		expect(effects).toEqual(EACH_SEARCH_ONCE);
		const told = gateway.steps.find((asked) => asked.runId === runId && asked.step === 2)?.body.messages.at(-1);
		expect(told?.content).toContain("Nobody knows");
	});
});
