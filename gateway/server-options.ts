import type { Server } from "node:http";
import type { Socket } from "node:net";
import { getHeapStatistics } from "node:v8";
import type { FastifyHttpOptions } from "fastify";

/** Limits of the HTTP server. Defaults below hold for every deployment that names nothing else. */
export type ServerLimits = {
	/** Largest request body. Default 32 MiB, Anthropic's own limit for Messages. */
	readonly bodyBytesMax: number;
	/** Bodies of all open calls together; while they are as much, further calls are refused with 503. Default a quarter of the heap limit. */
	readonly heldBodyBytesMax: number;
	/** Largest answer held in memory. Default 64 MiB. */
	readonly answerBytesMax: number;
	/** All request headers together. Default 16 KiB. */
	readonly headerBytesMax: number;
	readonly headerCountMax: number;
	/** Time to send the headers of a request. */
	readonly headersTimeoutMs: number;
	/** Time to send a whole request. */
	readonly requestTimeoutMs: number;
	readonly keepAliveTimeoutMs: number;
	/** Connections beyond this are closed at once; 10,000 of them may be of those who wait for a run to change. */
	readonly connectionsMax: number;
};

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
	bodyBytesMax: 32 * 1024 * 1024,
	heldBodyBytesMax: Math.floor(getHeapStatistics().heap_size_limit / 4),
	answerBytesMax: 64 * 1024 * 1024,
	headerBytesMax: 16 * 1024,
	headerCountMax: 100,
	headersTimeoutMs: 10_000,
	requestTimeoutMs: 60_000,
	keepAliveTimeoutMs: 72_000,
	connectionsMax: 20_000,
};

/** Fastify without its own logging, HEAD routes and closing answers: each has a protocol-shaped counterpart here. */
export function toFastifyOptions(limits: ServerLimits, nextRequestId: () => string): FastifyHttpOptions<Server> {
	return {
		logger: false,
		bodyLimit: limits.bodyBytesMax,
		requestTimeout: limits.requestTimeoutMs,
		keepAliveTimeout: limits.keepAliveTimeoutMs,
		// Ids of runs have 128 characters at most; a longer one is told so by the route.
		routerOptions: { maxParamLength: 1_024 },
		exposeHeadRoutes: false,
		return503OnClosing: false,
		http: { maxHeaderSize: limits.headerBytesMax, headersTimeout: limits.headersTimeoutMs },
		clientErrorHandler: (error, socket) => answerMalformed(error, socket, nextRequestId),
	};
}

/** What node:http could not parse never becomes a request; the protocol is unknown, so the answer has OpenAI's shape. */
function answerMalformed(error: Error & { code?: string }, socket: Socket, nextRequestId: () => string): void {
	if (error.code === "ECONNRESET" || !socket.writable) {
		socket.destroy();
		return;
	}
	const [status, message] =
		error.code === "HPE_HEADER_OVERFLOW"
			? ["431 Request Header Fields Too Large", "The request headers are too large."]
			: error.code === "ERR_HTTP_REQUEST_TIMEOUT"
				? ["408 Request Timeout", "The request was not complete in time."]
				: ["400 Bad Request", "The request is not well-formed HTTP."];
	const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: "request.invalid" } });
	const requestId = nextRequestId();
	const head = [
		`HTTP/1.1 ${status}`,
		"connection: close",
		"content-type: application/json",
		`content-length: ${Buffer.byteLength(body)}`,
		`x-tollgate-request-id: ${requestId}`,
		`x-request-id: ${requestId}`,
		"x-should-retry: false",
	];
	socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
