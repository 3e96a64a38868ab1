import type { FastifyInstance } from "fastify";
import { readFirstRequest } from "#activities/batches/lines/bound-items.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import { ENDPOINT_URLS } from "#domain/batching/endpoint-urls.ts";
import type { Asserted } from "../assertions.ts";
import {
	type Answer,
	answering,
	type BatchCall,
	batchHeaders,
	readCreationHeaders,
	readLimit,
	readParameter,
	refuseQuery,
	smallBodies,
} from "../batches/answering.ts";
import { createBatch, problemOfMade, refuseScope } from "../batches/create-batch.ts";
import { batchesOf, batchMissing, cancelBatch, findBatch, readBatch } from "../batches/find-batch.ts";
import { LINE_BYTES_MAX } from "../batches/limits.ts";
import { newBatchId } from "../batches/new-ids.ts";
import { pageAfter } from "../batches/pages.ts";
import { ALL_BUSY, type Places } from "../batches/places.ts";
import { type BatchCreation, readCreation } from "../batches/read-creation.ts";
import { renderOpenAiBatch } from "../batches/render-openai.ts";
import type { GatewayContext } from "../context.ts";
import type { Problem } from "../problem.ts";
import { readKeptTraceContext } from "../trace-context.ts";
import { type BatchParts, fileMissing, findFile } from "./files.ts";
import { readJsonBody } from "./json-body.ts";

/** As OpenAI's. */
const LIST_LIMIT = { usual: 20, most: 100 } as const;

/** `/v1/batches` of OpenAI's API. */
export function registerBatchRoutes(app: FastifyInstance, context: GatewayContext, { batches, places }: BatchParts): void {
	const of = { context, batches, protocol: "openai", endpoint: "batches" } as const;
	app.post(
		"/v1/batches",
		smallBodies(of),
		answering(of, (call) => create(call, places)),
	);
	app.get("/v1/batches", answering(of, list));
	app.get("/v1/batches/:batchId", answering(of, retrieve));
	app.post("/v1/batches/:batchId/cancel", smallBodies(of), answering(of, cancel));
}

async function create(call: BatchCall, places: Places): Promise<Answer | Problem> {
	const headers = await readCreationHeaders(call);
	if (headers.kind === "rejected") return headers.problem;
	const body = readJsonBody(call.request);
	if (body.kind === "rejected") return body.problem;
	const read = readCreation(body.value);
	if (read.kind === "rejected") return read.problem;
	const refused = refuseQuery(call.request) ?? refuseScope(call.key, read.creation.endpoint);
	if (refused !== undefined) return refused;
	const leave = places.enter();
	if (leave === undefined) return ALL_BUSY;
	try {
		return await createOf(call, read.creation, headers.asserted);
	} finally {
		leave();
	}
}

async function createOf(call: BatchCall, creation: BatchCreation, asserted: Asserted): Promise<Answer | Problem> {
	const { batches, context, key, leaving, request } = call;
	const { endpoint, inputFileId, metadata, outputKeptMs } = creation;
	const file = await findFile(call, inputFileId);
	if (file === undefined) return fileMissing(inputFileId, "input_file_id");
	if (file.purpose !== "batch")
		return { code: "request.invalid", message: "The file holds results; a batch is made of a file whose purpose is batch.", field: "input_file_id" };
	const first = await readFirstRequest(batches.blobs.read(file.blobKey), { form: "openai", lineBytesMax: LINE_BYTES_MAX });
	if (first === undefined || first.endpoint !== endpoint) return otherEndpoint(first === undefined ? "none that can be read" : ENDPOINT_URLS[first.endpoint]);
	const made = await createBatch(
		{ ...context, batches },
		{
			batchId: newBatchId("openai"),
			requestId: request.id,
			key,
			asserted,
			protocol: "openai",
			endpoint,
			model: first.model,
			file,
			metadata,
			outputKeptMs,
			traceContext: readKeptTraceContext(request.headers),
			leaving,
		},
	);
	return made.kind === "made" ? answerOf(made.batch) : problemOfMade(made);
}

function otherEndpoint(url: string): Problem {
	return { code: "request.invalid", message: `The endpoint must be the url of the requests in the file, which is ${url}.`, field: "endpoint", line: 1 };
}

async function list(call: BatchCall): Promise<Answer | Problem> {
	const { request } = call;
	const refused = refuseQuery(request, ["after", "limit"]);
	if (refused !== undefined) return refused;
	const limit = readLimit(request, LIST_LIMIT);
	if (typeof limit !== "number") return limit;
	const after = readParameter(request, "after");
	if ("code" in after) return after;
	if (after.value !== undefined && (await findBatch(call, after.value)) === undefined) return batchMissing(after.value, "after");
	const { rows, hasMore } = await pageAfter(batchesOf(call), { after: after.value ?? null, limit });
	return {
		body: { object: "list", data: rows.map(renderOpenAiBatch), first_id: rows[0]?.batchId ?? null, last_id: rows.at(-1)?.batchId ?? null, has_more: hasMore },
	};
}

async function retrieve(call: BatchCall): Promise<Answer | Problem> {
	const found = await readBatch(call);
	return "code" in found ? found : answerOf(found);
}

async function cancel(call: BatchCall): Promise<Answer | Problem> {
	const asked = await cancelBatch(call);
	return "code" in asked ? asked : answerOf(asked);
}

function answerOf(batch: BatchRecord): Answer {
	return { body: renderOpenAiBatch(batch), headers: batchHeaders(batch) };
}
