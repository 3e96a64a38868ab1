import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentRun, CostControl, type CostControlError } from "#clients/index.ts";
import { createFakeAuthority, keyIdentity, TEST_KEY } from "#test/support/fake-authority.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { startTestGateway, type TestGateway } from "#test/support/gateway-server.ts";
import { createMemoryRuns, type MemoryRuns } from "#test/support/memory-runs.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";
import { type ScriptedRunGuard, scriptedRunGuard } from "#test/support/scripted-run-guard.ts";

/** The client library and the gateway's routes together; runs and what guards them are in memory, and stay while gateways come and go. */

const OTHER_KEY = "tg_other_0123456789";

let provider: ScriptedProvider;
let gateway: TestGateway;
let runs: MemoryRuns;
let guard: ScriptedRunGuard;
let costControl: CostControl;

beforeAll(async () => {
	provider = await startScriptedProvider((call) => call.response.end('{"model":"gpt-4o","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'));
});
afterAll(() => provider.close());
beforeEach(async () => {
	runs = createMemoryRuns();
	await startGateway(0);
	costControl = new CostControl({ baseUrl: gateway.url, key: TEST_KEY });
	provider.received.length = 0;
});
afterEach(() => gateway.close());

async function startGateway(port: number): Promise<void> {
	const authority = createFakeAuthority(testPriceBook());
	authority.keys.set(OTHER_KEY, keyIdentity({ keyId: "key2", teamId: "other" }));
	guard = scriptedRunGuard(async ({ teamId, runId }) => (await runs.find(teamId, runId))?.run);
	const opening = { defaults: {}, budgets: [], newRunsPerHour: 1_000, onLoop: "pause" } as const;
	gateway = await startTestGateway({ authority, providerUrl: provider.url, port, runs: { store: runs, guard, openingOf: () => opening } });
}

async function pause({ id }: AgentRun): Promise<void> {
	const run = runs.runs.find(({ runId }) => runId === id);
	if (run === undefined) throw new Error(`no run ${id}`);
	const seen = { state: "paused", guard: "loop.repetition", evidence: "the same 9 times", measured: "9", threshold: "9", by: "gateway g1" } as const;
	const hold = { ...seen, ofRunId: id, pauseId: "pau_0123456789abcdef" };
	await runs.hold([{ number: run.number.toString(), knownVersion: run.version.toString(), hold }]);
}

const decide = (run: AgentRun, kind: "resume" | "stop") => runs.decide({ runId: run.id, by: "person", reason: "seen", decision: { kind } });

test("a run is opened with limits, seen, and ended; no header of it reaches the provider", async () => {
	const run = await costControl.agentRun({ team: "demo", limits: { costUsd: "2.50", toolCalls: { search: 3 } }, agent: "planner" });
	await run.openai().chat.completions.create({ model: "gpt-4o", max_tokens: 9, messages: [{ role: "user", content: "hi" }] });
	expect(Object.keys(provider.received[0]?.request.headers ?? {}).filter((name) => name.startsWith("x-tollgate"))).toEqual([]);
	const child = await run.child({ limits: { steps: 5 } });
	expect(await child.status()).toMatchObject({ parentRunId: run.id, state: "running", limits: { steps: { hard: { at: 5 } } } });
	expect(await run.status()).toMatchObject({ teamId: "demo", children: 1, limits: { costNanoUsd: { hard: { at: "2500000000" } } } });
	expect(await run.finish()).toMatchObject({ state: "finished" });
	expect(await run.finish()).toMatchObject({ state: "finished" });
	await expect(child.whenResumed()).rejects.toMatchObject({ code: "run.finished" });
});

test("another team, limits that cannot be, and another team's run are refused by field", async () => {
	const refused = (options: Parameters<CostControl["agentRun"]>[0]) =>
		costControl.agentRun(options).catch((error: CostControlError) => [error.code, error.details["field"]]);
	expect(await refused({ team: "other" })).toEqual(["run.invalid", "teamId"]);
	expect(await refused({ limits: { steps: 0 } })).toEqual(["run.invalid", "limits.steps"]);
	expect(await refused({ parent: "nobody" })).toEqual(["run.unknown_parent", "parentRunId"]);
	const theirs = await new CostControl({ baseUrl: gateway.url, key: OTHER_KEY }).agentRun();
	expect(await refused({ parent: theirs })).toEqual(["run.other_team", "parentRunId"]);
});

test("whenResumed outlives the gateway it asked, and resolves when a person lets the run go on", async () => {
	const run = await costControl.agentRun();
	await pause(run);
	let isResumed = false;
	const resumed = run.whenResumed().then(() => {
		isResumed = true;
	});
	await expect.poll(() => guard.waiting.length).toBe(1);
	const { port } = new URL(gateway.url);
	await gateway.close();
	await startGateway(Number(port));
	await expect.poll(() => guard.waiting.length, { timeout: 10_000 }).toBe(1);
	expect(isResumed).toBe(false);
	await decide(run, "resume");
	guard.wake(run.id);
	await resumed;
});

test("whenResumed rejects when a person stops the run", async () => {
	const run = await costControl.agentRun();
	await pause(run);
	const resumed = run.whenResumed();
	await expect.poll(() => guard.waiting.length).toBe(1);
	await decide(run, "stop");
	guard.wake(run.id);
	await expect(resumed).rejects.toMatchObject({ name: "RunHeldError", code: "run.stopped", hold: { guard: "person", evidence: "seen" } });
});
