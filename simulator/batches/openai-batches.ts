import { randomBytes } from "node:crypto";
import { isObject, type JsonObject } from "../json.ts";
import { ProviderError } from "../provider-error.ts";
import { PAID_ROUTES } from "../routes.ts";
import { type BatchDesk, checkHourlyBatches, findBatch, newRecord } from "./desk.ts";
import { checkExpiry, findFile, seconds } from "./files.ts";
import { pageOf } from "./pages.ts";
import { parsePlan } from "./plan.ts";
import { type BatchRecord, isOpen, type StoredFile } from "./records.ts";

/** `/v1/batches` (openai resources/batches.d.ts). What has not happened yet is null on the wire. */

const COMPLETION_WINDOW = "24h";
const RESULTS_KEPT_MS = 30 * 86_400_000;
const METADATA_PAIRS_MOST = 16;
const METADATA_KEY_CHARACTERS_MOST = 64;
const METADATA_VALUE_CHARACTERS_MOST = 512;
const LIST_RULES = { limitDefault: 20, limitMax: 100 };
/** Key of the metadata that carries a plan as JSON. */
const PLAN_KEY = "simulate";

/** Throws the provider's 400 or 429. The batch is not kept where its plan says that the call is lost. */
export function createBatch(desk: BatchDesk, body: JsonObject): BatchRecord {
	const endpoint = readEndpoint(body["endpoint"]);
	if (body["completion_window"] !== COMPLETION_WINDOW)
		throw new ProviderError(400, `Invalid 'completion_window': expected '${COMPLETION_WINDOW}'.`, { param: "completion_window" });
	const metadata = readMetadata(body["metadata"]);
	const expiry = body["output_expires_after"];
	const keptSeconds = isObject(expiry) ? checkExpiry(expiry, "output_expires_after") : undefined;
	const file = readInput(desk, body["input_file_id"]);
	checkHourlyBatches(desk, "openai");
	const asked = metadata?.[PLAN_KEY];
	const plan = { ...desk.plans.take(), ...(asked !== undefined && parsePlan(asked)) };
	const record = newRecord(desk, {
		id: `batch_${randomBytes(16).toString("hex")}`,
		protocol: "openai",
		endpoint,
		inputFileId: file.id,
		metadata,
		resultsKeptMs: keptSeconds === undefined ? RESULTS_KEPT_MS : keptSeconds * 1_000,
		plan,
		phase: "validating",
		total: 0,
		startedAtMs: null,
		createdAtMs: desk.clock.nowMs(),
	});
	if (plan.creation === "lost") return record;
	desk.disk.addBatchOfFile(record, file.id);
	desk.runner.wake(record.id);
	return record;
}

function readEndpoint(value: unknown): string {
	if (typeof value === "string" && Object.hasOwn(PAID_ROUTES, value) && PAID_ROUTES[value]?.protocol === "openai") return value;
	const known = Object.keys(PAID_ROUTES).filter((path) => PAID_ROUTES[path]?.protocol === "openai");
	throw new ProviderError(400, `Invalid 'endpoint': expected one of ${known.join(", ")} (no other one is simulated).`, { param: "endpoint" });
}

function readMetadata(value: unknown): Readonly<Record<string, string>> | null {
	if (value === undefined || value === null) return null;
	const pairs = isObject(value) ? Object.entries(value) : undefined;
	const isAcceptable = pairs?.every(
		([key, text]) => key.length <= METADATA_KEY_CHARACTERS_MOST && typeof text === "string" && text.length <= METADATA_VALUE_CHARACTERS_MOST,
	);
	if (pairs === undefined || isAcceptable !== true || pairs.length > METADATA_PAIRS_MOST)
		throw new ProviderError(400, "Invalid 'metadata': expected at most 16 texts of at most 512 characters, by keys of at most 64.", { param: "metadata" });
	return value as Readonly<Record<string, string>>;
}

function readInput(desk: BatchDesk, id: unknown): StoredFile {
	if (typeof id !== "string") throw new ProviderError(400, "Missing required parameter: 'input_file_id'.", { param: "input_file_id" });
	const file = findFile({ ...desk, batchBytesMax: () => null }, id);
	if (file.purpose === "batch") return file;
	throw new ProviderError(400, `Invalid 'input_file_id': the purpose of ${id} is '${file.purpose}', not 'batch'.`, { param: "input_file_id" });
}

export function retrieveBatch(desk: BatchDesk, id: string): JsonObject {
	return batchObject(findBatch(desk, "openai", id));
}

export function listBatches({ disk }: BatchDesk, query: URLSearchParams): JsonObject {
	const newestFirst = disk
		.batches()
		.filter(({ protocol }) => protocol === "openai")
		.reverse();
	const { entries, hasMore } = pageOf(newestFirst, query, LIST_RULES);
	return { object: "list", data: entries.map(batchObject), first_id: entries[0]?.id ?? null, last_id: entries.at(-1)?.id ?? null, has_more: hasMore };
}

/** Throws the provider's 409 for a batch that has ended, or is about to. */
export function cancelBatch(desk: BatchDesk, id: string): JsonObject {
	const record = findBatch(desk, "openai", id);
	if (record.phase === "finalizing" || !isOpen(record))
		throw new ProviderError(409, `Cannot cancel a batch with status '${statusOf(record)}'.`, { type: "invalid_request_error", code: null });
	if (record.cancelAskedAtMs !== null) return batchObject(record);
	const asked = desk.disk.changeBatch(id, { cancelAskedAtMs: desk.clock.nowMs() });
	desk.runner.wake(id);
	return batchObject(asked);
}

export function statusOf({ phase, end, cancelAskedAtMs }: BatchRecord): string {
	if (phase === "ended") return end ?? "completed";
	if (phase === "finalizing") return end === "cancelled" ? "cancelling" : "finalizing";
	if (cancelAskedAtMs !== null) return "cancelling";
	return phase === "validating" ? "validating" : "in_progress";
}

export function batchObject(record: BatchRecord): JsonObject {
	const { phase, end, usage, problems } = record;
	const endedAs = (wanted: BatchRecord["end"]) => (phase === "ended" && end === wanted ? timeOf(record.endedAtMs) : null);
	return {
		id: record.id,
		object: "batch",
		endpoint: record.endpoint,
		model: record.model,
		errors: problems.length === 0 ? null : { object: "list", data: problems },
		input_file_id: record.inputFileId,
		completion_window: COMPLETION_WINDOW,
		status: statusOf(record),
		output_file_id: record.outputFileId,
		error_file_id: record.errorFileId,
		created_at: seconds(record.createdAtMs),
		in_progress_at: timeOf(record.startedAtMs),
		expires_at: seconds(record.expiresAtMs),
		finalizing_at: end === "completed" || end === "expired" ? timeOf(record.finalizingAtMs) : null,
		completed_at: endedAs("completed"),
		failed_at: endedAs("failed"),
		expired_at: endedAs("expired"),
		cancelling_at: timeOf(record.cancelAskedAtMs),
		cancelled_at: endedAs("cancelled"),
		request_counts: { total: record.total, completed: record.succeeded, failed: record.errored + record.expired },
		usage: {
			input_tokens: usage.inputTokens,
			input_tokens_details: { cached_tokens: usage.cachedTokens },
			output_tokens: usage.outputTokens,
			output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
			total_tokens: usage.inputTokens + usage.outputTokens,
		},
		metadata: record.metadata,
	};
}

function timeOf(atMs: number | null): number | null {
	return atMs === null ? null : seconds(atMs);
}
