import type { BatchEndpoint } from "#domain/batching/batch.ts";
import { endpointOfUrl } from "#domain/batching/endpoint-urls.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { isStorableText } from "#domain/text/storable-text.ts";
import type { Problem } from "../problem.ts";

/** The body of POST /v1/batches (BatchCreateParams of openai 7.57.0). Every mistake is told at once, by its field. */

export type BatchCreation = {
	readonly inputFileId: string;
	readonly endpoint: BatchEndpoint;
	readonly metadata: Readonly<Record<string, string>> | null;
	/** How long the output files are kept, from when they are made; null = as long as is usual. */
	readonly outputKeptMs: number | null;
};

export type ReadCreation = { readonly kind: "read"; readonly creation: BatchCreation } | { readonly kind: "rejected"; readonly problem: Problem };

const FIELDS = ["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"];
const METADATA_PAIRS_MAX = 16;
const METADATA_KEY_LENGTH_MAX = 64;
const METADATA_VALUE_LENGTH_MAX = 512;
const KEPT_SECONDS_MIN = 3_600;
const KEPT_SECONDS_MAX = 2_592_000;

type Fields = Readonly<Record<string, unknown>>;

export function readCreation(body: unknown): ReadCreation {
	if (!isFields(body)) return rejected([{ field: "body", problem: "must be a JSON object" }]);
	const problems: FieldProblem[] = [];
	const refuse = (field: string, problem: string): void => void problems.push({ field, problem });
	for (const name of Object.keys(body)) if (!FIELDS.includes(name)) refuse(printable(name), "is no field of a batch");
	const inputFileId = body["input_file_id"];
	if (typeof inputFileId !== "string") refuse("input_file_id", "must be the id of an uploaded file");
	const endpoint = endpointOfUrl(body["endpoint"]);
	if (endpoint === undefined || endpoint === "messages")
		refuse("endpoint", "must be one of /v1/chat/completions, /v1/responses, /v1/embeddings, which are served here");
	if (body["completion_window"] !== "24h") refuse("completion_window", 'must be "24h"');
	const metadata = readMetadata(body["metadata"], refuse);
	const outputKeptMs = readKeptMs(body["output_expires_after"], "output_expires_after", refuse);
	if (problems.length > 0 || typeof inputFileId !== "string" || endpoint === undefined) return rejected(problems);
	return { kind: "read", creation: { inputFileId, endpoint, metadata, outputKeptMs } };
}

type Refuse = (field: string, problem: string) => void;

function readMetadata(value: unknown, refuse: Refuse): Readonly<Record<string, string>> | null {
	if (value === undefined || value === null) return null;
	if (!isFields(value)) {
		refuse("metadata", "must be an object of texts");
		return null;
	}
	const pairs = Object.entries(value);
	if (pairs.length > METADATA_PAIRS_MAX) refuse("metadata", `holds more than ${METADATA_PAIRS_MAX} pairs`);
	for (const [key, text] of pairs.slice(0, METADATA_PAIRS_MAX)) {
		const field = `metadata.${printable(key)}`;
		if (key.length > METADATA_KEY_LENGTH_MAX || !isStorableText(key))
			refuse(field, `has a name that is longer than ${METADATA_KEY_LENGTH_MAX} characters, or no plain text`);
		else if (typeof text !== "string" || text.length > METADATA_VALUE_LENGTH_MAX)
			refuse(field, `must be text of at most ${METADATA_VALUE_LENGTH_MAX} characters`);
		else if (!isStorableText(text)) refuse(field, "must be text without control characters");
	}
	return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string"));
}

/** `{anchor: "created_at", seconds}`, of a batch or, from a form, of a file. */
export function readKeptMs(value: unknown, field: string, refuse: Refuse): number | null {
	if (value === undefined || value === null) return null;
	const { anchor, seconds, ...others }: Fields = isFields(value) ? value : {};
	if (anchor !== "created_at") refuse(`${field}.anchor`, 'must be "created_at"');
	for (const name of Object.keys(others)) refuse(`${field}.${printable(name)}`, "is no field of an expiry");
	if (typeof seconds === "number" && Number.isInteger(seconds) && seconds >= KEPT_SECONDS_MIN && seconds <= KEPT_SECONDS_MAX) return seconds * 1_000;
	refuse(`${field}.seconds`, `must be a whole number from ${KEPT_SECONDS_MIN} to ${KEPT_SECONDS_MAX}`);
	return null;
}

/** Every mistake in one message, and in a list by its field. */
export function invalidFields(problems: readonly FieldProblem[]): Problem {
	const [first] = problems;
	const message = problems.map(({ field, problem }) => `${field} ${problem}.`).join(" ");
	return { code: "request.invalid", message, ...(first && { field: first.field }), problems };
}

function rejected(problems: readonly FieldProblem[]): ReadCreation {
	return { kind: "rejected", problem: invalidFields(problems) };
}

function printable(name: string): string {
	return name.slice(0, 80).replaceAll(/[\p{Cc}\p{Cs}]/gu, "?");
}

function isFields(value: unknown): value is Fields {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
