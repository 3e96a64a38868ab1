import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NONCE, NONCE_BEFORE, nonceOf } from "../../../bench/driver/load-target.ts";
import { probeLane, requestBody } from "../../../bench/lanes/probe.ts";
import { ANSWER_BODY, BENCH_MODEL, STEP_ANSWER_BODY, STREAM_DELTAS, STREAM_EVENTS, toolCallOf, USAGE } from "../../../bench/provider/answers.ts";
import { DeadlineQueue } from "../../../bench/provider/deadline-queue.ts";
import { LaneServer } from "../../../bench/provider/lane-server.ts";
import { type ReceivedCall, RequestReader } from "../../../bench/provider/request-reader.ts";

let folder = "";
let lane: LaneServer;

beforeEach(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "bench-provider-"));
	lane = new LaneServer(path.join(folder, "calls.jsonl"));
	await new Promise<void>((resolve) => lane.server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
	await lane.close();
	rmSync(folder, { recursive: true, force: true });
});

function endpoint() {
	return { port: (lane.server.address() as AddressInfo).port, path: "/v1/chat/completions", authorizations: ["Bearer none"], headers: {} };
}

function logged(): Record<string, unknown>[] {
	return readFileSync(path.join(folder, "calls.jsonl"), "utf8")
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function call(nonce: string, headers: Record<string, string> = {}): Promise<string> {
	const body = requestBody(256, lane.mode.isStream).replace(NONCE, nonce);
	const response = await fetch(`http://127.0.0.1:${endpoint().port}/v1/chat/completions`, { method: "POST", headers, body });
	return response.text();
}

describe("bench provider", () => {
	test("answers each call with its own nonce and logs it as the simulated provider does", async () => {
		const nonces = Array.from({ length: 5 }, (_, index) => nonceOf(index + 1));
		const answers = await Promise.all(nonces.map((nonce) => call(nonce, { "X-Client-Request-Id": `g1-1-${nonce.slice(-1)}` })));
		expect(answers).toEqual(nonces.map((nonce) => ANSWER_BODY.replaceAll(NONCE, nonce)));
		const lines = logged().sort((left, right) => String(left["attemptId"]).localeCompare(String(right["attemptId"])));
		expect(lines.map((line) => ({ ...line, at: "" }))).toEqual(
			nonces.map((nonce) => ({
				attemptId: `g1-1-${nonce.slice(-1)}`,
				providerRequestId: `req_${nonce}`,
				at: "",
				protocol: "openai",
				model: BENCH_MODEL,
				serviceTier: "default",
				usage: USAGE,
			})),
		);
		expect(lane.billed).toBe(5);
	});

	test("a step is answered with a tool call, which is what the next step of its run sends back", async () => {
		lane.mode = { latencyMs: 0, isStream: false, isStep: true };
		const body = requestBody("step", false).replaceAll(NONCE, nonceOf(5)).replaceAll(NONCE_BEFORE, nonceOf(1));
		const answer = await (await fetch(`http://127.0.0.1:${endpoint().port}/`, { method: "POST", body })).text();
		expect(answer).toBe(STEP_ANSWER_BODY.replaceAll(NONCE, nonceOf(5)));
		const [, said, result] = (JSON.parse(body) as { messages: { tool_calls?: unknown[]; tool_call_id?: string }[] }).messages;
		expect(said?.tool_calls).toEqual([toolCallOf(nonceOf(1))]);
		expect(result?.tool_call_id).toBe((toolCallOf(nonceOf(1)) as { id: string }).id);
		expect((JSON.parse(answer) as { choices: { message: { tool_calls: unknown[] } }[] }).choices[0]?.message.tool_calls).toEqual([toolCallOf(nonceOf(5))]);
	});

	test("a call that no gateway made has no attempt id", async () => {
		await call(nonceOf(1));
		expect(logged()[0]?.["attemptId"]).toBeNull();
	});

	test("a call is logged before its answer is there, with latency as without", async () => {
		for (const latencyMs of [0, 5]) {
			lane.mode = { latencyMs, isStream: false };
			await call(nonceOf(latencyMs));
			expect(logged()).toHaveLength(latencyMs === 0 ? 1 : 2);
		}
	});

	test("a stream has a role, its tokens, usage and an end, and is billed once", async () => {
		lane.mode = { latencyMs: 0, isStream: true };
		const text = await call(nonceOf(9));
		expect(text).toBe(STREAM_EVENTS.join("").replaceAll(NONCE, nonceOf(9)));
		expect(text.split("\n\n").filter((event) => event.includes('"delta":{"content":"') && !event.includes("assistant"))).toHaveLength(STREAM_DELTAS);
		expect(logged()).toHaveLength(1);
	});

	test("a lane that changes one byte of the answer is found by the probe, a peer that only writes it otherwise is not", async () => {
		const through = { kind: "direct", endpoint: endpoint() } as const;
		expect((await probeLane(through, false)).nonceOffsets).toHaveLength(2);
		expect((await probeLane({ ...through, kind: "peer" }, false)).bytes.length).toBe(ANSWER_BODY.length);
		lane.mode = { latencyMs: 0, isStream: true };
		await expect(probeLane(through, false)).rejects.toThrow("something else");
	});
});

describe("requests", () => {
	const first = Buffer.from(`POST / HTTP/1.1\r\nX-Client-Request-Id: g1-1-1\r\nContent-Length: 24\r\n\r\n<${nonceOf(1)}>`);
	const second = Buffer.from(`POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n18\r\n<${nonceOf(2)}>\r\n0\r\n\r\n`);

	test("are read alike wherever the network cuts them", () => {
		const bytes = Buffer.concat([first, second, first]);
		fc.assert(
			fc.property(fc.array(fc.nat({ max: bytes.length - 1 })), (cuts) => {
				const places = [...new Set([0, ...cuts, bytes.length])].sort((left, right) => left - right);
				const reader = new RequestReader();
				const calls = places.slice(1).flatMap((end, index): ReceivedCall[] => reader.push(Buffer.from(bytes.subarray(places[index], end))));
				expect(calls).toEqual([
					{ attemptId: "g1-1-1", nonce: nonceOf(1) },
					{ attemptId: undefined, nonce: nonceOf(2) },
					{ attemptId: "g1-1-1", nonce: nonceOf(1) },
				]);
			}),
		);
	});

	test("a call without a nonce ends the connection", () => {
		const reader = new RequestReader();
		expect(reader.push(Buffer.from("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nno"))).toEqual([]);
		expect(reader.isBroken).toBe(true);
	});
});

test("what waits is released in order, each not before its time", async () => {
	const released: { item: number; atMs: number }[] = [];
	const all = Promise.withResolvers<void>();
	const queue = new DeadlineQueue<number>((items) => {
		for (const item of items) released.push({ item, atMs: performance.now() });
		if (released.length === 30) all.resolve();
	});
	const startedAtMs = performance.now();
	for (let item = 0; item < 30; item += 1) queue.add(item, startedAtMs + item);
	await all.promise;
	expect(released.map(({ item }) => item)).toEqual(Array.from({ length: 30 }, (_, index) => index));
	for (const { item, atMs } of released) expect(atMs - startedAtMs).toBeGreaterThanOrEqual(item);
});
