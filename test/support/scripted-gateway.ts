import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a call of an agent's step is answered with. `lost`: served and billed, and the answer is gone. */
export type ScriptedAnswer =
	| { readonly kind: "calls"; readonly calls: readonly { readonly tool: string; readonly args: unknown }[] }
	| { readonly kind: "text"; readonly text: string; readonly isCutOff?: boolean }
	| {
			readonly kind: "refused";
			readonly status: number;
			readonly code: string;
			readonly fields?: Readonly<Record<string, unknown>>;
			readonly retryAfterSeconds?: number;
	  }
	| { readonly kind: "lost" };

export type ScriptedStep = {
	readonly runId: string;
	readonly step: number;
	readonly attempt: number;
	readonly protocol: "openai" | "anthropic";
	readonly body: { readonly model: string; readonly messages: readonly Message[]; readonly tools?: readonly unknown[] };
	readonly headers: IncomingMessage["headers"];
};
export type Message = { readonly role: string; readonly content?: unknown };

type RunRow = {
	state: "running" | "paused" | "stopped" | "finished";
	version: number;
	hold: Record<string, unknown> | null;
	readonly body: Record<string, unknown>;
};
type KeyRow = { readonly hash: string; state: "open" | "answered" | "unknown"; body: string };

/**
 * Stands in for a gateway that knows runs: both protocols, idempotency keys, pauses and `/v1/runs`, with answers that the test
 * writes. `served` is what a provider would have billed.
 */
export class ScriptedGateway {
	readonly served: string[] = [];
	/** Every request with a key, refused and repeated ones too. */
	readonly asked: string[] = [];
	readonly steps: ScriptedStep[] = [];
	readonly runs = new Map<string, RunRow>();
	/** Looks at a run, by GET, and what happens before the next is answered. */
	looks = 0;
	onLook: (runId: string) => void = () => undefined;
	answer: (step: ScriptedStep) => ScriptedAnswer | Promise<ScriptedAnswer> = () => ({ kind: "text", text: "done" });
	readonly url: string;
	readonly #keys = new Map<string, KeyRow>();
	readonly #server: ReturnType<typeof createServer>;

	private constructor(server: ReturnType<typeof createServer>, url: string) {
		this.#server = server;
		this.url = url;
	}

	static async start(): Promise<ScriptedGateway> {
		const server = createServer();
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const gateway = new ScriptedGateway(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
		server.on("request", (request: IncomingMessage, response: ServerResponse) => {
			const chunks: Buffer[] = [];
			request.on("data", (chunk: Buffer) => chunks.push(chunk));
			request.on("end", () => void gateway.#take(request, response, Buffer.concat(chunks).toString()));
		});
		return gateway;
	}

	/** Forgets everything that was said and asked. */
	reset(): void {
		for (const list of [this.served, this.asked, this.steps]) list.length = 0;
		this.runs.clear();
		this.#keys.clear();
		this.looks = 0;
		this.answer = () => ({ kind: "text", text: "done" });
	}

	/** As a guard does, or a person. */
	hold(runId: string, state: "paused" | "stopped", askAgainMs: number | null): void {
		const run = this.#run(runId);
		const pauseId = state === "paused" ? "pau_0123456789abcdef" : null;
		const what = { guard: "loop.repetition", evidence: "the call and its result repeated 9 times", measured: "9", threshold: "9", ofRunId: runId };
		run.state = state;
		run.hold = { state, ...what, pauseId, askAgainMs, by: "gateway test" };
		run.version += 1;
	}

	resume(runId: string): void {
		const run = this.#run(runId);
		run.state = "running";
		run.hold = null;
		run.version += 1;
	}

	async close(): Promise<void> {
		this.#server.closeAllConnections();
		await new Promise((resolve) => this.#server.close(resolve));
	}

	#run(runId: string): RunRow {
		const known = this.runs.get(runId);
		if (known !== undefined) return known;
		const opened: RunRow = { state: "running", version: 1, hold: null, body: {} };
		this.runs.set(runId, opened);
		return opened;
	}

	async #take(request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
		const url = request.url ?? "";
		if (url.startsWith("/v1/runs")) return this.#takeRun(request.method ?? "", url, { response, text });
		const protocol = url === "/v1/messages" ? "anthropic" : "openai";
		const [, runId = "", step = "", attempt = "1"] = /^([^/]+)\/(\d+)(?:\/(\d+))?$/.exec(String(request.headers["idempotency-key"])) ?? [];
		const key = String(request.headers["idempotency-key"]);
		this.asked.push(key);
		const known = this.#keys.get(key);
		const hash = createHash("sha256").update(text).digest("hex");
		if (known !== undefined) return this.#repeat(known, hash, { response, protocol });
		const { state, hold } = this.#run(runId);
		if (hold !== null) return refuse(response, protocol, { status: 402, code: `run.${hold["state"]}`, fields: heldFields(runId, hold) });
		if (state === "finished") return refuse(response, protocol, { status: 403, code: "run.finished" });
		const row: KeyRow = { hash, state: "open", body: "" };
		this.#keys.set(key, row);
		const body = JSON.parse(text) as ScriptedStep["body"];
		const asked: ScriptedStep = { runId, step: Number(step), attempt: Number(attempt), protocol, body, headers: request.headers };
		this.steps.push(asked);
		const answer = await this.answer(asked);
		if (answer.kind === "refused") {
			this.#keys.delete(key);
			return refuse(response, protocol, answer);
		}
		this.served.push(key);
		if (answer.kind === "lost") {
			row.state = "unknown";
			return void response.destroy();
		}
		row.body = JSON.stringify(protocol === "anthropic" ? anthropicAnswer(answer, key) : openaiAnswer(answer, key));
		row.state = "answered";
		send(response, 200, row.body, { "x-tollgate-cost-nano-usd": "1000" });
	}

	#repeat(known: KeyRow, hash: string, { response, protocol }: { readonly response: ServerResponse; readonly protocol: ScriptedStep["protocol"] }): void {
		if (known.hash !== hash) return refuse(response, protocol, { status: 422, code: "idempotency.mismatch" });
		if (known.state === "open") return refuse(response, protocol, { status: 409, code: "idempotency.in_flight", retryAfterSeconds: 1 });
		if (known.state === "unknown") return refuse(response, protocol, { status: 409, code: "idempotency.outcome_unknown" });
		send(response, 200, known.body, { "x-tollgate-cost-nano-usd": "0", "x-tollgate-idempotent-replay": "true" });
	}

	#takeRun(method: string, url: string, { response, text }: { readonly response: ServerResponse; readonly text: string }): void {
		const [, runId = "", action = ""] = /^\/v1\/runs\/([^/?]+)\/?([a-z]*)/.exec(url) ?? [];
		if (method === "POST" && runId === "") {
			const body = JSON.parse(text) as { runId: string };
			const known = this.runs.get(body.runId);
			if (known?.state === "finished") return refuse(response, "openai", { status: 403, code: "run.finished" });
			if (known === undefined) this.runs.set(body.runId, { state: "running", version: 1, hold: null, body });
			return send(response, known === undefined ? 201 : 200, this.#shown(body.runId));
		}
		const run = this.runs.get(runId);
		if (run === undefined) return refuse(response, "openai", { status: 404, code: "run.unknown" });
		if (action === "finish") {
			run.state = "finished";
			run.hold = null;
		} else {
			this.looks += 1;
			this.onLook(runId);
		}
		send(response, 200, this.#shown(runId));
	}

	#shown(runId: string): string {
		const { state, hold, version, body } = this.#run(runId);
		const totals = { costNanoUsd: "0", inputTokens: 0, outputTokens: 0, steps: 0, outputBytes: 0, toolCalls: {} };
		const facts = { runId, teamId: "demo", parentRunId: body["parentRunId"] ?? null, origin: "registered", limits: body["limits"] ?? {} };
		return JSON.stringify({ ...facts, state, hold, version: String(version), openedMsAgo: 1, pausedMs: 0, children: 0, totals });
	}
}

/** The fields of a 402 as the wire names them. */
function heldFields(runId: string, hold: Record<string, unknown>): Record<string, unknown> {
	const { state, guard, evidence, measured, threshold, ofRunId, pauseId, askAgainMs } = hold;
	const watch = `/v1/runs/${runId}/wait?version=2`;
	return { type: `run_${state}`, run: runId, guard, evidence, measured, threshold, ofRun: ofRunId, pauseId, askAgainInMs: askAgainMs, watch };
}

type Refusal = { readonly status: number; readonly code: string; readonly fields?: Readonly<Record<string, unknown>>; readonly retryAfterSeconds?: number };

function refuse(response: ServerResponse, protocol: ScriptedStep["protocol"], { status, code, fields = {}, retryAfterSeconds }: Refusal): void {
	const error = { message: `refused with ${code}`, type: "invalid_request_error", code, ...fields };
	const body = protocol === "openai" ? { error } : { type: "error", error: { ...error, details: { error_code: code } } };
	send(response, status, JSON.stringify(body), retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) });
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
	response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

type Answered = Extract<ScriptedAnswer, { kind: "calls" | "text" }>;

function openaiAnswer(answer: Answered, key: string): unknown {
	const calls = answer.kind === "calls" ? answer.calls : [];
	const toolCalls = calls.map(({ tool, args }, at) => ({
		id: `call_${key.replaceAll("/", "_")}_${at}`,
		type: "function",
		function: { name: tool, arguments: typeof args === "string" ? args : JSON.stringify(args) },
	}));
	const message = { role: "assistant", content: answer.kind === "text" ? answer.text : null, ...(calls.length === 0 ? {} : { tool_calls: toolCalls }) };
	const finish_reason = calls.length > 0 ? "tool_calls" : answer.kind === "text" && answer.isCutOff === true ? "length" : "stop";
	const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
	return { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message, finish_reason, logprobs: null }], usage };
}

function anthropicAnswer(answer: Answered, key: string): unknown {
	const content =
		answer.kind === "text"
			? [{ type: "text", text: answer.text }]
			: answer.calls.map(({ tool, args }, at) => ({ type: "tool_use", id: `toolu_${key.replaceAll("/", "_")}_${at}`, name: tool, input: args }));
	const stop_reason = answer.kind === "calls" ? "tool_use" : answer.isCutOff === true ? "max_tokens" : "end_turn";
	return {
		id: "msg_1",
		type: "message",
		role: "assistant",
		model: "m",
		content,
		stop_reason,
		stop_sequence: null,
		usage: { input_tokens: 10, output_tokens: 5 },
	};
}
