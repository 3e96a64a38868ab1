import { ApplicationFailure } from "@temporalio/common";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { keys } from "#clients/durable-agent/keys.ts";
import { callModel } from "#clients/durable-agent/model-call.ts";
import { finishRun, readRun, registerRun } from "#clients/durable-agent/run-calls.ts";
import { MemoryTranscripts, SEARCH_TOOL } from "#test/support/agent-transcripts.ts";
import { ScriptedGateway } from "#test/support/scripted-gateway.ts";
import type { CallModelInput, RegisterRunInput } from "#workflows/durable-agent/messages.ts";

let gateway: ScriptedGateway;
let store: MemoryTranscripts;
const never = new AbortController().signal;
const access = () => ({ baseUrl: gateway.url, key: "tg-test" });
const call: CallModelInput = {
	runId: "r",
	parentRunId: null,
	agent: null,
	step: 1,
	attempt: 1,
	model: "gpt-4o",
	protocol: "chat/completions",
	outputTokensMax: 50,
	timeoutMs: 10_000,
	promptRef: "r/prompt",
	toolsRef: "r/tools",
	lostCalls: [],
};
const ask = (more: Partial<CallModelInput> = {}) => callModel(access(), store, { ...call, ...more }, never);
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
	work.then(
		() => new Error("no failure"),
		(error: unknown) => error,
	);

beforeAll(async () => {
	gateway = await ScriptedGateway.start();
});
afterAll(() => gateway.close());

beforeEach(async () => {
	store = new MemoryTranscripts();
	gateway.reset();
	await store.write("r/prompt", JSON.stringify({ user: "find it" }));
	await store.write("r/tools", JSON.stringify([SEARCH_TOOL]));
});

describe("a step", () => {
	test("is asked once, under its own name, and read from the transcript from then on", async () => {
		gateway.answer = () => ({
			kind: "calls",
			calls: [
				{ tool: "search", args: { query: "a" } },
				{ tool: "fly", args: {} },
			],
		});
		const answer = { kind: "answered", calls: [{ index: 0, tool: "search" }], isFinal: false, isCutOff: false, costNanoUsd: "1000" };
		expect(await ask()).toEqual(answer);
		expect(await ask()).toEqual(answer);
		expect(gateway.asked).toEqual(["r/1"]);
		expect(await ask({ runId: "s", promptRef: "r/prompt", attempt: 2 })).toMatchObject({ kind: "answered" });
		expect(gateway.asked).toEqual(["r/1", "s/1/2"]);
	});

	test("whose answer calls only tools that are not there is not the last one", async () => {
		gateway.answer = () => ({ kind: "calls", calls: [{ tool: "fly", args: {} }] });
		expect(await ask()).toMatchObject({ kind: "answered", calls: [], isFinal: false });
	});

	test("whose answer was not written down is answered by the gateway again, at no cost", async () => {
		await ask();
		store.texts.delete(keys.answer("r", 1));
		expect(await ask()).toMatchObject({ kind: "answered", costNanoUsd: "0" });
		expect([gateway.served, gateway.asked]).toEqual([["r/1"], ["r/1", "r/1"]]);
	});

	test("tells the model of calls whose activity was lost, once and for all", async () => {
		gateway.answer = ({ step }) => (step === 1 ? { kind: "calls", calls: [{ tool: "search", args: {} }] } : { kind: "text", text: "done" });
		await ask();
		expect(await ask({ step: 2, lostCalls: [0] })).toMatchObject({ kind: "answered", isFinal: true });
		expect(gateway.steps.at(-1)?.body.messages.at(-1)?.content).toContain("Nobody knows");
		expect(JSON.parse(store.texts.get(keys.result("r", 1, 0)) ?? "")).toMatchObject({ end: "unknown" });
	});

	test("that a hold refuses is no failure", async () => {
		gateway.hold("r", "paused", 5_000);
		expect(await ask()).toMatchObject({ kind: "held", hold: { state: "paused", askAgainMs: 5_000, ofRunId: "r" } });
		expect(await ask({ protocol: "messages" })).toMatchObject({
			kind: "held",
			hold: { state: "paused", evidence: "the call and its result repeated 9 times" },
		});
		expect(gateway.served).toEqual([]);
	});

	test("of a run that was begun over the other protocol is refused for good", async () => {
		gateway.answer = () => ({ kind: "calls", calls: [{ tool: "fly", args: {} }] });
		await ask();
		await expect(ask({ step: 2, protocol: "messages" })).rejects.toBeInstanceOf(RangeError);
	});

	test("without a transcript is not asked", async () => {
		store.texts.delete("r/prompt");
		await expect(ask()).rejects.toThrow("the transcript has nothing under r/prompt");
		expect(gateway.asked).toEqual([]);
	});

	test("that is cancelled is left", async () => {
		const stopping = new AbortController();
		gateway.answer = () => {
			stopping.abort(new Error("cancelled"));
			return new Promise(() => undefined);
		};
		await expect(callModel(access(), store, call, stopping.signal)).rejects.toThrow("cancelled");
	});
});

describe("the run", () => {
	const registration: RegisterRunInput = {
		runId: "run-1",
		parentRunId: null,
		feature: null,
		limits: { steps: 5 },
		prompt: { user: "find it" },
		tools: [SEARCH_TOOL],
	};
	const register = (more: Partial<RegisterRunInput> = {}) => registerRun(access(), store, { ...registration, ...more }, never);

	test("is opened with what it states, and taken up again by the same", async () => {
		const refs = { promptRef: "run-1/prompt", toolsRef: expect.stringMatching(/^run-1\/tools-[0-9a-f]{16}$/) };
		expect(await register()).toEqual(refs);
		expect(await register()).toEqual(refs);
		expect(gateway.runs.get("run-1")?.body).toEqual({ runId: "run-1", limits: { steps: 5 } });
		expect((await register({ tools: [] })).toolsRef).not.toBe((await register()).toolsRef);
	});

	test("with another prompt, or a reference to what is none, is refused naming the field, and not opened", async () => {
		await register();
		expect(await failureOf(register({ prompt: { user: "other" } }))).toMatchObject({
			type: "run.invalid",
			nonRetryable: true,
			details: [[{ field: "prompt" }]],
		});
		await store.write("notes/1", "no prompt");
		expect(await failureOf(register({ runId: "run-2", prompt: { ref: "notes/1" } }))).toMatchObject({
			type: "run.invalid",
			nonRetryable: true,
			details: [[{ field: "prompt.ref" }]],
		});
		expect(gateway.runs.has("run-2")).toBe(false);
	});

	test("is read and finished; one that is gone is told for good", async () => {
		await register();
		gateway.hold("run-1", "stopped", null);
		expect(await readRun(access(), { runId: "run-1" }, never)).toMatchObject({ state: "stopped", version: "2", hold: { guard: "loop.repetition" } });
		await finishRun(access(), { runId: "run-1" }, never);
		await finishRun(access(), { runId: "run-1" }, never);
		expect(await readRun(access(), { runId: "run-1" }, never)).toMatchObject({ state: "finished", hold: null });
		expect(await failureOf(readRun(access(), { runId: "run-9" }, never))).toMatchObject({ type: "run.unknown", nonRetryable: true });
		expect(await failureOf(register())).toMatchObject({ type: "run.finished", nonRetryable: true });
	});

	test("of a gateway that does not answer is asked for again", async () => {
		const failure = await failureOf(readRun({ baseUrl: "http://127.0.0.1:1", key: "tg-test" }, { runId: "r" }, never));
		expect(failure).toBeInstanceOf(ApplicationFailure);
		expect(failure).toMatchObject({ nonRetryable: false, type: "http.unanswered" });
	});
});
