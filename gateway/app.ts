import type { IncomingMessage, ServerResponse } from "node:http";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { KeyIdentity, KeyResolution } from "#activities/request/port.ts";
import { createPlaces } from "./batches/places.ts";
import type { GatewayContext } from "./context.ts";
import { readCredential } from "./credentials.ts";
import type { HeldBody } from "./held-bodies.ts";
import { callFields } from "./log-fields.ts";
import { type Problem, problemOf, renderProblem } from "./problem.ts";
import { protocolOf } from "./protocol.ts";
import { createRequestIds } from "./request-id.ts";
import { registerBatchRoutes } from "./routes/batches.ts";
import { registerDeferredRoutes } from "./routes/deferred.ts";
import { registerFileRoutes } from "./routes/files.ts";
import { registerMessageBatchRoutes } from "./routes/message-batches.ts";
import { registerModelRoutes } from "./routes/model-calls.ts";
import { registerModelListRoutes } from "./routes/models.ts";
import { registerOperationRoutes } from "./routes/operations.ts";
import { registerRunRoutes } from "./routes/runs.ts";
import { toFastifyOptions } from "./server-options.ts";

declare module "fastify" {
	interface FastifyRequest {
		/** Set by the authentication of every /v1 route. */
		virtualKey: KeyIdentity | undefined;
		/** The place its body has in memory; set on every route that serves a model. */
		heldBody: HeldBody | undefined;
	}
}

export type GatewayApp = {
	readonly server: FastifyInstance;
	/** From now on new calls are refused with 503 and their connections closed; open calls go on. */
	beginDrain(): void;
};

/** Builds the HTTP skin. Nothing listens yet; `server.inject` works without a socket. */
export function createApp(context: GatewayContext): GatewayApp {
	const nextRequestId = createRequestIds();
	const server = Fastify({
		...toFastifyOptions(context.limits, nextRequestId),
		genReqId: nextRequestId,
		frameworkErrors: (error, request, reply) => sendProblem(context, { request, reply }, toProblem(context, error, request)),
	});
	server.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
		refuseExpectation(context, { request, response, requestId: nextRequestId() }),
	);
	let isDraining = false;
	server.server.maxHeadersCount = context.limits.headerCountMax;
	server.server.maxConnections = context.limits.connectionsMax;
	server.decorateRequest("virtualKey", undefined);
	server.decorateRequest("heldBody", undefined);
	// One parser for everything: bodies stay bytes, and nothing but our own inspection ever parses them.
	server.removeAllContentTypeParsers();
	// Named beside "*", because a name is found at once.
	for (const type of ["application/json", "*"]) server.addContentTypeParser(type, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
	server.setNotFoundHandler((request, reply) =>
		sendProblem(context, { request, reply }, { code: "request.not_found", message: `${request.method} ${shorten(request.url)} is not served here.` }),
	);
	server.setErrorHandler((error: FastifyError, request, reply) => sendProblem(context, { request, reply }, toProblem(context, error, request)));
	registerOperationRoutes(server, context, () => isDraining);
	server.register((v1, _options, done) => {
		v1.addHook("onRequest", (request, reply, next) => {
			if (isDraining) sendProblem(context, { request, reply: reply.header("connection", "close") }, DRAINING);
			else authenticate(context, { request, reply }, next);
		});
		registerModelRoutes(v1, context);
		registerModelListRoutes(v1, context);
		registerRunRoutes(v1, context);
		const { batches } = context;
		if (batches !== undefined) {
			const places = createPlaces(context, batches);
			registerFileRoutes(v1, context, { batches, places });
			registerBatchRoutes(v1, context, { batches, places });
			registerMessageBatchRoutes(v1, context, { batches, places });
			const { deferred } = batches;
			if (deferred !== undefined) registerDeferredRoutes(v1, context, { batches, deferred });
		}
		done();
	});
	return {
		server,
		beginDrain() {
			isDraining = true;
		},
	};
}

const DRAINING: Problem = { code: "gateway.draining", message: "This gateway is shutting down; try again." };

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

/** Before the body is read: an unknown key cannot make us hold 32 MiB. Synchronous for a known key. */
function authenticate(context: GatewayContext, exchange: Exchange, next: (error?: Error) => void): void {
	const credential = readCredential(exchange.request.raw.rawHeaders);
	if (credential.kind === "rejected") {
		sendProblem(context, exchange, credential.problem);
		return;
	}
	const accept = (resolution: KeyResolution): void => {
		if (resolution.kind === "refused") {
			sendProblem(context, exchange, resolution);
			return;
		}
		exchange.request.virtualKey = resolution.key;
		next();
	};
	const resolution = context.authority.resolveKey(credential.secret);
	if (resolution instanceof Promise) resolution.then(accept).catch((error: unknown) => next(error instanceof Error ? error : new Error(String(error))));
	else accept(resolution);
}

type RawExchange = { readonly request: IncomingMessage; readonly response: ServerResponse; readonly requestId: string };

/** An `Expect` other than 100-continue never becomes a request of the framework: node:http asks what to answer. */
function refuseExpectation(context: GatewayContext, { request, response, requestId }: RawExchange): void {
	const problem: Problem = { code: "request.invalid", message: "The expectation of the request cannot be met.", field: "expect", httpStatus: 417 };
	const rendered = renderProblem(problem, protocolOf({ url: request.url ?? "", headers: request.headers }), requestId);
	context.metrics.countRefusal(problem.code);
	context.metrics.countRequest("other", rendered.status);
	// The body that follows is not read.
	response
		.writeHead(rendered.status, [...rendered.headers, "connection", "close", "content-length", String(Buffer.byteLength(rendered.body))])
		.end(rendered.body);
}

function sendProblem(context: GatewayContext, { request, reply }: Exchange, problem: Problem): void {
	const rendered = renderProblem(problem, protocolOf(request), request.id);
	for (let index = 0; index < rendered.headers.length; index += 2) reply.header(rendered.headers[index] ?? "", rendered.headers[index + 1]);
	context.metrics.countRefusal(problem.code, problem.refusal?.run?.hold.guard);
	context.metrics.countRequest("other", rendered.status);
	// Without this an unread body would keep the connection, and its bytes, coming.
	if (rendered.status === 413) reply.header("connection", "close");
	reply.code(rendered.status).send(rendered.body);
}

/** Fastify's own errors happen before any reservation; the rest is ours and says nothing more than its id. */
function toProblem(context: GatewayContext, error: FastifyError, request: FastifyRequest): Problem {
	if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE")
		return { code: "request.too_large", message: `The request body is larger than ${context.limits.bodyBytesMax} bytes.` };
	if (typeof error.code === "string" && error.code.startsWith("FST_ERR_CTP"))
		return { code: "request.invalid", message: "The request body could not be read." };
	if (error.code === "FST_ERR_BAD_URL") return { code: "request.invalid", message: "The path of the request is not well-formed." };
	if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
		return { code: "request.invalid", message: "The request could not be read." };
	context.log.error({ ...callFields(request), err: error }, "a request failed");
	return problemOf(error);
}

function shorten(url: string): string {
	const path = url.split("?", 1)[0] ?? "";
	return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}
