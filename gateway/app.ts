import type { IncomingMessage, ServerResponse } from "node:http";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { KeyIdentity } from "#activities/request/port.ts";
import { type Authentication, authenticate } from "./authenticate.ts";
import { createPlaces } from "./batches/places.ts";
import type { GatewayContext } from "./context.ts";
import type { HeldBody } from "./held-bodies.ts";
import { callFields } from "./log-fields.ts";
import { createModelRequests } from "./model-requests.ts";
import { bodyTooLarge, DRAINING, type Problem, problemOf, renderProblem } from "./problem.ts";
import { protocolOf } from "./protocol.ts";
import { refuseUnread } from "./refuse-unread.ts";
import { createRequestIds } from "./request-id.ts";
import { registerBatchRoutes } from "./routes/batches.ts";
import { registerDeferredRoutes } from "./routes/deferred.ts";
import { registerFileRoutes } from "./routes/files.ts";
import { registerMessageBatchRoutes } from "./routes/message-batches.ts";
import { registerModelListRoutes } from "./routes/models.ts";
import { registerOperationRoutes } from "./routes/operations.ts";
import { registerRunRoutes } from "./routes/runs.ts";
import { toFastifyOptions } from "./server-options.ts";

declare module "fastify" {
	interface FastifyRequest {
		/** Set by the authentication of every /v1 route. */
		virtualKey: KeyIdentity | undefined;
		/** The place its body has in memory; set where an item is handed in. */
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
	let isDraining = false;
	const models = createModelRequests(context, { nextRequestId, isDraining: () => isDraining });
	const server = Fastify({
		...toFastifyOptions(context.limits, nextRequestId, models),
		genReqId: nextRequestId,
		frameworkErrors: (error, request, reply) => sendProblem(context, { request, reply }, toProblem(context, error, request)),
	});
	server.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
		refuseUnread(context, { request, response, requestId: nextRequestId() }, UNMET_EXPECTATION, { isClosing: true }),
	);
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
			else identify(context, { request, reply }, next);
		});
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

type Exchange = { readonly request: FastifyRequest; readonly reply: FastifyReply };

/** Before the body is read. */
function identify(context: GatewayContext, exchange: Exchange, next: (error?: Error) => void): void {
	const accept = (authentication: Authentication): void => {
		if (authentication.kind === "refused") {
			sendProblem(context, exchange, authentication);
			return;
		}
		exchange.request.virtualKey = authentication.key;
		next();
	};
	const found = authenticate(context.authority, exchange.request.raw);
	if (found instanceof Promise) found.then(accept).catch((error: unknown) => next(error instanceof Error ? error : new Error(String(error))));
	else accept(found);
}

/** An `Expect` other than 100-continue never becomes a request: node:http asks what to answer. */
const UNMET_EXPECTATION: Problem = { code: "request.invalid", message: "The expectation of the request cannot be met.", field: "expect", httpStatus: 417 };

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
	if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return bodyTooLarge(context.limits.bodyBytesMax);
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
