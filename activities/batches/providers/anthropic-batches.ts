import Anthropic from "@anthropic-ai/sdk";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { asObject, asText } from "../../providers/json.ts";
import type { BatchAccount } from "./batch-account.ts";
import { LIST_PAGE_ITEMS, listSince } from "./list-since.ts";
import { asRequests, sendPart } from "./part-source.ts";
import { type Asked, ask, isHttpStatus, unreadableAnswer } from "./provider-errors.ts";
import type { BatchProvider, FoundBatch } from "./provider-port.ts";
import { ACCEPT_RESULTS, WIRE_TIMES } from "./provider-wire.ts";
import { readAnswer } from "./read-answer.ts";

/**
 * Message batches of Anthropic: items go up within the creation, results come back as one file. The SDK's `batches.create` takes an array
 * and makes one text of it, half a gigabyte at the limit, so the body is streamed through its `post` instead; `batches.results` parses each
 * line, so the file is read through its `get`. A batch carries no metadata: what an unanswered creation made is found by its size and age.
 */

const BATCHES_PATH = "/v1/messages/batches";

export function createAnthropicBatches(account: BatchAccount): BatchProvider {
	const { name, limits } = account;
	const client = openClient(account);
	const asked = <Answer>(what: Asked, run: () => Promise<Answer>): Promise<Answer> => ask({ provider: name, asked: what }, run);
	const poll = (id: string): Promise<ProviderBatchStatus> => asked("poll", async () => readBatch(await client.messages.batches.retrieve(id), name, "poll"));
	return {
		limits,
		upload: async () => null,
		create: (part) =>
			asked("create", () =>
				sendPart(part, async (lines) => {
					const body = asRequests(lines);
					return readBatch(await client.post<unknown>(BATCHES_PATH, { body, headers: { "content-type": "application/json" } }), name, "create");
				}),
			),
		find: (part, { sinceMs, isOthers }) => asked("find", () => find({ client, name }, { items: part.items, sinceMs, isOthers })),
		poll,
		async cancel(id) {
			try {
				return await asked("cancel", async () => readBatch(await client.messages.batches.cancel(id), name, "cancel"));
			} catch (error) {
				// Refused for a batch that ended meanwhile.
				if (!isHttpStatus(error, [400, 409])) throw error;
				const status = await poll(id);
				if (status.state === "running") throw error;
				return status;
			}
		},
		results: (status) => results({ client, name, baseUrl: account.baseUrl }, status),
		async forget({ status }) {
			try {
				await asked("forget", () => client.messages.batches.delete(status.providerBatchId));
			} catch (error) {
				if (!isHttpStatus(error, [404, 410])) throw error;
			}
		},
	};
}

type Opened = { readonly client: Anthropic; readonly name: string };

/** Without the key, which the wire adds, and deaf to the environment, which could point it elsewhere or trace what is sent. */
function openClient({ baseUrl, query, wire }: BatchAccount): Anthropic {
	return new Anthropic({
		apiKey: "added-by-the-wire",
		webhookKey: null,
		baseURL: baseUrl,
		defaultQuery: query,
		// The workflow owns retries; the wire owns deadlines.
		maxRetries: 0,
		timeout: WIRE_TIMES.resultsMs,
		fetch: wire.fetch,
		logLevel: "off",
		openTelemetry: false,
	});
}

type Sought = { readonly items: number; readonly sinceMs: number; readonly isOthers: (providerBatchId: string) => boolean };

async function find({ client, name }: Opened, { items, sinceMs, isOthers }: Sought): Promise<FoundBatch[]> {
	const found: FoundBatch[] = [];
	const listed = listSince({
		question: { provider: name, asked: "find" },
		sinceMs,
		load: (after) => client.get(BATCHES_PATH, { query: { limit: LIST_PAGE_ITEMS, ...(after !== null && { after_id: after }) } }),
		read: (entry) => ({ status: readBatch(entry, name, "find") }),
	});
	for await (const { status } of listed) {
		if (status.total === items && !isOthers(status.providerBatchId)) found.push({ status, isCertain: false });
	}
	return found;
}

async function* results({ client, name, baseUrl }: Opened & { readonly baseUrl: string }, status: ProviderBatchStatus): AsyncGenerator<ResultLine> {
	if (status.resultsUrl === null) {
		throw new CostControlError("provider.results_gone", `${name} has no results of batch ${status.providerBatchId} any more: it was archived`, {
			details: { provider: name, asked: "results", retryAfterMs: null },
		});
	}
	const at = placeOf(status.resultsUrl, { baseUrl, providerBatchId: status.providerBatchId });
	const open = (): Promise<Response> => client.get(at, { headers: { accept: ACCEPT_RESULTS } }).asResponse();
	yield* readAnswer(open, { provider: name, protocol: "anthropic", file: "results" });
}

/** Where the provider says, on the host that the key is for; behind a proxy, which the provider knows nothing of, the same place there. */
function placeOf(resultsUrl: string, { baseUrl, providerBatchId }: { readonly baseUrl: string; readonly providerBatchId: string }): string {
	if (URL.canParse(resultsUrl) && new URL(resultsUrl).origin === new URL(baseUrl).origin) return resultsUrl;
	return `${BATCHES_PATH}/${encodeURIComponent(providerBatchId)}/results`;
}

/** A status nobody knows is one of a batch that has not ended. */
const STATES: ReadonlyMap<unknown, ProviderBatchStatus["state"]> = new Map([
	["in_progress", "running"],
	["canceling", "cancelling"],
	["ended", "ended"],
]);

function readBatch(answer: unknown, provider: string, what: Asked): ProviderBatchStatus {
	const batch = asObject(answer);
	const id = asText(batch?.["id"]);
	const createdAtMs = Date.parse(asText(batch?.["created_at"]) ?? "");
	if (batch === undefined || id === undefined || Number.isNaN(createdAtMs)) throw unreadableAnswer({ provider, asked: what }, "it is no batch");
	const counts = asObject(batch["request_counts"]);
	const count = (kind: string): number => {
		const value = counts?.[kind];
		return typeof value === "number" ? value : 0;
	};
	const failed = count("errored") + count("expired") + count("canceled");
	const expiresAtMs = Date.parse(asText(batch["expires_at"]) ?? "");
	return {
		providerBatchId: id,
		state: STATES.get(batch["processing_status"]) ?? "running",
		total: count("processing") + count("succeeded") + failed,
		succeeded: count("succeeded"),
		failed,
		problems: [],
		createdAtMs,
		expiresAtMs: Number.isNaN(expiresAtMs) ? null : expiresAtMs,
		outputFileId: null,
		errorFileId: null,
		resultsUrl: asText(batch["results_url"]) ?? null,
	};
}
