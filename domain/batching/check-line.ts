import { type Member, scanJson } from "../bound/scan-json.ts";
import { isObject, type JsonObject } from "../bound/walk.ts";
import { readJson } from "../text/read-json.ts";
import { storableTextProblem } from "../text/storable-text.ts";
import { BATCH_ENDPOINTS, type BatchEndpoint } from "./batch.ts";
import { ENDPOINT_URLS, endpointOfUrl } from "./endpoint-urls.ts";
import { BODY_FIELDS, type LineForm, type LineProblem } from "./line-problem.ts";

/**
 * One request of a batch as the caller wrote it: everything about it that a provider would refuse before it runs anything, and what a batch
 * cannot be asked for. The body is cut out of the line and never written anew, since its bytes are what is bounded and forwarded.
 */
export type RequestLine = {
	readonly customId: string;
	readonly endpoint: BatchEndpoint;
	/** As asked for. */
	readonly model: string;
	/** The bytes the caller wrote; a view of the line. */
	readonly body: Buffer;
	/** Texts or token lists of an embeddings request; 0 at other endpoints. */
	readonly embeddingInputs: number;
};

export type FieldProblem = Omit<LineProblem, "line">;
export type LineCheck = { readonly kind: "valid"; readonly request: RequestLine } | { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] };

/** OpenAI names no limit; ours keeps what a batch remembers small. UTF-16 units. */
export const CUSTOM_ID_LENGTH_MAX = 512;
const ANTHROPIC_CUSTOM_ID = /^[A-Za-z0-9_-]{1,64}$/;
const MODEL_LENGTH_MAX = 256;
const CAP_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"] as const;
const LINE_FIELDS: Readonly<Record<LineForm, readonly string[]>> = {
	openai: ["custom_id", "method", "url", "body"],
	anthropic: ["custom_id", "params"],
};
const CARRIAGE_RETURN = 0x0d;
const OPEN_BRACE = 0x7b;

/** `line`: UTF-8 without its line end. Tells every mistake of the line at once. */
export function checkLine(line: Buffer, form: LineForm): LineCheck {
	// A reader that takes it for the end of the line would see two.
	if (line.includes(CARRIAGE_RETURN)) return invalid([problem(null, "a carriage return stands within the line")]);
	const read = readObject(line, form);
	if (read.kind === "refused") return invalid([read.problem]);
	const { parsed, members } = read;
	const problems: FieldProblem[] = [];
	refuseUnknownField(parsed, form, problems);
	const customId = checkCustomId(parsed["custom_id"], form, problems);
	const endpoint = form === "openai" ? checkTarget(parsed, problems) : "messages";
	const body = checkBody({ line, parsed, members }, form, problems);
	const refuse = (key: string, message: string): void => void problems.push(problem(within(BODY_FIELDS[form], key), message));
	const model = body === undefined ? undefined : checkFields(body.parsed, endpoint, refuse);
	if (problems.length > 0 || customId === undefined || endpoint === undefined || body === undefined || model === undefined) return invalid(problems);
	const embeddingInputs = endpoint === "embeddings" ? countInputs(body.parsed["input"]) : 0;
	return { kind: "valid", request: { customId, endpoint, model, body: body.bytes, embeddingInputs } };
}

type ReadObject =
	| { readonly kind: "read"; readonly parsed: JsonObject; readonly members: readonly Member[] }
	| { readonly kind: "refused"; readonly problem: FieldProblem };

function readObject(line: Buffer, form: LineForm): ReadObject {
	const notAnObject: ReadObject = { kind: "refused", problem: problem(null, "must be one JSON object in UTF-8 without a byte order mark") };
	const text = line.toString("utf8");
	if (!/^[ \t]*\{/.test(text)) return notAnObject;
	const parsed = parseJson(text);
	if (parsed === undefined) return { kind: "refused", problem: problem(null, "is not valid JSON") };
	if (!isObject(parsed)) return notAnObject;
	const scanned = scanJson(line);
	if (scanned.kind === "refused") {
		const { field, message } = scanned.problem;
		// What is no field of the line stands twice somewhere in its body.
		const place = field === undefined || Object.hasOwn(parsed, field) ? field : within(BODY_FIELDS[form], field);
		return { kind: "refused", problem: problem(place ?? null, message) };
	}
	return { kind: "read", parsed, members: scanned.scan.members };
}

function parseJson(text: string): unknown {
	try {
		return readJson(text);
	} catch {
		// A SyntaxError says where by the runtime's own words, which change; the line is small enough to be looked at.
		return undefined;
	}
}

function refuseUnknownField(parsed: JsonObject, form: LineForm, problems: FieldProblem[]): void {
	const unknown = Object.keys(parsed).find((key) => !LINE_FIELDS[form].includes(key));
	if (unknown === undefined) return;
	problems.push(problem(unknown.slice(0, 80), `is no field of a request; there are ${LINE_FIELDS[form].join(", ")}`));
}

function checkCustomId(value: unknown, form: LineForm, problems: FieldProblem[]): string | undefined {
	const wrong =
		form === "anthropic"
			? typeof value === "string" && ANTHROPIC_CUSTOM_ID.test(value)
				? undefined
				: "must be 1 to 64 letters, digits, underscores or hyphens"
			: storableTextProblem(value, { minLength: 1, maxLength: CUSTOM_ID_LENGTH_MAX });
	if (wrong === undefined) return value as string;
	problems.push(problem("custom_id", value === undefined ? "must be given" : wrong));
	return undefined;
}

function checkTarget(parsed: JsonObject, problems: FieldProblem[]): BatchEndpoint | undefined {
	if (parsed["method"] !== "POST") problems.push(problem("method", 'must be "POST"'));
	const endpoint = endpointOfUrl(parsed["url"]);
	if (endpoint === undefined) problems.push(problem("url", `must be one of ${BATCH_ENDPOINTS.map((known) => ENDPOINT_URLS[known]).join(", ")}`));
	return endpoint;
}

type ReadLineObject = { readonly line: Buffer; readonly parsed: JsonObject; readonly members: readonly Member[] };

function checkBody(read: ReadLineObject, form: LineForm, problems: FieldProblem[]): { readonly bytes: Buffer; readonly parsed: JsonObject } | undefined {
	const field = BODY_FIELDS[form];
	const parsed = read.parsed[field];
	const member = read.members.find(({ key }) => key === field);
	if (!isObject(parsed) || member === undefined) {
		problems.push(problem(field, "must be an object: the request itself"));
		return undefined;
	}
	const bytes = read.line.subarray(member.valueStart, member.valueEnd);
	const scanned = scanJson(bytes);
	if (scanned.kind === "scanned") return { bytes, parsed };
	problems.push(problem(within(field, scanned.problem.field), scanned.problem.message));
	return undefined;
}

/** A request that stands in no line of a file: what a batch could not carry of its body. `embeddingInputs` as of a line. */
export function checkBodyAlone(
	body: JsonObject,
	endpoint: BatchEndpoint,
): { readonly problems: readonly { readonly field: string; readonly problem: string }[]; readonly embeddingInputs: number } {
	const problems: { readonly field: string; readonly problem: string }[] = [];
	checkFields(body, endpoint, (field, message) => void problems.push({ field, problem: message }));
	return { problems, embeddingInputs: endpoint === "embeddings" ? countInputs(body["input"]) : 0 };
}

/** What a batch cannot be asked for, and what every request needs; the bound looks at all else. Returns the model. */
function checkFields(body: JsonObject, endpoint: BatchEndpoint | undefined, refuse: (key: string, message: string) => void): string | undefined {
	const { model, stream, service_tier: serviceTier } = body;
	const isModel = typeof model === "string" && model !== "" && model.length <= MODEL_LENGTH_MAX;
	if (!isModel) refuse("model", model === undefined ? "must be given" : `must be a string of 1 to ${MODEL_LENGTH_MAX} characters`);
	if (stream !== undefined && stream !== null && stream !== false) refuse("stream", "a batch has no stream; leave it out");
	if (serviceTier !== undefined && serviceTier !== null) refuse("service_tier", "a batch has a price tier of its own; leave it out");
	for (const key of CAP_FIELDS) if (body[key] !== undefined && !isCap(body[key])) refuse(key, "must be a positive whole number of tokens");
	if ((endpoint === "chat.completions" || endpoint === "messages") && body["messages"] === undefined) refuse("messages", "must be given");
	if (endpoint === "messages" && body["max_tokens"] === undefined) refuse("max_tokens", "must be given");
	if (endpoint === "embeddings" && body["input"] === undefined) refuse("input", "must be given");
	return isModel ? model : undefined;
}

function isCap(value: unknown): boolean {
	return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** A list of numbers is one input in tokens. */
function countInputs(input: unknown): number {
	if (!Array.isArray(input) || input.length === 0 || typeof input[0] === "number") return 1;
	return input.length;
}

/** `bytes` of a stored line whose shape was checked: where its body lies. undefined: it has none. */
export function bodyOfLine(line: Buffer): Buffer | undefined {
	const scanned = scanJson(line);
	const members = scanned.kind === "scanned" ? scanned.scan.members : [];
	const member = members.find(({ key }) => key === BODY_FIELDS.openai || key === BODY_FIELDS.anthropic);
	if (member === undefined || line[member.valueStart] !== OPEN_BRACE) return undefined;
	return line.subarray(member.valueStart, member.valueEnd);
}

/** The same for its custom id. */
export function customIdOfLine(line: Buffer): string | undefined {
	const scanned = scanJson(line);
	const members = scanned.kind === "scanned" ? scanned.scan.members : [];
	const member = members.find(({ key }) => key === "custom_id");
	const value = member === undefined ? undefined : parseJson(line.toString("utf8", member.valueStart, member.valueEnd));
	return typeof value === "string" ? value : undefined;
}

function within(prefix: string, field: string | undefined): string {
	return field === undefined ? prefix : `${prefix}.${field}`;
}

function problem(field: string | null, message: string): FieldProblem {
	return { field, code: "batch.line_invalid", message };
}

function invalid(problems: readonly FieldProblem[]): LineCheck {
	return { kind: "invalid", problems };
}
