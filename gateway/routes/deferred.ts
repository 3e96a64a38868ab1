import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { DeferredRecord } from "#activities/batches/deferred-port.ts";
import { BATCH_ENDPOINTS, type BatchEndpoint } from "#domain/batching/batch.ts";
import { DEFERRED_ID_PATTERN, DEFERRED_STATUSES, type DeferredStatus } from "#domain/batching/deferred.ts";
import { ENDPOINT_URLS } from "#domain/batching/endpoint-urls.ts";
import {
	type Answer,
	answering,
	parameterOf,
	readLimit,
	readParameter,
	refuseQuery,
	type Served,
	type StreamedAnswer,
	sendProblem,
} from "../batches/answering.ts";
import type { BatchRoutes } from "../batches/ports.ts";
import { bodyOf, holdBody, NO_ROOM_FOR_BODY } from "../call-body.ts";
import type { GatewayContext } from "../context.ts";
import { AnswerWaits } from "../deferred/answer-waits.ts";
import { type DeferredCall, handIn } from "../deferred/hand-in.ts";
import type { DeferredRoutes } from "../deferred/ports.ts";
import { renderItem, renderWithAnswer } from "../deferred/render-item.ts";
import type { Problem } from "../problem.ts";

const LIST_LIMIT = { usual: 20, most: 100 } as const;
const WAIT_SECONDS_MAX = 60;
const WAIT_RETRY_AFTER_SECONDS = 5;

type Outcome = Answer | StreamedAnswer | Problem;

export type DeferredParts = { readonly batches: BatchRoutes; readonly deferred: DeferredRoutes };

/** `/v1/deferred`: requests that are handed in alone and answered later. */
export function registerDeferredRoutes(app: FastifyInstance, context: GatewayContext, { batches, deferred }: DeferredParts): void {
	const waits = new AnswerWaits({
		...{ store: deferred.store, lookEveryMs: deferred.lookEveryMs, waitersMax: deferred.waitersMax },
		onError: (error) => context.log.warn({ err: error }, "it could not be looked for the answers that are waited for"),
	});
	app.addHook("preClose", (done) => {
		waits.beginDrain();
		done();
	});
	for (const endpoint of BATCH_ENDPOINTS)
		registerHandIn(app, { context, batches, protocol: protocolOfEndpoint(endpoint), endpoint: "deferred" }, { endpoint, deferred });
	const of = { context, batches, protocol: "openai", endpoint: "deferred" } as const;
	const serve = (handle: (call: DeferredCall) => Promise<Outcome>) => answering(of, (call) => handle({ ...call, deferred }));
	app.get("/v1/deferred", serve(list));
	app.get("/v1/deferred/:deferredId", serve(show));
	app.get(
		"/v1/deferred/:deferredId/wait",
		serve((call) => waitForAnswer(call, waits)),
	);
	app.delete("/v1/deferred/:deferredId", serve(cancel));
}

function protocolOfEndpoint(endpoint: BatchEndpoint): Served["protocol"] {
	return endpoint === "messages" ? "anthropic" : "openai";
}

/** Its body is held in memory as a call's is, and as long. */
function registerHandIn(
	app: FastifyInstance,
	of: Served,
	{ endpoint, deferred }: { readonly endpoint: BatchEndpoint; readonly deferred: DeferredRoutes },
): void {
	const onRequest = (request: FastifyRequest, reply: FastifyReply, next: () => void): void => {
		request.heldBody = holdBody(of.context, request, reply.raw);
		if (request.heldBody === undefined) sendProblem({ ...of, request, reply }, NO_ROOM_FOR_BODY);
		else next();
	};
	const answer = answering(of, (call) => handIn({ ...call, deferred }, endpoint));
	app.post(ENDPOINT_URLS[endpoint].replace("/v1", "/v1/deferred"), { onRequest }, async (request, reply) => {
		request.heldBody?.arrive(bodyOf(request).length);
		try {
			return await answer(request, reply);
		} finally {
			request.heldBody?.leave();
		}
	});
}

async function list(call: DeferredCall): Promise<Outcome> {
	const { deferred, key, request } = call;
	const refused = refuseQuery(request, ["status", "after", "limit"]);
	if (refused !== undefined) return refused;
	const limit = readLimit(request, LIST_LIMIT);
	if (typeof limit !== "number") return limit;
	const after = readParameter(request, "after");
	if ("code" in after) return after;
	const status = readStatus(request);
	if (typeof status === "object") return status;
	if (after.value !== undefined && (await findItem(call, after.value)) === undefined) return itemMissing(after.value, "after");
	const page = { after: after.value ?? null, limit: limit + 1, ...(status !== undefined && { status }) };
	const found = await deferred.store.listDeferred(key.teamId, page);
	const data = found.slice(0, limit).map(renderItem);
	return { body: { object: "list", data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: found.length > limit } };
}

function readStatus(request: FastifyRequest): DeferredStatus | undefined | Problem {
	const read = readParameter(request, "status");
	if ("code" in read) return read;
	const known = DEFERRED_STATUSES.find((status) => status === read.value);
	if (known !== undefined || read.value === undefined) return known;
	return { code: "request.invalid", message: `status must be one of ${DEFERRED_STATUSES.join(", ")}.`, field: "status" };
}

async function show(call: DeferredCall): Promise<Outcome> {
	const found = refuseQuery(call.request) ?? (await readItem(call));
	return "code" in found ? found : answerOf(call, found);
}

async function waitForAnswer(call: DeferredCall, waits: AnswerWaits): Promise<Outcome> {
	const { leaving, request } = call;
	const waitMs = readWait(request);
	if (typeof waitMs !== "number") return waitMs;
	const found = await readItem(call);
	if ("code" in found) return found;
	if (found.answeredAtMs !== null) return answerOf(call, found);
	if (waits.isFull) {
		const message = `${waits.waitersMax} others wait at this gateway already; ask again shortly, or for the item itself, which is answered at once.`;
		return { code: "gateway.overloaded", message, retryAfterSeconds: WAIT_RETRY_AFTER_SECONDS };
	}
	await waits.wait(found.deferredId, waitMs, leaving);
	const ended = await readItem(call);
	return "code" in ended ? ended : answerOf(call, ended);
}

function readWait(request: FastifyRequest): number | Problem {
	const refused = refuseQuery(request, ["seconds"]);
	if (refused !== undefined) return refused;
	const read = readParameter(request, "seconds");
	if ("code" in read) return read;
	const seconds = read.value === undefined ? WAIT_SECONDS_MAX : /^\d{1,2}$/.test(read.value) ? Number(read.value) : 0;
	if (seconds >= 1 && seconds <= WAIT_SECONDS_MAX) return seconds * 1_000;
	return { code: "request.invalid", message: `seconds must be a whole number from 1 to ${WAIT_SECONDS_MAX}.`, field: "seconds" };
}

async function cancel(call: DeferredCall): Promise<Outcome> {
	const found = refuseQuery(call.request) ?? (await readItem(call));
	if ("code" in found) return found;
	const cancelled = await call.deferred.store.cancelDeferred(call.key.teamId, found.deferredId);
	return cancelled === undefined ? itemMissing(found.deferredId, "deferred_id") : answerOf(call, cancelled);
}

/** The item that the path names. */
async function readItem(call: DeferredCall): Promise<DeferredRecord | Problem> {
	const deferredId = parameterOf(call.request, "deferredId");
	return (await findItem(call, deferredId)) ?? itemMissing(deferredId, "deferred_id");
}

async function findItem({ deferred, key }: DeferredCall, deferredId: string): Promise<DeferredRecord | undefined> {
	return DEFERRED_ID_PATTERN.test(deferredId) ? deferred.store.readDeferred(key.teamId, deferredId) : undefined;
}

/** Whoever asks for another team's is told nothing of it. */
function itemMissing(deferredId: string, field: string): Problem {
	return { code: "deferred.missing", message: `This team has no item ${deferredId.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, "?")}.`, field };
}

/** One that ended without an answer has none. */
function answerOf({ batches }: DeferredCall, record: DeferredRecord): Answer | StreamedAnswer {
	if (record.answeredAtMs === null || record.answerBlobKey === null) return { body: { ...renderItem(record), answer: null } };
	return { stream: renderWithAnswer(record, batches.blobs.read(record.answerBlobKey)), contentType: "application/json" };
}
