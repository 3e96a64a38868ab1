import { Readable } from "node:stream";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { BatchRecord } from "#activities/batches/port.ts";
import { Departure, type Leaving } from "#activities/request/leaving.ts";
import type { KeyIdentity } from "#activities/request/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import { type Asserted, readAssertions } from "../assertions.ts";
import type { GatewayContext } from "../context.ts";
import { IDEMPOTENCY_HEADER } from "../idempotency-key.ts";
import { callFields } from "../log-fields.ts";
import { bodyTooLarge, type Problem, problemOf, renderProblem, requestIdHeader } from "../problem.ts";
import { protocolOf } from "../protocol.ts";
import type { BatchRoutes } from "./ports.ts";

/** What a route of files and batches is asked, and how it answers: once, in the shape of its protocol. */
export type BatchCall = {
	readonly context: GatewayContext;
	readonly batches: BatchRoutes;
	readonly protocol: Protocol;
	readonly key: KeyIdentity;
	readonly request: FastifyRequest;
	readonly leaving: Leaving;
};

export type Answer = {
	/** Default 200. */
	readonly status?: number;
	readonly body: unknown;
	readonly headers?: Readonly<Record<string, string>>;
};
/** Bytes as they are read; the first read fails before the answer begins, a later one breaks it off. */
export type StreamedAnswer = { readonly stream: AsyncIterable<Uint8Array>; readonly contentType: string };

type Outcome = Answer | StreamedAnswer | Problem;
export type Served = {
	readonly context: GatewayContext;
	readonly batches: BatchRoutes;
	readonly protocol: Protocol;
	/** Its name in the metrics. */
	readonly endpoint: string;
};

/** Makes a route of `handle`. A request that is being worked on counts as an open call, so that a drain waits for it. */
export function answering({ context, batches, protocol, endpoint }: Served, handle: (call: BatchCall) => Promise<Outcome>) {
	return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
		const exchange = { context, protocol, endpoint, request, reply };
		const key = request.virtualKey;
		if (key === undefined) return sendProblem(exchange, { code: "key.missing", message: "No key." });
		const leaving = new Departure();
		reply.raw.once("close", () => {
			if (!reply.raw.writableFinished) leaving.leave();
		});
		const release = context.openCalls.enter();
		try {
			const outcome = await handle({ context, batches, protocol, key, request, leaving });
			return "code" in outcome ? sendProblem(exchange, outcome) : sendAnswer(exchange, outcome);
		} catch (error) {
			// A body that broke off is a caller who left.
			const hasBrokenOff = request.raw.destroyed && !request.raw.complete;
			const isExpected = error instanceof CostControlError || leaving.hasLeft || hasBrokenOff;
			if (!isExpected) context.log.error({ ...callFields(request), endpoint, err: error }, "a request about a batch failed");
			return sendProblem(exchange, problemOf(error));
		} finally {
			release();
		}
	};
}

type Exchange = Omit<Served, "batches"> & { readonly request: FastifyRequest; readonly reply: FastifyReply };

function sendAnswer({ context, protocol, endpoint, request, reply }: Exchange, answer: Answer | StreamedAnswer): FastifyReply {
	reply.header("x-tollgate-request-id", request.id).header(requestIdHeader(protocol), request.id);
	const status = "stream" in answer ? 200 : (answer.status ?? 200);
	context.metrics.countRequest(endpoint, reply.raw.destroyed ? 0 : status);
	if ("stream" in answer) return reply.header("content-type", answer.contentType).send(Readable.from(answer.stream, { objectMode: false }));
	for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value);
	return reply.code(status).send(answer.body);
}

export function sendProblem(
	{ context, endpoint, request, reply }: Pick<Exchange, "context" | "endpoint" | "request" | "reply">,
	problem: Problem,
): FastifyReply {
	const rendered = renderProblem(problem, protocolOf(request), request.id);
	for (let index = 0; index < rendered.headers.length; index += 2) reply.header(rendered.headers[index] ?? "", rendered.headers[index + 1]);
	context.metrics.countRefusal(problem.code);
	context.metrics.countRequest(endpoint, reply.raw.destroyed ? 0 : rendered.status);
	// What is left of a body is read away, so that its sender goes on to read the answer instead of meeting a closed connection.
	if (!request.raw.complete) request.raw.resume();
	return reply.code(rendered.status).send(rendered.body);
}

/** What the books say of a batch, beside its object in the protocol. */
export function batchHeaders({ model, heldNanoUsd, settledNanoUsd }: BatchRecord): Readonly<Record<string, string>> {
	return {
		"x-tollgate-model": model.replaceAll(/[^\x20-\x7e]/g, "?"),
		"x-tollgate-held-nano-usd": heldNanoUsd,
		"x-tollgate-cost-nano-usd": settledNanoUsd,
	};
}

/** Parameters of the query that are not among `known`. */
export function refuseQuery({ query }: FastifyRequest, known: readonly string[] = []): Problem | undefined {
	const unknown = Object.keys(query as object).find((name) => !known.includes(name));
	if (unknown === undefined) return undefined;
	const field = unknown.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, "?");
	return { code: "request.unknown_field", message: `${field} is no parameter of this request.`, field };
}

/** A parameter of the query that may be given once. */
export function readParameter({ query }: FastifyRequest, name: string): { readonly value: string | undefined } | Problem {
	const value = (query as Readonly<Record<string, unknown>>)[name];
	if (value === undefined || typeof value === "string") return { value };
	return { code: "request.invalid", message: `${name} is given more than once.`, field: name };
}

export function readLimit(request: FastifyRequest, { usual, most }: { readonly usual: number; readonly most: number }): number | Problem {
	const read = readParameter(request, "limit");
	if ("code" in read) return read;
	if (read.value === undefined) return usual;
	const limit = /^\d{1,6}$/.test(read.value) ? Number(read.value) : 0;
	return limit >= 1 && limit <= most ? limit : { code: "request.invalid", message: `limit must be a whole number from 1 to ${most}.`, field: "limit" };
}

export type Creating = { readonly kind: "accepted"; readonly asserted: Asserted } | { readonly kind: "rejected"; readonly problem: Problem };

/** What the headers of a creation say. What a batch cannot be is refused: left unread, it would be a promise that nobody keeps. */
export async function readCreationHeaders({ context, key, request }: BatchCall): Promise<Creating> {
	const refused = refuseHeaders(request, key);
	if (refused !== undefined) return { kind: "rejected", problem: refused };
	const assertions = await readAssertions(request.headers, key, context.authority);
	return assertions.kind === "rejected" ? assertions : { kind: "accepted", asserted: assertions.values };
}

const RUN_HEADERS = ["x-tollgate-run", "x-tollgate-parent-run", "x-tollgate-agent"] as const;

function refuseHeaders({ headers }: FastifyRequest, key: KeyIdentity): Problem | undefined {
	if (headers[IDEMPOTENCY_HEADER] !== undefined)
		return { code: "request.invalid", message: "A batch has no Idempotency-Key: two creations are two batches.", field: IDEMPOTENCY_HEADER };
	const run = RUN_HEADERS.find((name) => headers[name] !== undefined);
	if (run !== undefined) return { code: "request.invalid", message: "A batch belongs to no agent run.", field: run };
	if (key.requiresRun === true)
		return { code: "key.scope", message: "Every call of this key belongs to an agent run, and a batch belongs to none: use another key." };
	return undefined;
}

/** A name within the path. */
export function parameterOf({ params }: FastifyRequest, name: string): string {
	const value = (params as Readonly<Record<string, unknown>>)[name];
	return typeof value === "string" ? value : "";
}

const SMALL_BODY_BYTES_MAX = 64 * 1024;

type RouteErrorHandler = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** Options of a route whose body is a few fields, if it has one at all. */
export function smallBodies(served: Served): { readonly bodyLimit: number; readonly errorHandler: RouteErrorHandler } {
	return {
		bodyLimit: SMALL_BODY_BYTES_MAX,
		errorHandler(error, request, reply) {
			if (error.code !== "FST_ERR_CTP_BODY_TOO_LARGE") throw error;
			// Without the end of the connection an unread body would keep coming.
			reply.header("connection", "close");
			return sendProblem({ ...served, request, reply }, bodyTooLarge(SMALL_BODY_BYTES_MAX));
		},
	};
}
