import type { ServerResponse } from "node:http";
import type { StoredAnswer } from "#activities/idempotency/port.ts";
import { ONE_PIECE_BYTES_MAX } from "#activities/providers/one-piece-writes.ts";
import type { AnswerHead, Caller } from "#activities/request/caller.ts";
import { Departure } from "#activities/request/leaving.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import { toWire } from "#domain/money/wire.ts";
import type { RenderedProblem } from "./problem.ts";

/** Answer headers of a provider that reach the caller. Everything else, cookies and account ids first, stays here. */
const PASSED_HEADERS: ReadonlySet<string> = new Set([
	"content-type",
	"content-encoding",
	"retry-after",
	"retry-after-ms",
	"x-should-retry",
	"x-request-id",
	"request-id",
	"openai-processing-ms",
	"openai-version",
	"openai-model",
]);
const PASSED_PREFIXES: readonly string[] = ["x-ratelimit-", "anthropic-ratelimit-", "anthropic-fast-"];

/** Names of models are any text; what HTTP cannot carry is not told. */
const NOT_IN_A_HEADER = /[^\x20-\x7e]/g;

const STREAM_HEADERS: readonly string[] = ["cache-control", "no-cache", "x-accel-buffering", "no"];

/** The caller's side of one call over node:http. Writing after the caller left is harmless and skipped. */
export class HttpCaller implements Caller {
	readonly #response: ServerResponse;
	readonly #requestId: string;
	readonly leaving = new Departure();
	#hasWritten = false;

	constructor(response: ServerResponse, requestId: string) {
		this.#response = response;
		this.#requestId = requestId;
		response.on("close", () => {
			if (!response.writableFinished) this.leaving.leave();
		});
	}

	/** Status sent so far; 0 before the head left. */
	get sentStatus(): number {
		return this.#response.headersSent ? this.#response.statusCode : 0;
	}

	answer(head: AnswerHead, body: Buffer, costNanoUsd: NanoUsd): void {
		const headers = this.#headersOf(head);
		headers.push("x-tollgate-cost-nano-usd", toWire(costNanoUsd), "content-length", String(body.length));
		this.#response.writeHead(head.status, headers);
		// Every byte is one character of latin1, and node:http writes head and text in one piece; for a Buffer it gathers two.
		if (body.length <= ONE_PIECE_BYTES_MAX) this.#response.end(body.toString("latin1"), "latin1");
		else this.#response.end(body);
	}

	beginStream(head: AnswerHead): void {
		const headers = this.#headersOf(head);
		headers.push(...STREAM_HEADERS);
		this.#response.writeHead(head.status, headers);
		// Mostly the first event has come with the head, and then both leave together; a head that came alone waits for no event.
		setImmediate(() => {
			if (!this.#hasWritten) this.#response.flushHeaders();
		});
	}

	write(chunk: Buffer): boolean {
		this.#hasWritten = true;
		return this.#response.write(chunk);
	}

	whenWritable(resume: () => void): void {
		this.#response.once("drain", resume);
	}

	endStream(): void {
		this.#hasWritten = true;
		this.#response.end();
	}

	cutStream(): void {
		this.#response.destroy();
	}

	/** The stored answer of an earlier call, under that call's request id. This one cost nothing, and is no step of its run. */
	replay({ body, requestId, isStream, ...head }: StoredAnswer, runId: string | undefined): void {
		const headers = this.#headersOf({ ...head, budgetLeftNanoUsd: undefined, runId }, requestId);
		headers.push("x-tollgate-idempotent-replay", "true");
		if (isStream) headers.push(...STREAM_HEADERS);
		else headers.push("x-tollgate-cost-nano-usd", "0", "content-length", String(body.length));
		this.#response.writeHead(head.status, headers);
		this.#response.end(body);
	}

	/** Sends an error, or breaks the answer where one has begun. */
	reject(problem: RenderedProblem): void {
		if (this.#response.headersSent) {
			this.#response.destroy();
			return;
		}
		const length = Buffer.byteLength(problem.body);
		this.#response.writeHead(problem.status, [...problem.headers, "content-length", String(length)]);
		this.#response.end(problem.body);
	}

	#headersOf(head: AnswerHead, requestId = this.#requestId): string[] {
		const headers = ["x-tollgate-request-id", requestId, "x-tollgate-model", head.model];
		if (head.budgetLeftNanoUsd !== undefined) headers.push("x-tollgate-budget-left-nano-usd", toWire(head.budgetLeftNanoUsd));
		if (head.clampedOutputTokens !== undefined) headers.push("x-tollgate-clamped-output-tokens", String(head.clampedOutputTokens));
		if (head.degradedFrom !== undefined) headers.push("x-tollgate-degraded", head.degradedFrom.replaceAll(NOT_IN_A_HEADER, "?"));
		if (head.runId !== undefined) headers.push("x-tollgate-run", head.runId);
		if (head.runWarnings !== undefined && head.runWarnings.length > 0) headers.push("x-tollgate-run-warning", head.runWarnings.join(","));
		for (const name in head.headers) {
			if (!PASSED_HEADERS.has(name) && !PASSED_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
			const value = head.headers[name];
			if (typeof value === "string") headers.push(name, value);
		}
		return headers;
	}
}
