import type { FastifyInstance } from "fastify";
import type { FileRecord } from "#activities/batches/port.ts";
import { FILE_ID_PATTERN } from "#domain/batching/batch.ts";
import { type Answer, answering, type BatchCall, parameterOf, readLimit, readParameter, refuseQuery, type StreamedAnswer } from "../batches/answering.ts";
import { refuseDeclared, withStreamedBodies } from "../batches/body-stream.ts";
import { UPLOAD_BYTES_MAX } from "../batches/limits.ts";
import { pageAfter } from "../batches/pages.ts";
import { ALL_BUSY, type Places } from "../batches/places.ts";
import type { BatchRoutes } from "../batches/ports.ts";
import { renderOpenAiFile } from "../batches/render-openai.ts";
import { uploadFile } from "../batches/upload-file.ts";
import type { GatewayContext } from "../context.ts";
import type { Problem } from "../problem.ts";

export type BatchParts = { readonly batches: BatchRoutes; readonly places: Places };

/** As OpenAI's, whose default is also the most. */
const LIST_LIMIT = { usual: 10_000, most: 10_000 } as const;

/** `/v1/files` of OpenAI's API, for the files of batches. */
export function registerFileRoutes(app: FastifyInstance, context: GatewayContext, { batches, places }: BatchParts): void {
	const of = { context, batches, protocol: "openai", endpoint: "files" } as const;
	withStreamedBodies(app, (streamed) => {
		streamed.post(
			"/v1/files",
			answering(of, (call) => upload(call, places)),
		);
	});
	app.get("/v1/files", answering(of, list));
	app.get("/v1/files/:fileId", answering(of, retrieve));
	app.get("/v1/files/:fileId/content", answering(of, content));
	app.delete("/v1/files/:fileId", answering(of, remove));
}

async function upload(call: BatchCall, places: Places): Promise<Answer | Problem> {
	const refused = refuseOtherProtocol(call) ?? refuseQuery(call.request) ?? refuseEncoding(call) ?? refuseDeclared(call.request, UPLOAD_BYTES_MAX);
	if (refused !== undefined) return refused;
	const leave = places.enter();
	if (leave === undefined) return ALL_BUSY;
	try {
		const uploaded = await uploadFile(call);
		if (uploaded.kind === "rejected") return uploaded.problem;
		const { file } = uploaded;
		return { body: renderOpenAiFile(file), headers: { "x-tollgate-lines": String(file.lines ?? 0) } };
	} finally {
		leave();
	}
}

async function list(call: BatchCall): Promise<Answer | Problem> {
	const { batches, key, request } = call;
	const refused = refuseOtherProtocol(call) ?? refuseQuery(request, ["after", "limit", "order", "purpose"]);
	if (refused !== undefined) return refused;
	const limit = readLimit(request, LIST_LIMIT);
	if (typeof limit !== "number") return limit;
	const after = readParameter(request, "after");
	if ("code" in after) return after;
	const order = readParameter(request, "order");
	if ("code" in order) return order;
	const purpose = readParameter(request, "purpose");
	if ("code" in purpose) return purpose;
	if (order.value !== undefined && order.value !== "desc")
		return { code: "request.invalid", message: "Files are listed newest first: order must be desc.", field: "order" };
	if (after.value !== undefined && (await findFile(call, after.value)) === undefined) return fileMissing(after.value, "after");
	const { rows, hasMore } = await pageAfter(
		{
			fetch: (page) => batches.store.listFiles(key.teamId, page),
			idOf: ({ fileId }) => fileId,
			isListed: (file) => isKept(file, batches) && (purpose.value === undefined || file.purpose === purpose.value),
		},
		{ after: after.value ?? null, limit },
	);
	return {
		body: { object: "list", data: rows.map(renderOpenAiFile), first_id: rows[0]?.fileId ?? null, last_id: rows.at(-1)?.fileId ?? null, has_more: hasMore },
	};
}

async function retrieve(call: BatchCall): Promise<Answer | Problem> {
	const found = await readFile(call);
	return "code" in found ? found : { body: renderOpenAiFile(found) };
}

async function content(call: BatchCall): Promise<StreamedAnswer | Problem> {
	const found = await readFile(call);
	return "code" in found ? found : { stream: call.batches.blobs.read(found.blobKey), contentType: "application/octet-stream" };
}

/** The record first: a payload that nobody names any more is swept, a name without its payload would be a promise. */
async function remove(call: BatchCall): Promise<Answer | Problem> {
	const found = await readFile(call);
	if ("code" in found) return found;
	const { batches, key } = call;
	if (!(await batches.store.deleteFile(key.teamId, found.fileId))) return fileMissing(found.fileId, "file_id");
	await batches.blobs.delete(found.blobKey);
	return { body: { id: found.fileId, object: "file", deleted: true } };
}

async function readFile(call: BatchCall): Promise<FileRecord | Problem> {
	const fileId = parameterOf(call.request, "fileId");
	const refused = refuseOtherProtocol(call) ?? refuseQuery(call.request);
	if (refused !== undefined) return refused;
	return (await findFile(call, fileId)) ?? fileMissing(fileId, "file_id");
}

/** Undefined also for another team's, and for what has expired. */
export async function findFile({ batches, key }: Pick<BatchCall, "batches" | "key">, fileId: string): Promise<FileRecord | undefined> {
	if (!FILE_ID_PATTERN.test(fileId)) return undefined;
	const file = await batches.store.readFile(key.teamId, fileId);
	return file !== undefined && isKept(file, batches) ? file : undefined;
}

function isKept({ expiresAtMs }: FileRecord, { wallClockMs }: BatchRoutes): boolean {
	return expiresAtMs === null || expiresAtMs > wallClockMs();
}

/** Whoever asks for another team's is told nothing of it. */
export function fileMissing(fileId: string, field: string): Problem {
	return { code: "file.missing", message: `This team has no file ${fileId.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, "?")}.`, field };
}

/** Anthropic has files of another kind at the same path. */
function refuseOtherProtocol({ request }: BatchCall): Problem | undefined {
	if (request.headers["anthropic-version"] === undefined) return undefined;
	return { code: "request.not_found", message: "The files of Anthropic's API are not served here; a message batch carries its requests itself." };
}

function refuseEncoding({ request }: BatchCall): Problem | undefined {
	const encoding = request.headers["content-encoding"];
	if (encoding === undefined || encoding === "identity") return undefined;
	return { code: "request.invalid", message: "A compressed body is not read; send it plain.", field: "content-encoding" };
}
