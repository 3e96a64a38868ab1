import { createServer, type Server, type ServerOptions } from "node:http";
import type { Socket } from "node:net";
import { getHeapStatistics } from "node:v8";
import type { FastifyHttpOptions } from "fastify";
import { answerOnSocket, hasOwnTime, LATE_REQUEST } from "./late-requests.ts";
import type { ModelRequests } from "./model-requests.ts";

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
	/** Time to send a whole request. Of a file or batch that is uploaded: the longest without a byte of it. Default 60 s. */
	readonly requestTimeoutMs: number;
	/** Time to upload a whole file or batch. Default an hour: 200 MB at some 450 kbit/s. */
	readonly uploadTimeoutMs: number;
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
	uploadTimeoutMs: 3_600_000,
	keepAliveTimeoutMs: 72_000,
	connectionsMax: 20_000,
};

/** For requests that are late: as node:http does by itself. */
const CHECKED_EVERY_MS = 30_000;

/** Fastify without its own logging, HEAD routes and closing answers, each of which has a protocol-shaped counterpart here, and without requests for models. */
export function toFastifyOptions(limits: ServerLimits, nextRequestId: () => string, models: ModelRequests): FastifyHttpOptions<Server> {
	return {
		logger: false,
		bodyLimit: limits.bodyBytesMax,
		serverFactory: (serveByFramework) => {
			return createServer(toHttpOptions(limits), (request, response) => {
				if (!models.take(request, response)) serveByFramework(request, response);
			});
		},
		// Ids of runs have 128 characters at most; a longer one is told so by the route.
		routerOptions: { maxParamLength: 1_024 },
		exposeHeadRoutes: false,
		return503OnClosing: false,
		clientErrorHandler: (error, socket) => answerMalformed(error, socket, nextRequestId),
	};
}

function toHttpOptions(limits: ServerLimits): ServerOptions {
	return {
		maxHeaderSize: limits.headerBytesMax,
		headersTimeout: limits.headersTimeoutMs,
		requestTimeout: limits.requestTimeoutMs,
		keepAliveTimeout: limits.keepAliveTimeoutMs,
		connectionsCheckingInterval: Math.min(CHECKED_EVERY_MS, limits.requestTimeoutMs),
	};
}

const LARGE_HEADERS = ["431 Request Header Fields Too Large", "The request headers are too large."] as const;
const NOT_HTTP = ["400 Bad Request", "The request is not well-formed HTTP."] as const;

/** What node:http could not parse, or waited for too long, never becomes a request. */
function answerMalformed(error: Error & { code?: string }, socket: Socket, nextRequestId: () => string): void {
	if (error.code === "ECONNRESET" || !socket.writable) {
		socket.destroy();
		return;
	}
	const isLate = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
	if (isLate && hasOwnTime(socket)) return;
	answerOnSocket(socket, isLate ? LATE_REQUEST : error.code === "HPE_HEADER_OVERFLOW" ? LARGE_HEADERS : NOT_HTTP, nextRequestId());
}
