import { beforeEach, describe, expect, test } from "vitest";
import { keys } from "#clients/durable-agent/keys.ts";
import { type AgentTool, runTool, ToolTriedAgain } from "#clients/durable-agent/tool-run.ts";
import { MemoryTranscripts } from "#test/support/agent-transcripts.ts";
import { lured } from "#test/support/lure.ts";
import type { ToolCallInput } from "#workflows/durable-agent/messages.ts";

let store: MemoryTranscripts;
let runs: unknown[];
const never = new AbortController().signal;

beforeEach(async () => {
	store = new MemoryTranscripts();
	runs = [];
	const call = (tool: string, argsText: string) => ({ callId: `id-${tool}`, tool, argsText });
	const inEscapes = lured((key) => `{"subject":"x","${key}":"ann"}`, "\\u0074o");
	const calls = [call("send", '{"to":"ann"}'), call("send", ""), call("send", '{"to":'), call("send", inEscapes)];
	const answer = { protocol: "messages", message: [], text: "", calls, isCutOff: false, costNanoUsd: "1", requestId: "q" };
	await store.write(keys.answer("r", 3), JSON.stringify(answer));
});

const input = (more: Partial<ToolCallInput> = {}): ToolCallInput => ({ runId: "r", step: 3, index: 0, isIdempotent: false, attemptsMax: 3, ...more });
const run = (tool: AgentTool, more: Partial<ToolCallInput> = {}, signal = never) =>
	runTool(
		store,
		(args, context) => {
			runs.push(args);
			return tool(args, context);
		},
		input(more),
		signal,
	);
const result = (index = 0) => JSON.parse(store.texts.get(keys.result("r", 3, index)) ?? "null") as unknown;
const failing: AgentTool = () => {
	throw new Error("no mail today");
};
/** The process dies while the tool runs: it began, and nothing more is known. */
const begunAndLost = (attempt: number) => store.write(keys.begun("r", 3, 0, attempt), "somebody");

describe("a tool", () => {
	test("gets an argument in escapes by the name it has, whatever the runtime's parser takes it for", async () => {
		expect(await run(() => "sent", { index: 3 })).toEqual({ end: "ok" });
		expect(runs).toEqual([{ subject: "x", to: "ann" }]);
	});

	test("gets its arguments, a key that is the same at every attempt, and what it brings is written down", async () => {
		const seen: unknown[] = [];
		const sending: AgentTool = (_, { signal: _signal, ...context }) => {
			seen.push(context);
			return { sent: true };
		};
		expect(await run(sending)).toEqual({ end: "ok" });
		expect(runs).toEqual([{ to: "ann" }]);
		expect(seen).toEqual([{ runId: "r", step: 3, callId: "id-send", idempotencyKey: "r/3/0" }]);
		expect(result()).toEqual({ end: "ok", text: '{"sent":true}' });
	});

	test("brings text as it is, and nothing as an empty one", async () => {
		await run(() => "plain");
		expect(result()).toEqual({ end: "ok", text: "plain" });
		await run(() => undefined, { index: 1 });
		expect(result(1)).toEqual({ end: "ok", text: "" });
		expect(runs).toEqual([{ to: "ann" }, {}]);
	});

	test("is not run again where its result is there: the completion of its activity was lost", async () => {
		await run(() => "once");
		expect(await run(() => "twice")).toEqual({ end: "ok" });
		expect(runs).toHaveLength(1);
		expect(store.lateWrites).toEqual([]);
	});

	test("whose arguments are no JSON is not run, and the model is told", async () => {
		expect(await run(() => "ran", { index: 2 })).toEqual({ end: "error" });
		expect(runs).toEqual([]);
		expect(result(2)).toMatchObject({ end: "error", text: expect.stringContaining("no JSON") });
	});

	test("that fails is tried again, as often as may be, and then the model is told why", async () => {
		await expect(run(failing)).rejects.toBeInstanceOf(ToolTriedAgain);
		await expect(run(failing)).rejects.toBeInstanceOf(ToolTriedAgain);
		expect(result()).toBeNull();
		expect(await run(failing)).toEqual({ end: "error" });
		expect(result()).toEqual({ end: "error", text: "The tool failed: no mail today" });
		expect(runs).toHaveLength(3);
	});

	test("that fails once and then works is told as one that worked", async () => {
		await expect(run(failing)).rejects.toBeInstanceOf(ToolTriedAgain);
		expect(await run(() => "sent")).toEqual({ end: "ok" });
	});
});

describe("an attempt of which nobody knows how it ended", () => {
	test("is not made again, and the model is told that nobody knows", async () => {
		await begunAndLost(1);
		expect(await run(() => "twice")).toEqual({ end: "unknown" });
		expect(runs).toEqual([]);
		expect(result()).toMatchObject({ end: "unknown", text: expect.stringContaining("Nobody knows") });
	});

	test("is made again where the tool is idempotent, and no more often than may be", async () => {
		await begunAndLost(1);
		expect(await run(() => "again", { isIdempotent: true })).toEqual({ end: "ok" });
		expect(runs).toHaveLength(1);
	});

	test("of an idempotent tool that never ends is given up", async () => {
		for (const attempt of [1, 2, 3]) await begunAndLost(attempt);
		expect(await run(() => "again", { isIdempotent: true })).toEqual({ end: "error" });
		expect(runs).toEqual([]);
	});

	test("counts however many failed before it and after it", async () => {
		await expect(run(failing)).rejects.toBeInstanceOf(ToolTriedAgain);
		await begunAndLost(2);
		expect(await run(() => "twice")).toEqual({ end: "unknown" });
		expect(runs).toHaveLength(1);
	});

	test("is what a cancelled one is: how far it came is not known", async () => {
		const stopping = new AbortController();
		const cut: AgentTool = () => {
			stopping.abort(new Error("cancelled"));
			throw new Error("cut off");
		};
		expect(await run(cut, {}, stopping.signal).catch((error: unknown) => error)).toMatchObject({ message: "cancelled" });
		expect(await run(() => "twice")).toEqual({ end: "unknown" });
		expect(runs).toHaveLength(1);
	});

	test("is one whose result could not be written down: the tool has run", async () => {
		const write = store.write.bind(store);
		store.write = (key, text) => (key.endsWith("/result") ? Promise.reject(new Error("disk full")) : write(key, text));
		await expect(run(() => "sent")).rejects.toThrow("disk full");
		store.write = write;
		expect(await run(() => "twice")).toEqual({ end: "unknown" });
		expect(runs).toHaveLength(1);
	});

	test("still has no say once another one concluded: the first result stands, for both", async () => {
		let second: Promise<unknown> | undefined;
		const late = run(async () => {
			second = run(() => "twice");
			await second;
			return "late";
		});
		expect(await late).toEqual({ end: "unknown" });
		expect(await second).toEqual({ end: "unknown" });
		expect(result()).toMatchObject({ end: "unknown" });
		expect(runs).toHaveLength(1);
	});
});
