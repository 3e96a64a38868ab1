import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { finished, pipeline } from "node:stream/promises";
import type { Holds } from "../holds.ts";
import type { JsonObject } from "../json.ts";
import { errorOfStatus } from "../provider-error.ts";
import type { Operation, OperationFault } from "./operation-faults.ts";

/** What a call about files and batches asks for, and how its answer leaves, with the fault it was to have. */

export type BatchCall = {
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	readonly method: string;
	readonly path: string;
	readonly query: URLSearchParams;
};

export type Reply =
	| { readonly kind: "json"; readonly body: JsonObject }
	/** So many bytes of the file, from its start. */
	| { readonly kind: "file"; readonly path: string; readonly bytes: number; readonly contentType: string };

/** A call that is understood: doing it is one thing, whether its answer arrives another. */
export type Performance = {
	readonly operation: Operation;
	/** Throws ProviderError. `fault`: what the call itself asks to become of its answer. */
	readonly perform: () => Promise<{ readonly reply: Reply; readonly fault?: OperationFault | undefined }>;
};

type Act = { readonly performance: Performance; readonly fault: OperationFault | undefined; readonly holds: Holds };

const LATE_MS = 1_000;

/** Throws ProviderError for a status that was asked for, and what `perform` throws. */
export async function act(call: BatchCall, { performance, fault, holds }: Act): Promise<void> {
	if (fault?.kind === "lost") return cut(call);
	if (fault?.kind === "status") {
		const { status = 500, errorCode, retryAfterSeconds } = fault;
		throw errorOfStatus(status, { retryAfterSeconds, ...(errorCode !== undefined && { code: errorCode }) });
	}
	const made = await performance.perform();
	const effective = fault ?? made.fault;
	if (effective?.kind === "cut" || effective?.kind === "lost") return cut(call);
	if (effective?.kind === "late") await wait(effective, holds);
	if (made.reply.kind === "json") return sendJson(call.response, made.reply.body);
	await sendFile(call, made.reply, effective?.kind === "cut_content");
}

/** Reads and drops what is left of a request: an answer before its end may be lost with the connection. False where the caller has left. */
export async function drain(request: IncomingMessage): Promise<boolean> {
	if (request.destroyed) return request.complete;
	request.resume();
	try {
		await finished(request);
		return true;
	} catch {
		return false;
	}
}

function cut({ request }: BatchCall): void {
	request.socket.destroy();
}

async function wait({ lateMs, holdUntil }: OperationFault, holds: Holds): Promise<void> {
	await new Promise<void>((resume) => {
		if (holdUntil === undefined) setTimeout(resume, lateMs ?? LATE_MS);
		else if (holds.wait(holdUntil, resume) === undefined) resume();
	});
}

function sendJson(response: ServerResponse, body: JsonObject): void {
	const bytes = Buffer.from(JSON.stringify(body));
	response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length }).end(bytes);
}

async function sendFile({ request, response }: BatchCall, file: Reply & { readonly kind: "file" }, isCutHalfWay: boolean): Promise<void> {
	response.writeHead(200, { "content-type": file.contentType, "content-length": file.bytes });
	const bytes = isCutHalfWay ? Math.ceil(file.bytes / 2) : file.bytes;
	if (bytes === 0) {
		response.end();
		return;
	}
	try {
		await pipeline(createReadStream(file.path, { end: bytes - 1 }), response, { end: !isCutHalfWay });
	} catch (error) {
		// The reader left; there is nobody to tell.
		if (response.destroyed) return;
		throw error;
	}
	if (isCutHalfWay) request.socket.destroySoon();
}
