import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findFreePort } from "#activities/process/free-port.ts";
import { agentStatusQuery, checkNowSignal, DURABLE_AGENT_WORKFLOW, durableAgentWorkflowId } from "#clients/durable-agent.ts";
import { agentInput, MemoryTranscripts } from "#test/support/agent-transcripts.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { durableAgentBundle, startAgentWorker } from "#test/support/durable-agent.ts";
import { type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { runKilledAgent } from "#test/support/killed-agent.ts";
import { preloading } from "#test/support/preload.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { until } from "#test/support/until.ts";

/** Durable agents through real gateways, of which one is killed in the middle of a step; and on a worker that is. */
let stand: GatewayStand;
let temporal: TestTemporal;
let folder: string;

beforeAll(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-agent-gateway-"));
	[stand, temporal] = await Promise.all([openGatewayStand(), startTestTemporal({ hasSearchAttributes: false })]);
});

afterAll(async () => {
	await temporal?.close();
	await stand?.close();
	rmSync(folder, { recursive: true, force: true });
});

/** Before anything was sent nothing is billed twice; after it, the step that had not finished is. */
const POINTS = [
	["after-reserve", 3],
	["after-journal", 3],
	["after-send", 4],
	["after-answer", 4],
	["after-settle", 4],
] as const;
const CALL_AGAIN = 'found [[simulate:{"toolCall":"search"}]]';
const ANSWER_NOW = 'found [[simulate:{"toolCall":false}]]';
const input = (runId: string) => agentInput(runId, { prompt: { user: `search for ${runId}` }, outputTokensMax: 60 });
/** As `tollgate run` does. */
async function decide(runId: string, decision: Record<string, unknown>): Promise<void> {
	const asked = JSON.stringify({ runId, by: "ann", reason: "test", decision });
	const decided = await withClient(
		stand.database.url,
		async (client) => (await client.query<{ result: { kind: string } }>("SELECT tollgate.decide_run($1) AS result", [asked])).rows,
	);
	expect(decided[0]?.result.kind).toBe("decided");
}

/** What the provider billed since then. */
const billedSince = (linesBefore: number) => stand.provider.calls().slice(linesBefore);

test("a worker killed around every step: the provider's log has each step once, and the books balance", async () => {
	const runId = "worker-killed";
	const { key } = await stand.team(100_000_000_000n);
	const gateway = await stand.start("a_workers");
	const bundlePath = path.join(folder, "bundle.js");
	writeFileSync(bundlePath, (await durableAgentBundle()).code);
	const before = stand.provider.calls().length;
	const steps = [1, 2, 3];
	const deaths = [
		...steps.map((step) => `written ${runId} ${step} answer`),
		...steps.map((step) => `before callModel ${step}`),
		...steps.map((step) => `after callModel ${step}`),
	];
	const rest = { address: temporal.address, gatewayUrl: gateway.url, key, results: [CALL_AGAIN, ANSWER_NOW], bundlePath, deaths, parentFolder: folder };
	const { result, died, effects } = await runKilledAgent(temporal.client, input(runId), rest);
	expect(result).toMatchObject({ outcome: "answered", steps: 3, toolCalls: 2 });
	expect(died).toEqual([...deaths].sort());
	expect(effects).toHaveLength(2);
	expect(billedSince(before)).toHaveLength(3);
	await gateway.end();
	const { report, findings } = await stand.verify();
	expect(findings).toEqual([]);
	expect(report).toMatchObject({ ok: true, duplicated: 0, lost: 0, unresolved: 0 });
}, 120_000);

describe.each(["gpt-4o", "claude-haiku-4-5"])("an agent of %s at its ceiling of steps", (model) => {
	test("waits with the hold that the gateway told, and goes on once a person approved more; one that is stopped ends with it", async () => {
		const runId = `ceiling-${model}`;
		const { key } = await stand.team(100_000_000_000n);
		const gateway = await stand.start(`a_${model.replaceAll(/[^a-z0-9]/g, "_")}`);
		let searches = 0;
		const tools = { search: () => (++searches < 4 ? CALL_AGAIN : ANSWER_NOW) };
		const stopWorker = await startAgentWorker({ temporal, gateway: { url: gateway.url, key }, taskQueue: runId, transcripts: new MemoryTranscripts(), tools });
		const before = stand.provider.calls().length;
		const handle = await temporal.client.workflow.start(DURABLE_AGENT_WORKFLOW, {
			workflowId: durableAgentWorkflowId(runId),
			taskQueue: runId,
			args: [{ ...input(runId), model, limits: { steps: 2 } }],
		});
		const waits = (step: number) =>
			until(`the wait before step ${step}`, async () => {
				const status = await handle.query(agentStatusQuery);
				return status.activity === "waiting" && status.step === step && status;
			});
		const { hold } = await waits(3);
		expect(hold).toMatchObject({ state: "paused", guard: "ceiling.steps", ofRunId: runId, pauseId: expect.stringMatching(/^pau_[0-9a-f]{16}$/) });
		expect([hold?.evidence, hold?.askAgainMs]).toEqual([expect.stringMatching(/./), expect.any(Number)]);
		await decide(runId, { kind: "approve", limits: { steps: 4 } });
		await handle.signal(checkNowSignal);
		await waits(5);
		await decide(runId, { kind: "stop" });
		await handle.signal(checkNowSignal);
		expect(await handle.result()).toMatchObject({ outcome: "stopped", steps: 4, toolCalls: 4, hold: { state: "stopped", guard: "person" } });
		expect(billedSince(before)).toHaveLength(4);
		await stopWorker();
		await gateway.end();
	});
});

describe("a gateway killed", () => {
	test.each(POINTS)(
		"%s of the second step: the agent ends, every finished step is paid once, and the books balance",
		async (point, calls) => {
			const runId = `gateway-${point}`;
			const { key } = await stand.team(100_000_000_000n);
			const port = String(await findFreePort());
			const gatewayId = `a_${point.replaceAll("-", "_")}`;
			const doomed = await stand.start(gatewayId, { TOLLGATE_GATEWAY_PORT: port, NODE_OPTIONS: preloading(`crash-hook.mjs?${point}:2`) });
			const before = stand.provider.calls().length;
			let searches = 0;
			const tools = { search: () => (++searches < 2 ? CALL_AGAIN : ANSWER_NOW) };
			const stopWorker = await startAgentWorker({ temporal, gateway: { url: doomed.url, key }, taskQueue: runId, transcripts: new MemoryTranscripts(), tools });
			const ending = temporal.client.workflow.execute(DURABLE_AGENT_WORKFLOW, {
				workflowId: durableAgentWorkflowId(runId),
				taskQueue: runId,
				args: [input(runId)],
			});
			await doomed.exited;
			const next = await stand.start(gatewayId, { TOLLGATE_GATEWAY_PORT: port });
			expect(await ending).toMatchObject({ outcome: "answered", steps: 3, toolCalls: 2 });
			await stopWorker();
			await next.end();
			expect(searches).toBe(2);
			expect(billedSince(before)).toHaveLength(calls);
			const { report, findings } = await stand.verify();
			expect(findings).toEqual([]);
			expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, pendingPastTime: 0 });
		},
		120_000,
	);
});
