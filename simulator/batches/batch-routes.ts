import type { JsonObject } from "../json.ts";
import { ProviderError } from "../provider-error.ts";
import { type BatchDesk, findBatch, readSmallBody } from "./desk.ts";
import { contentOf, deleteFile, type Files, fileObject, findFile, listFiles, uploadFile } from "./files.ts";
import { cancelMessageBatch, createMessageBatch, deleteMessageBatch, listMessageBatches, messageBatch, messageResults } from "./message-batches.ts";
import { batchObject, cancelBatch, createBatch, listBatches, retrieveBatch } from "./openai-batches.ts";
import type { Operation, OperationFault } from "./operation-faults.ts";
import type { BatchRecord } from "./records.ts";
import type { BatchCall, Performance, Reply } from "./reply.ts";

/** Which call is which. */

export const BATCH_PATHS = ["/v1/files", "/v1/batches", "/v1/messages/batches"];

/** undefined for a call that nobody serves. */
export function performanceOf(desk: BatchDesk, call: BatchCall): Performance | undefined {
	const root = BATCH_PATHS.find((path) => call.path === path || call.path.startsWith(`${path}/`));
	if (root === undefined) return undefined;
	const [id, action, ...rest] = call.path.slice(root.length + 1).split("/");
	if (rest.length > 0) return undefined;
	const place = { method: call.method, id: id === "" ? undefined : id, action };
	if (root === "/v1/files") return filePerformance(desk, call, place);
	return root === "/v1/batches" ? batchPerformance(desk, call, place) : messageBatchPerformance(desk, call, place);
}

type Place = { readonly method: string; readonly id: string | undefined; readonly action: string | undefined };

function filePerformance(desk: BatchDesk, call: BatchCall, { method, id, action }: Place): Performance | undefined {
	const files: Files = { ...desk, batchBytesMax: () => desk.limits.openai.bytesMax };
	if (id === undefined) {
		if (method === "POST") return json("upload", () => uploadFile(files, call.request));
		return method === "GET" ? json("list", () => listFiles(files, call.query)) : undefined;
	}
	if (action === "content") return method === "GET" ? plain("content", () => contentOf(files, findFile(files, id), "application/octet-stream")) : undefined;
	if (action !== undefined) return undefined;
	if (method === "DELETE") return json("delete", () => deleteFile(files, id));
	return method === "GET" ? json("retrieve", () => fileObject(findFile(files, id))) : undefined;
}

function batchPerformance(desk: BatchDesk, call: BatchCall, { method, id, action }: Place): Performance | undefined {
	if (id === undefined) {
		if (method === "POST") return creation(async () => createBatch(desk, await readSmallBody(call.request)), batchObject);
		return method === "GET" ? json("list", () => listBatches(desk, call.query)) : undefined;
	}
	if (action === "cancel") return method === "POST" ? json("cancel", () => cancelBatch(desk, id)) : undefined;
	return method === "GET" && action === undefined ? json("retrieve", () => retrieveBatch(desk, id)) : undefined;
}

function messageBatchPerformance(desk: BatchDesk, call: BatchCall, { method, id, action }: Place): Performance | undefined {
	const origin = `http://${call.request.headers.host ?? "127.0.0.1"}`;
	const show = (record: BatchRecord) => messageBatch(record, { origin, nowMs: desk.clock.nowMs() });
	if (id === undefined) {
		if (method === "POST") return creation(() => createMessageBatch(desk, call.request), show);
		return method === "GET" ? json("list", () => listMessageBatches(desk, call.query, origin)) : undefined;
	}
	if (action === "cancel") return method === "POST" ? json("cancel", () => show(cancelMessageBatch(desk, id))) : undefined;
	if (action === "results") return method === "GET" ? plain("content", () => messageResults(desk, id)) : undefined;
	if (action !== undefined) return undefined;
	if (method === "DELETE") return json("delete", () => deleteMessageBatch(desk, id));
	return method === "GET" ? json("retrieve", () => show(findBatch(desk, "anthropic", id))) : undefined;
}

function json(operation: Operation, answer: () => JsonObject | Promise<JsonObject>): Performance {
	return { operation, perform: async () => ({ reply: { kind: "json", body: await answer() } }) };
}

function plain(operation: Operation, answer: () => Reply): Performance {
	return { operation, perform: async () => ({ reply: answer() }) };
}

function creation(create: () => Promise<BatchRecord>, show: (record: BatchRecord) => JsonObject): Performance {
	return {
		operation: "create",
		perform: async () => {
			const record = await create();
			return { reply: { kind: "json", body: show(record) }, fault: creationFault(record) };
		},
	};
}

function creationFault({ plan }: BatchRecord): OperationFault | undefined {
	if (plan.creation === undefined) return undefined;
	return { kind: plan.creation, ...(plan.lateMs !== undefined && { lateMs: plan.lateMs }) };
}

/** As the provider says it of any path it does not have. */
export function unknownCall({ method, path }: BatchCall): ProviderError {
	return new ProviderError(404, `Invalid URL (${method} ${path})`, { code: null });
}
