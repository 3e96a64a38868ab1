import type { IncomingMessage, ServerResponse } from "node:http";
import { type CallEnd, type ModelCallInput, type PipelineDependencies, serveCall } from "#activities/request/pipeline.ts";
import type { KeyIdentity } from "#activities/request/port.ts";
import type { CallTrace } from "#activities/telemetry/call-trace.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import { readAssertions } from "../assertions.ts";
import { JSON_TYPE, NO_ROOM_FOR_BODY } from "../call-body.ts";
import type { GatewayContext } from "../context.ts";
import { readForwardedHeaders } from "../forwarded-headers.ts";
import type { HeldBody } from "../held-bodies.ts";
import { HttpCaller } from "../http-caller.ts";
import { IDEMPOTENCY_HEADER, readIdempotencyKey } from "../idempotency-key.ts";
import { callFields } from "../log-fields.ts";
import { type Problem, problemOf, refusalProblem, renderProblem } from "../problem.ts";
import { readRunHeaders } from "../run-headers.ts";
import { readTraceContext } from "../trace-context.ts";
import type { ModelRoute } from "./model-routes.ts";

/** A request for a model, whose key is known. */
export type ModelRequest = {
	readonly id: string;
	readonly raw: IncomingMessage;
	readonly response: ServerResponse;
	readonly virtualKey: KeyIdentity;
	/** Whole; empty where there was no place for it. */
	readonly body: Buffer;
};

export type ModelExchange = { readonly context: GatewayContext; readonly route: ModelRoute; readonly request: ModelRequest };
type Exchange = ModelExchange & {
	/** Undefined where calls are not sent as spans. */
	readonly trace: CallTrace | undefined;
};

/** There is no place for its body. */
export function refuseForRoom(exchange: ModelExchange): void {
	const { context, request, route } = exchange;
	const trace = context.telemetry && beginTrace(context.telemetry, exchange);
	refuse({ ...exchange, trace }, new HttpCaller(request.response, request.id), NO_ROOM_FOR_BODY);
	context.metrics.countRequest(route.endpoint, request.response.statusCode);
	trace?.end({ status: request.response.statusCode, hasCallerLeft: false });
}

export async function answerCall(asked: ModelExchange, heldBody: HeldBody): Promise<void> {
	const { context, route, request } = asked;
	const trace = context.telemetry && beginTrace(context.telemetry, asked);
	const exchange: Exchange = { context, route, request, trace };
	const receivedAtMs = performance.now();
	const caller = new HttpCaller(request.response, request.id);
	const release = context.openCalls.enter();
	heldBody.arrive(request.body.length);
	try {
		const problem = await serve(exchange, caller, receivedAtMs);
		if (problem !== undefined) refuse(exchange, caller, problem);
	} catch (error) {
		context.log.error({ ...callFields(request), endpoint: route.endpoint, err: error }, "a call failed");
		refuse(exchange, caller, problemOf(error));
	} finally {
		release();
		heldBody.leave();
		context.metrics.countRequest(route.endpoint, caller.sentStatus, receivedAtMs);
		trace?.end({ status: caller.sentStatus, hasCallerLeft: caller.leaving.hasLeft });
	}
}

function beginTrace(telemetry: CallTelemetry, { route, request }: ModelExchange): CallTrace {
	const { endpoint, protocol } = route;
	const { body, id, raw, virtualKey } = request;
	return telemetry.begin({ requestId: id, key: virtualKey, endpoint, protocol, body, parent: readTraceContext(raw.headers) });
}

async function serve(exchange: Exchange, caller: HttpCaller, receivedAtMs: number): Promise<Problem | undefined> {
	const { context, request, trace } = exchange;
	const { virtualKey: key, raw } = request;
	const mediaProblem = checkMedia(raw);
	if (mediaProblem !== undefined) return mediaProblem;
	const run = readRunHeaders(raw.headers);
	if (run?.kind === "rejected") return run.problem;
	const assertions = readAssertions(raw.headers, key, context.authority);
	const asserted = assertions instanceof Promise ? await assertions : assertions;
	if (asserted.kind === "rejected") return asserted.problem;
	const input = toCallInput(exchange, { asserted: asserted.values, run: run?.naming, receivedAtMs });
	trace?.asked(input);
	const pipeline = trace === undefined ? context.pipeline : trace.over(context.pipeline);
	if (raw.headers[IDEMPOTENCY_HEADER] !== undefined) return serveOnce(exchange, caller, { dependencies: pipeline, input });
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

function toCallInput({ route, request }: Exchange, read: Pick<ModelCallInput, "asserted" | "run" | "receivedAtMs">): ModelCallInput {
	const { endpoint, protocol } = route;
	const { body, id, raw, virtualKey } = request;
	const { forwardedHeaders, betas } = readForwardedHeaders(raw.headers);
	const { asserted, run, receivedAtMs } = read;
	return { requestId: id, key: virtualKey, endpoint, protocol, body, asserted, forwardedHeaders, betas, run, receivedAtMs };
}

/** The bytes are judged as UTF-8 JSON, so they must not arrive as anything else. */
function checkMedia({ headers, url }: IncomingMessage): Problem | undefined {
	const type = headers["content-type"];
	if (type !== undefined && type !== "application/json" && !JSON_TYPE.test(type)) {
		return { code: "request.invalid", message: "The content type must be application/json in UTF-8.", field: "content-type" };
	}
	const encoding = headers["content-encoding"];
	if (encoding !== undefined && encoding !== "identity")
		return { code: "request.invalid", message: "A compressed body cannot be bounded; send it plain.", field: "content-encoding" };
	if (hasQueryBesides("beta", url)) return { code: "request.unknown_field", message: "Query parameters are not accepted.", field: "query" };
	return undefined;
}

function hasQueryBesides(allowed: string, url = ""): boolean {
	const at = url.indexOf("?");
	return at !== -1 && [...new URLSearchParams(url.slice(at + 1)).keys()].some((name) => name !== allowed);
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
