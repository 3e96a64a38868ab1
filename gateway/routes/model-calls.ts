import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type CallEnd, type ModelCallInput, type PipelineDependencies, serveCall } from "#activities/request/pipeline.ts";
import type { KeyIdentity } from "#activities/request/port.ts";
import type { CallTrace } from "#activities/telemetry/call-trace.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import { readAssertions } from "../assertions.ts";
import { bodyOf, holdBody, JSON_TYPE, NO_ROOM_FOR_BODY } from "../call-body.ts";
import type { GatewayContext } from "../context.ts";
import { readForwardedHeaders } from "../forwarded-headers.ts";
import { HttpCaller } from "../http-caller.ts";
import { IDEMPOTENCY_HEADER, readIdempotencyKey } from "../idempotency-key.ts";
import { callFields } from "../log-fields.ts";
import { type Problem, problemOf, refusalProblem, renderProblem } from "../problem.ts";
import { readRunHeaders } from "../run-headers.ts";
import { readTraceContext } from "../trace-context.ts";
import { MODEL_ROUTES, type ModelRoute } from "./model-routes.ts";

export function registerModelRoutes(app: FastifyInstance, context: GatewayContext): void {
	for (const route of MODEL_ROUTES) {
		const onRequest = (request: FastifyRequest, reply: FastifyReply, next: () => void): void => {
			if (holdBody(context, request, reply)) return next();
			reply.hijack();
			const trace = context.telemetry && beginTrace(context.telemetry, route, request);
			refuse({ context, route, request, reply, trace }, new HttpCaller(reply.raw, request.id), NO_ROOM_FOR_BODY);
			context.metrics.countRequest(route.endpoint, reply.raw.statusCode);
			trace?.end({ status: reply.raw.statusCode, hasCallerLeft: false });
		};
		app.post(route.url, { onRequest }, (request, reply) => {
			reply.hijack();
			const trace = context.telemetry && beginTrace(context.telemetry, route, request);
			void answerCall({ context, route, request, reply, trace });
		});
	}
}

type Exchange = {
	readonly context: GatewayContext;
	readonly route: ModelRoute;
	readonly request: FastifyRequest;
	readonly reply: FastifyReply;
	/** Undefined where calls are not sent as spans. */
	readonly trace: CallTrace | undefined;
};

/** No call without a key that is known: whoever has none could fill the receiver. */
function beginTrace(telemetry: CallTelemetry, { endpoint, protocol }: ModelRoute, request: FastifyRequest): CallTrace | undefined {
	const { virtualKey: key, headers } = request;
	if (key === undefined) return undefined;
	return telemetry.begin({ requestId: request.id, key, endpoint, protocol, body: bodyOf(request), parent: readTraceContext(headers) });
}

async function answerCall(exchange: Exchange): Promise<void> {
	const { context, route, request, reply, trace } = exchange;
	const receivedAtMs = performance.now();
	const caller = new HttpCaller(reply.raw, request.id);
	const release = context.openCalls.enter();
	request.heldBody?.arrive(bodyOf(request).length);
	try {
		const problem = await serve(exchange, caller, receivedAtMs);
		if (problem !== undefined) refuse(exchange, caller, problem);
	} catch (error) {
		context.log.error({ ...callFields(request), endpoint: route.endpoint, err: error }, "a call failed");
		refuse(exchange, caller, problemOf(error));
	} finally {
		release();
		request.heldBody?.leave();
		context.metrics.countRequest(route.endpoint, caller.sentStatus, receivedAtMs);
		trace?.end({ status: caller.sentStatus, hasCallerLeft: caller.leaving.hasLeft });
	}
}

async function serve(exchange: Exchange, caller: HttpCaller, receivedAtMs: number): Promise<Problem | undefined> {
	const { context, request, trace } = exchange;
	const key = request.virtualKey;
	if (key === undefined) return { code: "key.missing", message: "No key." };
	const mediaProblem = checkMedia(request);
	if (mediaProblem !== undefined) return mediaProblem;
	const run = readRunHeaders(request.headers);
	if (run?.kind === "rejected") return run.problem;
	const assertions = readAssertions(request.headers, key, context.authority);
	const asserted = assertions instanceof Promise ? await assertions : assertions;
	if (asserted.kind === "rejected") return asserted.problem;
	const input = { ...toCallInput(exchange, key, asserted.values), run: run?.naming, receivedAtMs };
	trace?.asked(input);
	const pipeline = trace === undefined ? context.pipeline : trace.over(context.pipeline);
	if (request.headers[IDEMPOTENCY_HEADER] !== undefined) return serveOnce(exchange, caller, { dependencies: pipeline, input });
	return toProblem(await serveCall(pipeline, input, caller));
}

type AskedCall = { readonly dependencies: PipelineDependencies; readonly input: ModelCallInput };

async function serveOnce({ context, request, trace }: Exchange, caller: HttpCaller, asked: AskedCall): Promise<Problem | undefined> {
	const read = readIdempotencyKey(request.raw);
	if (read.kind === "rejected") return read.problem;
	const end = await context.idempotentCalls.serve({ ...asked, key: read.key }, caller);
	if (end.kind !== "replayed") return toProblem(end);
	trace?.replayed(end.answer.requestId);
	caller.replay(end.answer, asked.input.run?.claim?.runId);
	return undefined;
}

function toCallInput({ route, request }: Exchange, key: KeyIdentity, asserted: ModelCallInput["asserted"]): Omit<ModelCallInput, "run" | "receivedAtMs"> {
	const body = bodyOf(request);
	return { requestId: request.id, key, endpoint: route.endpoint, protocol: route.protocol, body, asserted, ...readForwardedHeaders(request.headers) };
}

/** The bytes are judged as UTF-8 JSON, so they must not arrive as anything else. */
function checkMedia(request: FastifyRequest): Problem | undefined {
	const type = request.headers["content-type"];
	if (type !== undefined && !JSON_TYPE.test(type)) {
		return { code: "request.invalid", message: "The content type must be application/json in UTF-8.", field: "content-type" };
	}
	const encoding = request.headers["content-encoding"];
	if (encoding !== undefined && encoding !== "identity")
		return { code: "request.invalid", message: "A compressed body cannot be bounded; send it plain.", field: "content-encoding" };
	if (Object.keys(request.query as object).some((name) => name !== "beta"))
		return { code: "request.unknown_field", message: "Query parameters are not accepted.", field: "query" };
	return undefined;
}

function toProblem(end: CallEnd): Problem | undefined {
	if (end.kind === "answered") return undefined;
	return end.kind === "refused" ? refusalProblem(end.refusal) : end.problem;
}

function refuse({ context, route, request, trace }: Exchange, caller: HttpCaller, problem: Problem): void {
	trace?.refuse(problem);
	context.metrics.countRefusal(problem.code, problem.refusal?.run?.hold.guard);
	caller.reject(renderProblem(problem, route.protocol, request.id));
}
