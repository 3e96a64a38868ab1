import { createServer, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type BatchProviders, openBatchProviders } from "#activities/batches/providers/open-providers.ts";
import type { BatchProvider, PartToSubmit } from "#activities/batches/providers/provider-port.ts";
import type { WireTimes } from "#activities/batches/providers/provider-wire.ts";
import { batchLimitsFor } from "#config/batch-limits.ts";
import { defaultProviderTable, type ProviderSettings } from "#config/providers.ts";
import { Secret } from "#config/secret.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

/** A provider of batches that says exactly what the test says, in the shapes that the two providers write. */
export type WireCall = {
	readonly method: string;
	readonly path: string;
	readonly query: Readonly<Record<string, string>>;
	readonly headers: IncomingHttpHeaders;
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	/** Reads the body; undefined where the client gave it up before its end. */
	text(): Promise<string | undefined>;
	json(status: number, body: unknown, headers?: OutgoingHttpHeaders): void;
};

export type BatchWire = {
	readonly url: string;
	readonly calls: readonly WireCall[];
	/** `<method> <path>` of each call. */
	asked(): string[];
	close(): Promise<void>;
};

export async function startBatchWire(answer: (call: WireCall) => void | Promise<void>): Promise<BatchWire> {
	const calls: WireCall[] = [];
	const server = createServer((request, response) => {
		const url = new URL(request.url ?? "/", "http://wire");
		const call: WireCall = {
			method: request.method ?? "",
			path: url.pathname,
			query: Object.fromEntries(url.searchParams),
			headers: request.headers,
			request,
			response,
			text: () => readAll(request),
			json: (status, body, headers) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body)),
		};
		calls.push(call);
		Promise.resolve(answer(call)).catch((error: Error) => response.destroy(error));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		calls,
		asked: () => calls.map(({ method, path }) => `${method} ${path}`),
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

async function readAll(request: IncomingMessage): Promise<string | undefined> {
	const chunks: Buffer[] = [];
	try {
		for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ECONNRESET") return undefined;
		throw error;
	}
	return Buffer.concat(chunks).toString("utf8");
}

export const WIRE_KEY = "sk-Canary/7f3b90e1d2c4+wire";

/** Settings of one provider of that protocol at `url`, as a table without a file has them. */
export function wireSettings(protocol: Protocol, url: string, changes: Partial<ProviderSettings> = {}): ProviderSettings {
	const key = new Secret(WIRE_KEY);
	const table = defaultProviderTable({ openaiBaseUrl: `${url}/v1`, openaiKey: key, anthropicBaseUrl: url, anthropicKey: key });
	const settings = table.providers.find((provider) => provider.protocol === protocol);
	if (settings === undefined) throw new Error(`no provider speaks ${protocol}`);
	const baseUrl = changes.baseUrl ?? settings.baseUrl;
	return { ...settings, batches: { baseUrl, limits: batchLimitsFor(protocol) }, ...changes };
}

export type OpenedWire = { readonly provider: BatchProvider; readonly providers: BatchProviders };

/** `times` are short, so that what never answers ends soon. */
export function openOnWire(settings: ProviderSettings, times: Partial<WireTimes> = {}): OpenedWire {
	const providers = openBatchProviders([settings], times);
	const provider = providers.find(settings.name);
	if (provider === undefined) throw new Error(`${settings.name} runs no batches`);
	return { provider, providers };
}

/** A part of these lines, without their line feeds. */
export function partOf(lines: readonly string[], changes: Partial<PartToSubmit> = {}): PartToSubmit {
	const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
	return {
		token: "tollgate-batch_abcdefghijklmnopqrstuvwx-1",
		endpoint: "chat.completions",
		items: lines.length,
		bytes: bytes.length,
		providerFileId: null,
		async *openLines() {
			// In pieces that fall where they will.
			for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
		},
		...changes,
	};
}

export async function collect(results: AsyncIterable<ResultLine>): Promise<ResultLine[]> {
	const lines: ResultLine[] = [];
	for await (const line of results) lines.push(line);
	return lines;
}

const CREATED_AT = 1_795_600_000;

/** As POST /v1/batches, GET /v1/batches/{id} and the list of OpenAI write it. */
export function openAiBatch(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
	return {
		id: "batch_6926c4e1",
		object: "batch",
		endpoint: "/v1/chat/completions",
		model: "gpt-4o-2024-08-06",
		errors: null,
		input_file_id: "file-in",
		completion_window: "24h",
		status: "in_progress",
		output_file_id: null,
		error_file_id: null,
		created_at: CREATED_AT,
		in_progress_at: CREATED_AT + 60,
		expires_at: CREATED_AT + 86_400,
		finalizing_at: null,
		completed_at: null,
		failed_at: null,
		expired_at: null,
		cancelling_at: null,
		cancelled_at: null,
		request_counts: { total: 3, completed: 1, failed: 1 },
		metadata: { tollgate_part: "tollgate-batch_abcdefghijklmnopqrstuvwx-1" },
		...fields,
	};
}

export const OPENAI_CREATED_AT_MS = CREATED_AT * 1_000;

export function openAiError(fields: { readonly message: string; readonly type?: string; readonly code?: string | null; readonly param?: string | null }) {
	return { error: { type: "invalid_request_error", code: null, param: null, ...fields } };
}

/** As Anthropic writes a message batch. */
export function messageBatch(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
	return {
		id: "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
		type: "message_batch",
		processing_status: "in_progress",
		request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
		ended_at: null,
		created_at: "2026-11-26T15:00:00.123456Z",
		expires_at: "2026-11-27T15:00:00.123456Z",
		archived_at: null,
		cancel_initiated_at: null,
		results_url: null,
		...fields,
	};
}

export const MESSAGE_BATCH_CREATED_AT_MS = Date.parse("2026-11-26T15:00:00.123456Z");

export function anthropicError(type: string, message: string, details: unknown = null) {
	return { type: "error", error: { type, message, details }, request_id: "req_011CSHoEeqs5C35K2UUqR7Fy" };
}
