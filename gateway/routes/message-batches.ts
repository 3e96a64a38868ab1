import type { FastifyInstance, FastifyRequest } from "fastify";
import type { BatchRecord, FileRecord } from "#activities/batches/port.ts";
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
	type StreamedAnswer,
	smallBodies,
} from "../batches/answering.ts";
import { readBody, refuseDeclared, withStreamedBodies } from "../batches/body-stream.ts";
import { createBatch, problemOfMade, refuseScope } from "../batches/create-batch.ts";
import { batchesOf, batchMissing, cancelBatch, findBatch, readBatch } from "../batches/find-batch.ts";
import { CALLER_LIMITS, FILE_KEPT_MS } from "../batches/limits.ts";
import { newBatchId, newFileId } from "../batches/new-ids.ts";
import { pageAfter, pageBefore } from "../batches/pages.ts";
import { ALL_BUSY, type Places } from "../batches/places.ts";
import { Refusing } from "../batches/refusing.ts";
import { hasEnded, renderMessageBatch } from "../batches/render-anthropic.ts";
import { storeLines } from "../batches/store-lines.ts";
import type { GatewayContext } from "../context.ts";
import { callFields } from "../log-fields.ts";
import type { Problem } from "../problem.ts";
import { readKeptTraceContext } from "../trace-context.ts";
import { type BatchParts, findFile } from "./files.ts";

/** As Anthropic's. */
const LIST_LIMIT = { usual: 20, most: 1_000 } as const;
/** Sent by older clients, and means nothing but batches. */
const BATCH_BETA = /^message-batches-\d{4}-\d{2}-\d{2}$/;
const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/** `/v1/messages/batches` of Anthropic's API. */
export function registerMessageBatchRoutes(app: FastifyInstance, context: GatewayContext, { batches, places }: BatchParts): void {
	const of = { context, batches, protocol: "anthropic", endpoint: "messages.batches" } as const;
	withStreamedBodies(app, (streamed) => {
		streamed.post(
			"/v1/messages/batches",
			answering(of, (call) => create(call, places)),
		);
	});
	app.get("/v1/messages/batches", answering(of, list));
	app.get("/v1/messages/batches/:batchId", answering(of, retrieve));
	app.get("/v1/messages/batches/:batchId/results", answering(of, results));
	app.post("/v1/messages/batches/:batchId/cancel", smallBodies(of), answering(of, cancel));
	app.delete("/v1/messages/batches/:batchId", answering(of, remove));
}

async function create(call: BatchCall, places: Places): Promise<Answer | Problem> {
	const headers = await readCreationHeaders(call);
	if (headers.kind === "rejected") return headers.problem;
	const { key, request } = call;
	const refused =
		refuseMedia(request) ?? refuseQuery(request, ["beta"]) ?? refuseScope(key, "messages") ?? refuseDeclared(request, CALLER_LIMITS.anthropic.bytesMax);
	if (refused !== undefined) return refused;
	const leave = places.enter();
	if (leave === undefined) return ALL_BUSY;
	try {
		return await createOf(call, headers.asserted);
	} finally {
		leave();
	}
}

/** The requests are a file of the team, as those of OpenAI's API are, so that they are kept, found and ended in one way. */
async function createOf(call: BatchCall, asserted: Asserted): Promise<Answer | Problem> {
	const { batches, context, key, leaving, request } = call;
	const { teamId, keyId } = key;
	const batchId = newBatchId("anthropic");
	const fileId = newFileId();
	const blobKey = `${teamId}/files/${fileId}.jsonl`;
	const refusing = new Refusing();
	const source = readBody({ raw: request.raw, id: request.id, bytesMax: CALLER_LIMITS.anthropic.bytesMax, refusing, limits: context.limits });
	const stored = await storeLines(batches.blobs, { blobKey, protocol: "anthropic", source, refusing });
	if (stored.kind === "rejected") return stored.problem;
	const { bytes, checked } = stored;
	const expiresAtMs = batches.wallClockMs() + FILE_KEPT_MS;
	let file: FileRecord | undefined;
	let isMade = false;
	try {
		file = await batches.store.createFile({
			fileId,
			teamId,
			keyId,
			purpose: "batch",
			filename: `${batchId}.jsonl`,
			bytes,
			lines: checked.lines,
			blobKey,
			expiresAtMs,
		});
		const made = await createBatch(
			{ ...context, batches },
			{
				batchId,
				requestId: request.id,
				key,
				asserted,
				protocol: "anthropic",
				endpoint: "messages",
				model: checked.model,
				file,
				metadata: null,
				outputKeptMs: null,
				traceContext: readKeptTraceContext(call.request.headers),
				leaving,
			},
		);
		isMade = made.kind === "made";
		return made.kind === "made" ? answerOf(made.batch, request) : problemOfMade(made);
	} finally {
		if (!isMade) await removeFile(call, { fileId: file?.fileId, blobKey });
	}
}

/** Of a batch that was not made. What cannot be removed now is swept when its time is over, and never hides why it was not made. */
async function removeFile(
	{ batches, context, key, request }: BatchCall,
	{ fileId, blobKey }: { readonly fileId: string | undefined; readonly blobKey: string },
): Promise<void> {
	try {
		if (fileId !== undefined) await batches.store.deleteFile(key.teamId, fileId);
		await batches.blobs.delete(blobKey);
	} catch (error) {
		context.log.warn({ ...callFields(request), blobKey, err: error }, "the requests of a batch that was not made could not be removed; they are swept");
	}
}

async function list(call: BatchCall): Promise<Answer | Problem> {
	const { request } = call;
	const refused = refuseQuery(request, ["after_id", "before_id", "limit", "beta"]);
	if (refused !== undefined) return refused;
	const limit = readLimit(request, LIST_LIMIT);
	if (typeof limit !== "number") return limit;
	const after = readParameter(request, "after_id");
	if ("code" in after) return after;
	const before = readParameter(request, "before_id");
	if ("code" in before) return before;
	if (after.value !== undefined && before.value !== undefined)
		return { code: "request.invalid", message: "Only one of after_id and before_id may be given.", field: "before_id" };
	const cursors = [
		["after_id", after.value],
		["before_id", before.value],
	] as const;
	for (const [field, value] of cursors) if (value !== undefined && (await findBatch(call, value)) === undefined) return batchMissing(value, field);
	const listing = batchesOf(call);
	const { rows, hasMore } =
		before.value === undefined ? await pageAfter(listing, { after: after.value ?? null, limit }) : await pageBefore(listing, { before: before.value, limit });
	const data = rows.map((batch) => renderMessageBatch(batch, originOf(request)));
	return { body: { data, has_more: hasMore, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null } };
}

async function retrieve(call: BatchCall): Promise<Answer | Problem> {
	const found = await readBatch(call);
	return "code" in found ? found : answerOf(found, call.request);
}

async function cancel(call: BatchCall): Promise<Answer | Problem> {
	const asked = await cancelBatch(call);
	return "code" in asked ? asked : answerOf(asked, call.request);
}

async function results(call: BatchCall): Promise<StreamedAnswer | Problem> {
	const found = await readBatch(call);
	if ("code" in found) return found;
	if (!hasEnded(found)) return notEnded(found, "has no results before it has ended");
	const files: FileRecord[] = [];
	for (const fileId of [found.outputFileId, found.errorFileId]) {
		if (fileId === null) continue;
		const file = await findFile(call, fileId);
		if (file === undefined) return { code: "file.missing", message: `The results of the batch ${found.batchId} are not kept any more.` };
		files.push(file);
	}
	if (files.length === 0) return { code: "file.missing", message: `The batch ${found.batchId} has no results.` };
	return { stream: joined(call, files), contentType: "application/x-jsonl" };
}

async function* joined({ batches }: BatchCall, files: readonly FileRecord[]): AsyncGenerator<Uint8Array> {
	for (const { blobKey } of files) yield* batches.blobs.read(blobKey);
}

/** With its requests and results; what it cost stays in the books. */
async function remove(call: BatchCall): Promise<Answer | Problem> {
	const found = await readBatch(call);
	if ("code" in found) return found;
	if (!hasEnded(found)) return notEnded(found, "can be deleted once it has ended; cancel it first");
	const { batches, key } = call;
	for (const fileId of [found.inputFileId, found.outputFileId, found.errorFileId]) {
		const file = fileId === null ? undefined : await batches.store.readFile(key.teamId, fileId);
		if (file === undefined) continue;
		await batches.store.deleteFile(key.teamId, file.fileId);
		await batches.blobs.delete(file.blobKey);
	}
	if (!(await batches.store.forget(key.teamId, found.batchId))) return batchMissing(found.batchId, "batch_id");
	return { body: { id: found.batchId, type: "message_batch_deleted" } };
}

function notEnded({ batchId }: BatchRecord, what: string): Problem {
	return { code: "batch.not_ended", message: `The batch ${batchId} ${what}.`, field: "batch_id" };
}

function answerOf(batch: BatchRecord, request: FastifyRequest): Answer {
	return { body: renderMessageBatch(batch, originOf(request)), headers: batchHeaders(batch) };
}

/** Where the caller reached us. A proxy that took TLS off says so; it is believed, since it can only make the address of the results safer. */
function originOf({ headers, protocol }: FastifyRequest): string {
	if (headers.host === undefined) return "";
	const [forwarded = ""] = String(headers["x-forwarded-proto"] ?? "").split(",", 1);
	return `${forwarded.trim() === "https" ? "https" : protocol}://${headers.host}`;
}

function refuseMedia({ headers }: FastifyRequest): Problem | undefined {
	const { "content-type": type, "content-encoding": encoding } = headers;
	if (type !== undefined && !JSON_TYPE.test(type))
		return { code: "request.invalid", message: "The content type must be application/json in UTF-8.", field: "content-type" };
	if (encoding !== undefined && encoding !== "identity")
		return { code: "request.invalid", message: "A compressed body cannot be bounded; send it plain.", field: "content-encoding" };
	const betas = String(headers["anthropic-beta"] ?? "")
		.split(",")
		.map((value) => value.trim());
	const other = betas.find((beta) => beta !== "" && !BATCH_BETA.test(beta));
	if (other === undefined) return undefined;
	return { code: "request.unknown_field", message: `A batch is sent without betas: ${other.slice(0, 80)} is not forwarded.`, field: "anthropic-beta" };
}
