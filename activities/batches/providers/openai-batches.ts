import OpenAI, { toStreamingFile } from "openai";
import { assert } from "#domain/assert.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { asObject, asText, type JsonObject } from "../../providers/json.ts";
import type { BatchAccount } from "./batch-account.ts";
import { boundedText } from "./bounded-text.ts";
import { LIST_PAGE_ITEMS, listSince } from "./list-since.ts";
import { sendPart } from "./part-source.ts";
import { type Asked, ask, isHttpStatus, unreadableAnswer } from "./provider-errors.ts";
import type { BatchProvider, FoundBatch, PartToSubmit } from "./provider-port.ts";
import { WIRE_TIMES } from "./provider-wire.ts";
import { readAnswer } from "./read-answer.ts";

/**
 * Batches of OpenAI, and of servers that speak its protocol: a file goes up, a batch is made of it, two files come back. The SDK encodes
 * the multipart body piece by piece (`toStreamingFile`), so that no more of a file is held than what is on its way.
 */

/** Field of a batch's metadata that holds the token of the part. */
const TOKEN_FIELD = "tollgate_part";

const ENDPOINTS: Readonly<Partial<Record<BatchEndpoint, OpenAI.BatchCreateParams["endpoint"]>>> = {
	"chat.completions": "/v1/chat/completions",
	responses: "/v1/responses",
	embeddings: "/v1/embeddings",
};

export function createOpenAiBatches(account: BatchAccount): BatchProvider {
	const { name, limits } = account;
	const client = openClient(account);
	const asked = <Answer>(what: Asked, run: () => Promise<Answer>): Promise<Answer> => ask({ provider: name, asked: what }, run);
	const poll = (id: string): Promise<ProviderBatchStatus> => asked("poll", async () => readBatch(await client.batches.retrieve(id), name, "poll"));
	const remove = async (id: string): Promise<void> => {
		try {
			await asked("forget", () => client.files.delete(id));
		} catch (error) {
			if (!isHttpStatus(error, [404, 410])) throw error;
		}
	};
	return {
		limits,
		upload: async (part) => part.providerFileId ?? (await asked("upload", () => sendPart(part, (lines) => upload({ client, name, part, lines })))),
		create: (part) => asked("create", async () => readBatch(await client.batches.create(creationOf(part)), name, "create")),
		find: (part, known) => asked("find", () => find({ client, name }, { token: part.token, sinceMs: known.sinceMs })),
		poll,
		async cancel(id) {
			try {
				return await asked("cancel", async () => readBatch(await client.batches.cancel(id), name, "cancel"));
			} catch (error) {
				// Refused for a batch that ended meanwhile, or is being cancelled already.
				if (!isHttpStatus(error, [400, 409])) throw error;
				const status = await poll(id);
				if (status.state === "validating" || status.state === "running") throw error;
				return status;
			}
		},
		results: (status) => results({ client, name }, status),
		async forget({ providerFileId, status }) {
			const ids = [providerFileId, status.outputFileId, status.errorFileId].filter((id) => id !== null);
			const removed = await Promise.allSettled(ids.map(remove));
			for (const one of removed) if (one.status === "rejected") throw one.reason;
		},
	};
}

type Opened = { readonly client: OpenAI; readonly name: string };

/** Without the key, which the wire adds, and deaf to the environment, which could point it elsewhere. */
function openClient({ baseUrl, query, wire }: BatchAccount): OpenAI {
	return new OpenAI({
		apiKey: "added-by-the-wire",
		adminAPIKey: null,
		organization: null,
		project: null,
		webhookSecret: null,
		baseURL: baseUrl,
		defaultQuery: query,
		// The workflow owns retries; the wire owns deadlines.
		maxRetries: 0,
		timeout: WIRE_TIMES.resultsMs,
		fetch: wire.fetch,
		logLevel: "off",
	});
}

type Upload = Opened & { readonly part: PartToSubmit; readonly lines: AsyncIterable<Uint8Array> };

async function upload({ client, name, part, lines }: Upload): Promise<string> {
	const file = toStreamingFile(lines, `${part.token}.jsonl`, { type: "application/jsonl" });
	const made: unknown = await client.files.create({ file, purpose: "batch" });
	const id = asText(asObject(made)?.["id"]);
	if (id === undefined) throw unreadableAnswer({ provider: name, asked: "upload" }, "it is no file");
	return id;
}

function creationOf({ endpoint, providerFileId, token }: PartToSubmit): OpenAI.BatchCreateParams {
	const path = ENDPOINTS[endpoint];
	assert(path !== undefined, `OpenAI has no batches of ${endpoint}`);
	assert(providerFileId !== null, `the file of part ${token} was not uploaded`);
	return { completion_window: "24h", endpoint: path, input_file_id: providerFileId, metadata: { [TOKEN_FIELD]: token } };
}

async function find({ client, name }: Opened, { token, sinceMs }: { readonly token: string; readonly sinceMs: number }): Promise<FoundBatch[]> {
	const found: FoundBatch[] = [];
	const listed = listSince({
		question: { provider: name, asked: "find" },
		sinceMs,
		load: (after) => client.get("/batches", { query: { limit: LIST_PAGE_ITEMS, ...(after !== null && { after }) } }),
		read: (entry) => ({ status: readBatch(entry, name, "find"), token: asObject(asObject(entry)?.["metadata"])?.[TOKEN_FIELD] }),
	});
	for await (const batch of listed) {
		if (batch.token === token) found.push({ status: batch.status, isCertain: true });
	}
	return found;
}

async function* results({ client, name }: Opened, { outputFileId, errorFileId }: ProviderBatchStatus): AsyncGenerator<ResultLine> {
	const files = { "output file": outputFileId, "error file": errorFileId };
	for (const [file, id] of Object.entries(files)) {
		if (id !== null) yield* readAnswer(() => client.files.content(id), { provider: name, protocol: "openai", file });
	}
}

/** A status nobody knows is one of a batch that has not ended. */
const STATES: ReadonlyMap<unknown, ProviderBatchStatus["state"]> = new Map([
	["validating", "validating"],
	["in_progress", "running"],
	["finalizing", "running"],
	["cancelling", "cancelling"],
	["completed", "ended"],
	["expired", "ended"],
	["cancelled", "ended"],
	["failed", "failed"],
]);

function readBatch(answer: unknown, provider: string, what: Asked): ProviderBatchStatus {
	const batch = asObject(answer);
	const id = asText(batch?.["id"]);
	const createdAt = batch?.["created_at"];
	if (batch === undefined || id === undefined || typeof createdAt !== "number") throw unreadableAnswer({ provider, asked: what }, "it is no batch");
	const counts = asObject(batch["request_counts"]);
	const outputFileId = asText(batch["output_file_id"]) ?? null;
	const state = STATES.get(batch["status"]) ?? "running";
	return {
		providerBatchId: id,
		// What has an output ran, and is billed.
		state: state === "failed" && outputFileId !== null ? "ended" : state,
		total: countOf(counts?.["total"]),
		succeeded: countOf(counts?.["completed"]),
		failed: countOf(counts?.["failed"]),
		problems: problemsOf(asObject(batch["errors"])),
		createdAtMs: createdAt * 1_000,
		expiresAtMs: typeof batch["expires_at"] === "number" ? batch["expires_at"] * 1_000 : null,
		outputFileId,
		errorFileId: asText(batch["error_file_id"]) ?? null,
		resultsUrl: null,
	};
}

function countOf(value: unknown): number {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** They stand in a workflow's history: a file of 50,000 bad lines is told by its first ones. */
const PROBLEMS_MAX = 20;

function problemsOf(errors: JsonObject | undefined): ProviderBatchStatus["problems"] {
	const data = errors?.["data"];
	if (!Array.isArray(data)) return [];
	return data.slice(0, PROBLEMS_MAX).map((entry) => {
		const problem = asObject(entry);
		const line = problem?.["line"];
		return {
			line: typeof line === "number" ? line : null,
			code: boundedText(asText(problem?.["code"]) ?? "unknown", 100),
			message: boundedText(asText(problem?.["message"]) ?? "", 500),
		};
	});
}
