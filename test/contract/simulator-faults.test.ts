import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type CallLogLine, type SimulatedProvider, startSimulatedProvider } from "#test/support/simulated-provider.ts";

/** Faults on demand, and what the call log holds after each. */

let provider: SimulatedProvider;
let attempts = 0;

beforeAll(async () => {
	provider = await startSimulatedProvider();
});

afterAll(() => provider.close());

type Sent = { readonly attemptId: string; readonly status: number; readonly headers: Headers; readonly text: string; readonly wasCut: boolean };

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const RESPONSES = "/v1/responses";

/** Asks with the directive in the prompt, as it arrives through a gateway that forwards no unknown headers. */
async function send(
	path: string,
	options: { readonly directive: object; readonly isStream?: boolean; readonly signal?: AbortSignal; readonly attemptId?: string },
): Promise<Sent> {
	attempts += 1;
	const attemptId = options.attemptId ?? `fault-${attempts}`;
	const content = `[[simulate:${JSON.stringify({ outputTokens: 10, ...options.directive })}]]`;
	const prompt = path === RESPONSES ? { input: content } : { messages: [{ role: "user", content }] };
	const cap = path === MESSAGES ? { max_tokens: 100 } : {};
	const usage = path === CHAT && options.isStream === true ? { stream_options: { include_usage: true } } : {};
	const response = await fetch(provider.url + path, {
		method: "POST",
		redirect: "manual",
		headers: { "x-client-request-id": attemptId, "anthropic-version": "2023-06-01" },
		body: JSON.stringify({ model: "gpt-4o", ...prompt, ...cap, ...usage, stream: options.isStream === true }),
		...(options.signal && { signal: options.signal }),
	});
	const read = await readAll(response);
	return { attemptId, status: response.status, headers: response.headers, ...read };
}

async function readAll(response: Response): Promise<{ readonly text: string; readonly wasCut: boolean }> {
	const decoder = new TextDecoder();
	let text = "";
	try {
		for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
	} catch {
		return { text, wasCut: true };
	}
	return { text, wasCut: false };
}

/** Runs `begin` and waits until its request has arrived whole. */
async function untilArrived<T>(begin: () => T): Promise<{ readonly pending: T }> {
	const { totalRequests } = await provider.control("state");
	const pending = begin();
	await vi.waitFor(async () => expect((await provider.control("state"))["totalRequests"]).toBe((totalRequests as number) + 1));
	return { pending };
}

function billOf(attemptId: string): CallLogLine {
	const lines = provider.callsOf(attemptId);
	expect(lines).toHaveLength(1);
	return lines[0] as CallLogLine;
}

function outputOf({ usage }: CallLogLine): number {
	return Number(usage["completion_tokens"] ?? usage["output_tokens"]);
}

describe("a status", () => {
	it.each([
		[CHAT, 429, { error: { type: "rate_limit_error", code: "rate_limit_exceeded" } }],
		[CHAT, 500, { error: { type: "server_error" } }],
		[CHAT, 503, { error: { code: "server_is_overloaded" } }],
		[MESSAGES, 529, { type: "error", error: { type: "overloaded_error" } }],
		[MESSAGES, 400, { type: "error", error: { type: "invalid_request_error" } }],
	])("on %s of %i has the provider's shape and no bill", async (path, status, shape) => {
		const sent = await send(path, { directive: { status, retryAfterSeconds: 7 } });
		expect(sent.status).toBe(status);
		expect(sent.headers.get("retry-after")).toBe("7");
		expect(sent.headers.get("x-simulated-provider")).toBe("true");
		expect(JSON.parse(sent.text)).toMatchObject(shape);
		expect(provider.callsOf(sent.attemptId)).toEqual([]);
	});

	it("carries the code that must not be retried", async () => {
		const sent = await send(CHAT, { directive: { status: 429, errorCode: "organization_spend_limit_exceeded" } });
		expect(JSON.parse(sent.text)).toMatchObject({ error: { code: "organization_spend_limit_exceeded" } });
		expect(sent.headers.get("retry-after")).toBeNull();
	});

	it("of a mistyped directive is 400", async () => {
		expect((await send(CHAT, { directive: { falt: "hang" } })).status).toBe(400);
	});
});

describe("a cut", () => {
	it.each([CHAT, MESSAGES, RESPONSES])("before the headers on %s is billed", async (path) => {
		attempts += 1;
		const attemptId = `cut-${attempts}`;
		await expect(send(path, { directive: { fault: "cut_before_headers" }, attemptId })).rejects.toThrow();
		expect(outputOf(billOf(attemptId))).toBe(10);
	});

	it.each([
		[CHAT, false],
		[CHAT, true],
		[MESSAGES, true],
	])("after the headers on %s (stream %s) is billed", async (path, isStream) => {
		const sent = await send(path, { directive: { fault: "cut_after_headers" }, isStream });
		expect([sent.status, sent.text, sent.wasCut]).toEqual([200, "", true]);
		expect(outputOf(billOf(sent.attemptId))).toBe(10);
	});

	it.each([CHAT, MESSAGES, RESPONSES])("in the middle of a stream on %s bills half", async (path) => {
		const sent = await send(path, { directive: { fault: "cut_mid_stream" }, isStream: true });
		expect(sent.wasCut).toBe(true);
		expect(sent.text).toContain("[simulated]");
		expect(outputOf(billOf(sent.attemptId))).toBe(5);
	});

	it("in the middle of a plain answer bills all of it", async () => {
		const sent = await send(CHAT, { directive: { fault: "cut_mid_stream" } });
		expect(sent.wasCut).toBe(true);
		expect(sent.text).toMatch(/^\{"object"/);
		expect(outputOf(billOf(sent.attemptId))).toBe(10);
	});
});

describe("an error after the stream began", () => {
	it.each([
		[CHAT, /data: \{"error":\{"message":.*"server_error"/],
		[RESPONSES, /event: error\ndata: \{"type":"error"/],
		[MESSAGES, /event: error\ndata: \{"type":"error","error":\{"type":"overloaded_error"/],
	])("on %s ends it and bills half", async (path, shape) => {
		const sent = await send(path, { directive: { fault: "error_event_mid_stream" }, isStream: true });
		expect([sent.status, sent.wasCut]).toEqual([200, false]);
		expect(sent.text).toMatch(shape);
		expect(outputOf(billOf(sent.attemptId))).toBe(5);
	});

	it("reaches the official clients as an error", async () => {
		const directive = JSON.stringify({ outputTokens: 4, fault: "error_event_mid_stream" });
		const headers = { "x-simulate": directive };
		const messages = [{ role: "user" as const, content: "hi" }];
		const openai = new OpenAI({ apiKey: "any", baseURL: `${provider.url}/v1`, maxRetries: 0, defaultHeaders: headers });
		const anthropic = new Anthropic({ apiKey: "any", baseURL: provider.url, maxRetries: 0, defaultHeaders: headers });
		await expect(openai.chat.completions.stream({ model: "gpt-4o", messages }).done()).rejects.toThrow(OpenAI.APIError);
		await expect(anthropic.messages.stream({ model: "claude-sonnet-5", max_tokens: 10, messages }).done()).rejects.toThrow(Anthropic.APIError);
	});
});

describe("a usage report", () => {
	const reportedInput = (text: string): unknown => (JSON.parse(text) as { usage?: { prompt_tokens?: unknown } }).usage?.prompt_tokens;

	it.each([
		["missing_usage", undefined],
		["negative_usage", -1_001],
		["huge_usage", 1_000_000_000_000],
		["fractional_usage", 1_000.5],
	])("with %s is unusable and the true one is billed", async (fault, reported) => {
		const sent = await send(CHAT, { directive: { fault, inputTokens: 1_000 } });
		expect(reportedInput(sent.text)).toBe(reported);
		expect(billOf(sent.attemptId).usage).toMatchObject({ prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 });
	});

	it("of zero is usable and billed as reported", async () => {
		const sent = await send(MESSAGES, { directive: { fault: "zero_usage" }, isStream: true });
		expect(sent.text).toContain('"output_tokens":0');
		expect(billOf(sent.attemptId).usage).toMatchObject({ input_tokens: 0, output_tokens: 0 });
	});

	it("is missing from streams too", async () => {
		for (const path of [CHAT, MESSAGES, RESPONSES]) {
			const sent = await send(path, { directive: { fault: "missing_usage" }, isStream: true });
			expect(sent.text).not.toMatch(/"(output|completion)_tokens":/);
			expect(outputOf(billOf(sent.attemptId))).toBe(10);
		}
	});

	it("is as given, to the token", async () => {
		const openai = await send(CHAT, { directive: { inputTokens: 5_000, cachedTokens: 3_000, cacheWriteTokens: 500, reasoningTokens: 4 } });
		expect(billOf(openai.attemptId).usage).toMatchObject({
			prompt_tokens: 5_000,
			prompt_tokens_details: { cached_tokens: 3_000, cache_write_tokens: 500 },
			completion_tokens_details: { reasoning_tokens: 4 },
		});
		const anthropic = await send(MESSAGES, {
			directive: { inputTokens: 5_000, cachedTokens: 3_000, cacheWriteTokens: 500, cacheWrite1hTokens: 200, usageAtBound: true },
		});
		expect(billOf(anthropic.attemptId).usage).toMatchObject({
			input_tokens: 1_300,
			cache_read_input_tokens: 3_000,
			cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 200 },
			output_tokens: 100,
		});
	});

	it("names another model or tier, in the answer and in the log", async () => {
		const given = await send(CHAT, { directive: { answeredModel: "gpt-4o-mini", answeredTier: "flex" } });
		expect(JSON.parse(given.text)).toMatchObject({ model: "gpt-4o-mini", service_tier: "flex" });
		expect(billOf(given.attemptId)).toMatchObject({ model: "gpt-4o-mini", serviceTier: "flex" });
		const wrong = await send(CHAT, { directive: { fault: "wrong_model" }, isStream: true });
		expect(wrong.text).toContain('"model":"simulated-unknown-model"');
		expect(billOf(wrong.attemptId).model).toBe("simulated-unknown-model");
	});
});

describe("the shape of a stream", () => {
	it.each(["one_byte_slices", "split_utf8"])("with %s carries the same bytes", async (fault) => {
		const sent = await send(CHAT, { directive: { fault }, isStream: true });
		expect(sent.text.endsWith("data: [DONE]\n\n")).toBe(true);
		expect(sent.text).not.toContain("\ufffd");
		if (fault === "split_utf8") expect(sent.text).toMatch(/[^\p{ASCII}]/u);
	});

	it("with split_utf8 arrives cut inside a character", async () => {
		const outgoing = request(`${provider.url}${CHAT}`, {
			method: "POST",
			headers: { "x-simulate": JSON.stringify({ fault: "split_utf8", outputTokens: 40 }) },
		});
		outgoing.end(JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "hi" }], stream: true }));
		const [response] = (await once(outgoing, "response")) as [NodeJS.ReadableStream];
		const pieces: Buffer[] = [];
		// As the chunks come: an async iterator would join what waits together.
		response.on("data", (piece: Buffer) => pieces.push(piece));
		await once(response, "end");
		expect(pieces.some((piece) => piece.toString().endsWith("\ufffd"))).toBe(true);
		expect(Buffer.concat(pieces).toString()).not.toContain("\ufffd");
	});

	it("with duplicate_chunk doubles one chunk and the usage report, and bills once", async () => {
		const sent = await send(CHAT, { directive: { fault: "duplicate_chunk" }, isStream: true });
		const events = sent.text.split("\n\n").filter(Boolean);
		expect(events.length - new Set(events).size).toBeGreaterThanOrEqual(2);
		expect(events.filter((event) => event.includes('"prompt_tokens"'))).toHaveLength(2);
		expect(outputOf(billOf(sent.attemptId))).toBe(10);
	});

	it.each([
		[CHAT, "[DONE]"],
		[MESSAGES, "message_stop"],
		[RESPONSES, "response.completed"],
	])("with no_done on %s lacks its end and is billed", async (path, end) => {
		const sent = await send(path, { directive: { fault: "no_done" }, isStream: true });
		expect([sent.text.includes(end), sent.wasCut]).toEqual([false, false]);
		expect(outputOf(billOf(sent.attemptId))).toBe(10);
	});

	it("of a redirect shows in the log only when it is followed", async () => {
		const sent = await send(CHAT, { directive: { fault: "redirect" } });
		expect(sent.status).toBe(307);
		expect(provider.callsOf(sent.attemptId)).toEqual([]);
		await send(sent.headers.get("location") ?? "", { directive: { fault: "redirect" }, attemptId: sent.attemptId });
		expect(provider.callsOf(sent.attemptId)).toHaveLength(1);
	});
});

describe("a caller who leaves", () => {
	it.each([false, true])("pays for what was generated until then (stream %s)", async (isStream) => {
		const leaving = new AbortController();
		const attemptId = `left-${isStream}`;
		const directive = { outputTokens: 100_000, tokensPerSecond: 1_000 };
		const { pending } = await untilArrived(() => send(CHAT, { directive, isStream, signal: leaving.signal, attemptId }).catch((error: unknown) => error));
		leaving.abort();
		const outcome = await pending;
		expect(outcome instanceof Error || (outcome as Sent).wasCut).toBe(true);
		await vi.waitFor(() => expect(provider.callsOf(attemptId)).toHaveLength(1));
		expect(outputOf(billOf(attemptId))).toBeLessThan(100_000);
	});

	it.each(["hang", "hang_mid_stream"])("of a %s pays for all that was generated", async (fault) => {
		const leaving = new AbortController();
		const { pending } = await untilArrived(() =>
			send(MESSAGES, { directive: { fault }, isStream: true, signal: leaving.signal, attemptId: `left-${fault}` }).catch((error: unknown) => error),
		);
		expect(provider.callsOf(`left-${fault}`)).toEqual([]);
		leaving.abort();
		await pending;
		await vi.waitFor(() => expect(provider.callsOf(`left-${fault}`)).toHaveLength(1));
		expect(outputOf(billOf(`left-${fault}`))).toBe(10);
	});
});

describe("control", () => {
	it("holds answers until they are released, and lets late ones pass", async () => {
		const held = [1, 2, 3].map((number) => send(CHAT, { directive: { holdUntil: "gate" }, attemptId: `held-${number}` }));
		await vi.waitFor(async () => expect(await provider.control("state")).toMatchObject({ held: 3, heldByName: { gate: 3 } }));
		expect(provider.callsOf("held-1")).toEqual([]);
		expect(await provider.control("release", { name: "gate" })).toMatchObject({ released: 3 });
		expect((await Promise.all(held)).map((sent) => sent.status)).toEqual([200, 200, 200]);
		expect((await send(CHAT, { directive: { holdUntil: "gate" } })).status).toBe(200);
	});

	it("draws faults by rate, and refuses rates it does not know", async () => {
		expect(await provider.control("faults", { rates: { "503": 1 }, retryAfterSeconds: 2 })).toMatchObject({ httpStatus: 200, faultRates: { "503": 1 } });
		const sent = await send(CHAT, { directive: {} });
		expect([sent.status, sent.headers.get("retry-after")]).toEqual([503, "2"]);
		expect(await provider.control("faults", { rates: { explode: 1 } })).toMatchObject({ httpStatus: 400 });
		expect(await provider.control("faults", { rates: {} })).toMatchObject({ faultRates: {}, retryAfterSeconds: null });
		expect((await send(CHAT, { directive: {} })).status).toBe(200);
	});

	it("sets the pace for calls that name none", async () => {
		expect(await provider.control("pace", { latencyMs: 1, tokensPerSecond: 5_000 })).toMatchObject({ pace: { latencyMs: 1, tokensPerSecond: 5_000 } });
		expect((await send(CHAT, { directive: { outputTokens: 100 }, isStream: true })).text).toContain("[DONE]");
		expect(await provider.control("pace", { latencyMs: -1 })).toMatchObject({ httpStatus: 400 });
		expect(await provider.control("pace", { latencyMs: 0, tokensPerSecond: 0 })).toMatchObject({ pace: { latencyMs: 0, tokensPerSecond: 0 } });
	});

	it("says it is simulated", async () => {
		expect(await provider.control("state")).toMatchObject({ simulated: true, callLog: provider.callLogPath, pace: { latencyMs: 0, tokensPerSecond: 0 } });
	});
});

describe("the call log", () => {
	it("is appended across restarts, never repeats an id and survives a torn line", async () => {
		const folder = mkdtempSync(join(tmpdir(), "tollgate-log-"));
		const path = join(folder, "calls.jsonl");
		writeFileSync(path, '{"attemptId":"torn');
		for (let start = 0; start < 2; start += 1) {
			const started = await startSimulatedProvider({}, path);
			await fetch(`${started.url}/v1/embeddings`, { method: "POST", body: JSON.stringify({ model: "text-embedding-3-small", input: "hi" }) });
			await started.close();
			expect(started.child.exitCode).toBe(0);
		}
		const [torn, ...lines] = readFileSync(path, "utf8").split("\n").filter(Boolean);
		expect(torn).toBe('{"attemptId":"torn');
		expect(new Set(lines.map((line) => (JSON.parse(line) as CallLogLine).providerRequestId)).size).toBe(2);
		rmSync(folder, { recursive: true });
	});

	it("holds the calls that a stop cut off, and none that were turned away", async () => {
		const started = await startSimulatedProvider({ TOLLGATE_SIMULATOR_KEY: "secret", TOLLGATE_SIMULATOR_MAXIMUM_BODY_BYTES: "1000" });
		const ask = (key: string) =>
			fetch(`${started.url}/v1/embeddings`, {
				method: "POST",
				headers: { authorization: `Bearer ${key}`, "x-client-request-id": "cut-by-stop", "x-simulate": '{"fault":"hang"}' },
				body: JSON.stringify({ model: "e", input: "hi" }),
			});
		expect((await ask("wrong")).status).toBe(401);
		const large = await fetch(`${started.url}/v1/embeddings`, { method: "POST", headers: { authorization: "Bearer secret" }, body: "x".repeat(1_001) });
		expect(large.status).toBe(413);
		const hanging = ask("secret").catch((error: unknown) => error);
		await vi.waitFor(async () => expect(await started.control("state")).toMatchObject({ inFlight: 1 }));
		expect(await started.stop()).toBe(0);
		expect(await hanging).toBeInstanceOf(Error);
		expect(started.callsOf("cut-by-stop")).toHaveLength(1);
		await started.close();
	});
});
