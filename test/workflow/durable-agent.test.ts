import { WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
	type AgentTool,
	agentStatusQuery,
	checkNowSignal,
	DURABLE_AGENT_WORKFLOW,
	type DurableAgentInput,
	type DurableAgentResult,
	durableAgentWorkflowId,
	readAnswer,
} from "#clients/durable-agent.ts";
import { agentInput, MemoryTranscripts, SEARCH_TOOL } from "#test/support/agent-transcripts.ts";
import { startAgentWorker } from "#test/support/durable-agent.ts";
import { type ScriptedAnswer, ScriptedGateway, type ScriptedStep } from "#test/support/scripted-gateway.ts";
import { startTestTemporal, type TestTemporal } from "../support/temporal.ts";
import { until } from "../support/until.ts";

/** The durable agent on a real Temporal, against a gateway that answers as each test says. */
const TASK_QUEUE = "agents";

let temporal: TestTemporal;
let gateway: ScriptedGateway;
let stopWorker: () => Promise<void>;
const transcripts = new MemoryTranscripts();
/** By run: what its gateway answers, and what its tools do. */
const scripts = new Map<string, (step: ScriptedStep) => ScriptedAnswer | Promise<ScriptedAnswer>>();
const searches = new Map<string, AgentTool>();
const searched: string[] = [];

const tools: Record<string, AgentTool> = {
	search(args, context) {
		searched.push(`${context.runId} ${JSON.stringify(args)}`);
		return searches.get(context.runId)?.(args, context) ?? `found ${JSON.stringify(args)}`;
	},
};

beforeAll(async () => {
	[temporal, gateway] = await Promise.all([startTestTemporal({ hasSearchAttributes: false }), ScriptedGateway.start()]);
	gateway.answer = (step) => scripts.get(step.runId)?.(step) ?? { kind: "text", text: "done" };
	stopWorker = await startAgentWorker({ temporal, gateway, taskQueue: TASK_QUEUE, transcripts, tools });
});

afterAll(async () => {
	await stopWorker?.();
	await gateway?.close();
	await temporal?.close();
});

type Handle = Omit<WorkflowHandle, "result"> & { readonly firstExecutionRunId: string; result(): Promise<DurableAgentResult> };

async function start(input: DurableAgentInput, { workflowId = durableAgentWorkflowId(input.runId), taskQueue = TASK_QUEUE } = {}): Promise<Handle> {
	return (await temporal.client.workflow.start(DURABLE_AGENT_WORKFLOW, { workflowId, taskQueue, args: [input] })) as Handle;
}

const search = (query: string) => ({ tool: "search", args: { query } });
const servedOf = (runId: string) => gateway.served.filter((key) => key.startsWith(`${runId}/`));
const searchedOf = (runId: string) => searched.filter((line) => line.startsWith(`${runId} `)).length;
/** Searches until `steps` answers were given, then says so. */
const searchesThenAnswers =
	(steps: number) =>
	({ step }: ScriptedStep): ScriptedAnswer =>
		step < steps ? { kind: "calls", calls: [search(`q${step}`)] } : { kind: "text", text: `answer after ${step}` };
const statusOf = (handle: Handle) => handle.query(agentStatusQuery);
const causeOf = async (handle: Handle): Promise<unknown> =>
	handle.result().then(
		() => new Error("it did not fail"),
		(error: unknown) => (error instanceof WorkflowFailedError ? error.cause : error),
	);

describe("an agent", () => {
	test.each([
		["chat/completions", "gpt-4o"],
		["messages", "claude-haiku-4-5"],
	])("over %s asks, runs the tools, asks again, and ends with an answer whose run is finished", async (protocol, model) => {
		const runId = `loop-${protocol.replace("/", "-")}`;
		scripts.set(runId, searchesThenAnswers(3));
		const handle = await start(agentInput(runId, { model, agent: "planner", parentRunId: "above", limits: { steps: 9 }, feature: "chat" }));
		const result = await handle.result();
		expect(result).toEqual({
			outcome: "answered",
			runId,
			steps: 3,
			toolCalls: 2,
			costNanoUsd: "3000",
			answerRef: `${runId}/3/answer`,
			isCutOff: false,
			hold: null,
		});
		expect(await readAnswer(transcripts, result.answerRef!)).toBe("answer after 3");
		expect(servedOf(runId)).toEqual([`${runId}/1`, `${runId}/2`, `${runId}/3`]);
		expect(gateway.runs.get(runId)).toMatchObject({ state: "finished", body: { runId, parentRunId: "above", limits: { steps: 9 }, feature: "chat" } });
		const last = gateway.steps.findLast((step) => step.runId === runId);
		expect(last?.protocol).toBe(protocol === "messages" ? "anthropic" : "openai");
		expect(last?.headers).toMatchObject({ "x-tollgate-run": runId, "x-tollgate-parent-run": "above", "x-tollgate-agent": "planner" });
		expect(JSON.stringify(last?.body.messages)).toMatch(/find it.*q1.*found.*q2.*found/);
		expect(await statusOf(handle)).toMatchObject({ activity: "ended", step: 4 });
	});

	test("runs the calls of one answer side by side, and tells the model of tools it does not have", async () => {
		const runId = "parallel";
		let open = 0;
		let openMost = 0;
		searches.set(runId, async () => {
			open += 1;
			openMost = Math.max(openMost, open);
			await until("three at once", () => openMost === 3);
			open -= 1;
			return "found";
		});
		scripts.set(runId, ({ step }) =>
			step === 1 ? { kind: "calls", calls: [search("a"), { tool: "fly", args: {} }, search("b"), search("c")] } : { kind: "text", text: "done" },
		);
		expect(await (await start(agentInput(runId))).result()).toMatchObject({ steps: 2, toolCalls: 3 });
		expect(searchedOf(runId)).toBe(3);
		const told = gateway.steps.find((step) => step.runId === runId && step.step === 2)?.body.messages.filter(({ role }) => role === "tool");
		expect(told?.map(({ content }) => content)).toEqual(["found", "Not run: there is no tool with this name. Tools: search.", "found", "found"]);
	});

	test("is told of a tool that fails, after its attempts, and goes on", async () => {
		const runId = "failing-tool";
		searches.set(runId, () => {
			throw new Error("no network");
		});
		scripts.set(runId, searchesThenAnswers(2));
		expect(await (await start(agentInput(runId, { tools: [{ ...SEARCH_TOOL, attemptsMax: 2 }] }))).result()).toMatchObject({ outcome: "answered", steps: 2 });
		expect(searchedOf(runId)).toBe(2);
		expect(gateway.steps.findLast((step) => step.runId === runId)?.body.messages.at(-1)).toMatchObject({
			role: "tool",
			content: "The tool failed: no network",
		});
	});

	test("is told that nobody knows of a tool that outlasts its time-out, which is not run twice", async () => {
		const runId = "slow-tool";
		const cut = Promise.withResolvers<void>();
		const told = Promise.withResolvers<void>();
		searches.set(runId, async (_, { signal }) => {
			signal.addEventListener("abort", () => cut.resolve());
			// The worker's clock and the server's end it in any order: what it brings when the model has been told is too late for both.
			await Promise.all([cut.promise, told.promise]);
			return "too late";
		});
		const answers = searchesThenAnswers(2);
		scripts.set(runId, (asked) => {
			if (asked.step === 2) told.resolve();
			return answers(asked);
		});
		expect(await (await start(agentInput(runId, { toolTimeoutMs: 1_500 }))).result()).toMatchObject({ outcome: "answered", steps: 2 });
		expect(searchedOf(runId)).toBe(1);
		expect(JSON.stringify(gateway.steps.findLast((step) => step.runId === runId)?.body.messages.at(-1))).toContain("Nobody knows");
	});

	test("ends at its own most steps and leaves the run open; the next workflow of the run pays for none of them again", async () => {
		const runId = "taken-up";
		scripts.set(runId, searchesThenAnswers(3));
		expect(await (await start(agentInput(runId, { maxSteps: 2 }))).result()).toMatchObject({
			outcome: "out_of_steps",
			steps: 2,
			answerRef: `${runId}/2/answer`,
		});
		expect(gateway.runs.get(runId)?.state).toBe("running");
		expect(await (await start(agentInput(runId))).result()).toMatchObject({ outcome: "answered", steps: 3, costNanoUsd: "3000" });
		expect(servedOf(runId)).toEqual([`${runId}/1`, `${runId}/2`, `${runId}/3`]);
		expect(searchedOf(runId)).toBe(2);
	});

	test("says where its answer was cut off", async () => {
		scripts.set("cut-off", () => ({ kind: "text", text: "half an ans", isCutOff: true }));
		expect(await (await start(agentInput("cut-off"))).result()).toMatchObject({ outcome: "answered", isCutOff: true });
	});

	test("begins a new run of its history after so many steps, with all it needs", async () => {
		const runId = "long";
		scripts.set(runId, searchesThenAnswers(13));
		const handle = await start(agentInput(runId, { stepsPerRun: 5 }));
		expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 13, toolCalls: 12, costNanoUsd: "13000" });
		expect(servedOf(runId)).toHaveLength(13);
		const first = await temporal.client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId).fetchHistory();
		expect(first.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes).toBeTruthy();
		expect(gateway.steps.filter((step) => step.runId === runId).at(-1)?.body.messages).toHaveLength(2 + 12 * 2);
	});
});

describe("what is said", () => {
	test("stands in the transcript, written once, and not in the history", async () => {
		const runId = "secret";
		searches.set(runId, () => "the secret result");
		scripts.set(runId, ({ step }) => (step === 1 ? { kind: "calls", calls: [search("the secret argument")] } : { kind: "text", text: "the secret answer" }));
		await transcripts.write("prompts/secret", JSON.stringify({ user: "the secret question" }));
		const handle = await start(agentInput(runId, { prompt: { ref: "prompts/secret" } }));
		await handle.result();
		const payloads = (key: string, value: unknown): unknown => (key === "data" ? Buffer.from(String(value), "base64").toString() : value);
		const history = JSON.stringify((await handle.fetchHistory()).events, payloads);
		expect(history).toContain("prompts/secret");
		expect(history).not.toContain("the secret");
		expect(await readAnswer(transcripts, `${runId}/2/answer`)).toBe("the secret answer");
		expect(transcripts.lateWrites.filter((key) => key.startsWith(`${runId}/`))).toEqual([]);
	});

	test("to another prompt under the same run is refused, naming the field", async () => {
		await (await start(agentInput("twice", { maxSteps: 1 }))).result();
		const other = await start(agentInput("twice", { prompt: { user: "something else" } }), { workflowId: "durable-agent/twice-again" });
		expect(await causeOf(other)).toMatchObject({ cause: { type: "run.invalid", details: [[{ field: "prompt" }]] } });
	});
});

describe("a run that is held", () => {
	test("waits on a durable timer, looks, and goes on with everything it had", async () => {
		const runId = "paused";
		scripts.set(runId, ({ step }) => {
			if (step === 1) gateway.hold(runId, "paused", 1_500);
			return searchesThenAnswers(3)({ step } as ScriptedStep);
		});
		const handle = await start(agentInput(runId));
		const status = await until("the wait", async () => {
			const seen = await statusOf(handle);
			return seen.activity === "waiting" && seen;
		});
		expect(status).toMatchObject({ step: 2, hold: { state: "paused", guard: "loop.repetition", pauseId: "pau_0123456789abcdef", askAgainMs: 1_500 } });
		await until("two looks", () => gateway.looks >= 2);
		gateway.resume(runId);
		expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 3, hold: null });
		expect(servedOf(runId)).toEqual([`${runId}/1`, `${runId}/2`, `${runId}/3`]);
		expect(searchedOf(runId)).toBe(2);
	});

	test("for hours needs no worker meanwhile; checkNow ends the wait when a person let it go on", async () => {
		const runId = "for-hours";
		const taskQueue = "agents-of-the-night";
		scripts.set(runId, ({ step }) => {
			if (step === 1) gateway.hold(runId, "paused", 6 * 3_600_000);
			return searchesThenAnswers(2)({ step } as ScriptedStep);
		});
		const stopEvening = await startAgentWorker({ temporal, gateway, taskQueue, transcripts, tools });
		const handle = await start(agentInput(runId), { taskQueue });
		await until("the wait", async () => (await statusOf(handle)).activity === "waiting");
		await stopEvening();
		const { events } = await handle.fetchHistory();
		const timers = events?.flatMap(({ timerStartedEventAttributes: timer }) => (timer ? [Number(timer.startToFireTimeout?.seconds)] : []));
		expect(timers).toEqual([600]);
		gateway.resume(runId);
		await handle.signal(checkNowSignal);
		const stopMorning = await startAgentWorker({ temporal, gateway, taskQueue, transcripts, tools });
		expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 2 });
		await stopMorning();
		expect(servedOf(runId)).toEqual([`${runId}/1`, `${runId}/2`]);
	});

	test("by a stop ends the agent with the hold as its result, at once and while it waits", async () => {
		scripts.set("stopped", ({ step, runId }) => {
			if (step === 2) gateway.hold(runId, "stopped", null);
			return { kind: "calls", calls: [search("more")] };
		});
		const stopped = {
			outcome: "stopped",
			steps: 2,
			hold: { state: "stopped", guard: "loop.repetition", evidence: "the call and its result repeated 9 times" },
		};
		expect(await (await start(agentInput("stopped"))).result()).toMatchObject({ ...stopped, answerRef: "stopped/2/answer" });
		expect(gateway.runs.get("stopped")?.state).toBe("stopped");

		scripts.set("expired", ({ runId }) => {
			gateway.hold(runId, "paused", 0);
			return { kind: "calls", calls: [search("more")] };
		});
		const handle = await start(agentInput("expired"));
		await until("the wait", async () => (await statusOf(handle)).activity === "waiting");
		gateway.hold("expired", "stopped", null);
		expect(await handle.result()).toMatchObject({ ...stopped, steps: 1 });
	});

	test("goes on in a new run of the history where it waits for long", async () => {
		const runId = "rolls-while-held";
		scripts.set(runId, ({ step }) => {
			if (step === 1) gateway.hold(runId, "paused", 0);
			return searchesThenAnswers(2)({ step } as ScriptedStep);
		});
		// One turn a run of the history: each look that finds it held begins another.
		const handle = await start(agentInput(runId, { stepsPerRun: 1 }));
		await until("two looks of it", async () => (await statusOf(handle).catch(() => undefined))?.activity === "waiting" && gateway.asked.includes(`${runId}/2`));
		gateway.resume(runId);
		expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 2 });
		expect(servedOf(runId)).toEqual([`${runId}/1`, `${runId}/2`]);
	});

	test("by nobody, but finished by somebody, ends the agent", async () => {
		scripts.set("ended-elsewhere", ({ runId }) => {
			gateway.runs.get(runId)!.state = "finished";
			return { kind: "calls", calls: [search("more")] };
		});
		expect(await (await start(agentInput("ended-elsewhere"))).result()).toMatchObject({ outcome: "finished", steps: 1 });
	});
});

describe("a step", () => {
	test("whose outcome nobody knows is asked once more under another key", async () => {
		scripts.set("lost-once", ({ attempt }) => (attempt === 1 ? { kind: "lost" } : { kind: "text", text: "second" }));
		expect(await (await start(agentInput("lost-once"))).result()).toMatchObject({ outcome: "answered", steps: 1 });
		expect(servedOf("lost-once")).toEqual(["lost-once/1", "lost-once/1/2"]);
	});

	test("... and no more often than may be", async () => {
		scripts.set("lost-always", () => ({ kind: "lost" }));
		expect(await causeOf(await start(agentInput("lost-always")))).toMatchObject({
			type: "idempotency.outcome_unknown",
			message: expect.stringContaining("step 1"),
		});
		expect(servedOf("lost-always")).toEqual(["lost-always/1", "lost-always/1/2"]);
	});

	test("that the gateway is too busy for is asked again under the same key", async () => {
		let refusals = 0;
		scripts.set("busy", () => {
			refusals += 1;
			return refusals < 3 ? { kind: "refused", status: 429, code: "limit.requests", retryAfterSeconds: 1 } : { kind: "text", text: "at last" };
		});
		expect(await (await start(agentInput("busy"))).result()).toMatchObject({ outcome: "answered", steps: 1 });
		expect(gateway.asked.filter((key) => key === "busy/1")).toHaveLength(3);
		expect(servedOf("busy")).toEqual(["busy/1"]);
	});

	test("that a spent budget refuses is waited out", async () => {
		let isSpent = true;
		const spent: ScriptedAnswer = { kind: "refused", status: 402, code: "budget.exceeded", fields: { type: "budget_exceeded", resetsAt: null, howToAsk: "" } };
		scripts.set("spent", () => (isSpent ? spent : { kind: "text", text: "there is money again" }));
		const handle = await start(agentInput("spent"));
		await until("the refusal", async () => (await statusOf(handle)).refusedWith === "budget.exceeded");
		isSpent = false;
		expect(await handle.result()).toMatchObject({ outcome: "answered", steps: 1 });
		expect(servedOf("spent")).toEqual(["spent/1"]);
	});

	test("that is refused for what it says fails the agent by the refusal's code, and the run stays open to be taken up", async () => {
		scripts.set("refused", () => ({ kind: "refused", status: 422, code: "request.unbounded" }));
		expect(await causeOf(await start(agentInput("refused")))).toMatchObject({ cause: { type: "request.unbounded" } });
		expect(gateway.runs.get("refused")?.state).toBe("running");
	});
});

describe("cancelled", () => {
	test("while it waits for the model or a tool, it ends as cancelled and its run is finished", async () => {
		const cut = Promise.withResolvers<string>();
		searches.set("cancelled", (_, { signal }) => {
			signal.addEventListener("abort", () => cut.resolve("cut"));
			return cut.promise;
		});
		scripts.set("cancelled", searchesThenAnswers(9));
		const handle = await start(agentInput("cancelled"));
		await until("the tool", () => searchedOf("cancelled") === 1);
		await handle.cancel();
		expect(await causeOf(handle)).toMatchObject({ name: "CancelledFailure" });
		expect(gateway.runs.get("cancelled")?.state).toBe("finished");
		expect(await cut.promise).toBe("cut");
	});
});

test("an input with mistakes fails at once, naming every field, and opens nothing", async () => {
	const wrong = { ...agentInput("bad-input"), model: "", tools: [SEARCH_TOOL, SEARCH_TOOL] };
	expect(await causeOf(await start(wrong))).toMatchObject({ type: "run.invalid", message: expect.stringMatching(/^model .*; tools\[1\]\.name /) });
	expect(gateway.runs.has("bad-input")).toBe(false);
});
