import { readJson } from "../text/read-json.ts";
import { asksForSchema } from "./asks-for-schema.ts";
import { type FieldRule, type FieldTable, foldKey, type JsonType, lookUp } from "./field-table.ts";
import { inspectCacheLife } from "./inspect-cache-life.ts";
import { inspectContent, inspectEmbeddingInput, inspectItems, inspectMessages } from "./inspect-content.ts";
import { inspectCap, inspectChoices, inspectHostedCallCap, inspectStreamOptions, inspectThinking, inspectTier } from "./inspect-limits.ts";
import { inspectTools } from "./inspect-tools.ts";
import type { Endpoint, Inspection, RequestProblem } from "./request.ts";
import { addReference, emptyFacts, invalid, type RequestFacts, unbounded, unknownField } from "./request-facts.ts";
import { scanJson } from "./scan-json.ts";
import { type Draft, type FieldVisit, isObject, type JsonObject, type Walk } from "./walk.ts";

export type InspectOptions = {
	/** Team policy (default "refuse"): "pass" lets unknown fields through and reserves at the model's dearest line. */
	readonly unknownFields?: "refuse" | "pass";
	/** Values of the `anthropic-beta` header as received, each possibly a comma-separated list. */
	readonly anthropicBeta?: readonly string[];
};

const CLAIMS_MAX = 16;
const CLAIM_LENGTH_MAX = 512;
const MODEL_LENGTH_MAX = 256;

/**
 * Reads a request body once: structure, types, and every quantity a bound needs. The bytes are
 * forwarded as received, so whatever two parsers could read differently is refused here.
 *
 * Rejections: `request.invalid` and `request.duplicate_field` (400), `request.unknown_field` and
 * `request.unbounded` (422), each naming the field. A `\u0000` inside a text is valid JSON and
 * passes; whoever stores a claimed value cleans it first (money-path §7).
 */
export function inspectRequest(endpoint: Endpoint, body: Buffer, table: FieldTable, options: InspectOptions = {}): Inspection {
	const scanned = scanJson(body);
	if (scanned.kind === "refused") return { kind: "rejected", problem: scanned.problem };
	const { scan } = scanned;
	const parsed = parseJsonObject(body, scan.hasEscapedKey);
	if (parsed === undefined) return { kind: "rejected", problem: { code: "request.invalid", message: "the body is not valid JSON in UTF-8" } };
	const facts = emptyFacts();
	facts.members = scan.members;
	facts.textBytes = body.length - scan.unicodeEscapeSavingBytes;
	facts.cacheWrites = cacheWritesOf(scan, table);
	facts.hasSchema = asksForSchema(parsed);
	const walk: Walk = { table, facts, mayPassUnknown: options.unknownFields === "pass", body: parsed };
	const draft: Draft = {
		model: undefined,
		isStream: false,
		asksStreamUsage: false,
		outputCapTokens: undefined,
		outputCapField: undefined,
		choices: 1,
		claimed: {},
	};
	const problem =
		inspectFields(draft, walk) ??
		inspectBetas(options.anthropicBeta ?? [], walk) ??
		requireFields(draft, walk) ??
		(scan.hasLongCacheTtl ? inspectCacheLife(walk) : undefined);
	if (problem !== undefined) return { kind: "rejected", problem };
	return { kind: "inspected", request: { ...draft, endpoint, protocol: table.protocol, body, model: draft.model ?? "", facts }, parsed };
}

/** A key in escapes is what the provider reads there, not what the runtime's parser may. */
function parseJsonObject(body: Buffer, hasEscapedKey: boolean): JsonObject | undefined {
	try {
		const text = decodeUtf8(body);
		const parsed: unknown = hasEscapedKey ? readJson(text) : JSON.parse(text);
		return isObject(parsed) ? parsed : undefined;
	} catch {
		// TypeError from the decoder and SyntaxError from the parser mean the same to the caller: 400.
		return undefined;
	}
}

/**
 * `Buffer.toString` is several times faster than a fatal TextDecoder and puts U+FFFD where bytes
 * are not UTF-8; a caller may send U+FFFD himself, so only then the strict decoder judges.
 */
function decodeUtf8(body: Buffer): string {
	const text = body.toString("utf8");
	return text.includes("\ufffd") ? STRICT_UTF8.decode(body) : text;
}

const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** OpenAI writes caches on its own, Anthropic only where the caller marked content. */
function cacheWritesOf(scan: { readonly hasCacheControl: boolean; readonly hasLongCacheTtl: boolean }, table: FieldTable): RequestFacts["cacheWrites"] {
	if (table.protocol === "anthropic" && !scan.hasCacheControl) return "none";
	return scan.hasLongCacheTtl ? "long" : "short";
}

function inspectFields(draft: Draft, walk: Walk): RequestProblem | undefined {
	for (const key of Object.keys(walk.body)) {
		const rule = lookUp(walk.table.fields, key);
		const value = walk.body[key];
		const found = rule === undefined || rule.rule === "header" ? inspectUnknownField(key, walk) : inspectField({ key, value, rule, draft, walk });
		if (found !== undefined) return found;
	}
	return undefined;
}

function inspectUnknownField(key: string, walk: Walk): RequestProblem | undefined {
	const folded = foldKey(key);
	const known = Object.keys(walk.table.fields).find((name) => foldKey(name) === folded);
	if (known !== undefined && known !== key) {
		return {
			code: "request.duplicate_field",
			message: `the field ${JSON.stringify(key.slice(0, 80))} differs from "${known}" only in case; parsers differ on whether it counts`,
			field: key.slice(0, 80),
		};
	}
	if (!walk.mayPassUnknown) return unknownField(key.slice(0, 80), "this field is not known, so what it costs is not known either");
	walk.facts.isDearest = true;
	return undefined;
}

function inspectField(visit: FieldVisit): RequestProblem | undefined {
	const { key, value, rule } = visit;
	if (rule.types !== undefined && !rule.types.includes(jsonType(value))) return invalid(key, `must be ${rule.types.join(" or ")}`);
	noteNestedReferences(visit);
	return inspectNestedValues(visit) ?? applyFieldRule(visit);
}

function applyFieldRule(visit: FieldVisit): RequestProblem | undefined {
	const { key, value, rule, draft, walk } = visit;
	switch (rule.rule) {
		case "model":
			return inspectModel(visit);
		case "stream":
			draft.isStream = value === true;
			return undefined;
		case "stream-options":
			return inspectStreamOptions(visit);
		case "content":
			return inspectContentField(visit);
		case "tools":
			return inspectTools(value, key, walk);
		case "cap":
			return inspectCap(visit);
		case "multiplies":
			return inspectChoices(visit);
		case "adds":
			if (value !== null) walk.facts.predictionBytes += memberLength(walk.facts, key);
			return isObject(value) ? inspectContent(value["content"], `${key}.content`, walk) : undefined;
		case "tier":
			return inspectTier(visit);
		case "thinking":
			return inspectThinking(visit);
		case "hosted-calls":
			return inspectHostedCallCap(visit);
		case "reference":
			if (value !== null) addReference(walk.facts, { field: key, id: referenceIdOf(value), kind: rule.owner ?? "open" });
			return undefined;
		case "claimed":
			return claim(visit);
		case "unbounded":
			return isHarmless(value, rule) ? undefined : unbounded(key, rule.note);
		case "neutral":
		case "header":
			return undefined;
		default:
			// A table with a rule nobody wrote must not pass for neutral.
			return unbounded(key, "its rule is not known");
	}
}

function isHarmless(value: unknown, { allow = [], allowsEmptyList = false, allowListOf }: FieldRule): boolean {
	if (allow.some((allowed) => allowed === value)) return true;
	if (allowsEmptyList && Array.isArray(value) && value.length === 0) return true;
	if (allowListOf === undefined || !isObject(value)) return false;
	const { [allowListOf.key]: items = [], ...others } = value;
	if (Object.keys(others).length > 0 || !Array.isArray(items)) return false;
	return items.every((item) => isObject(item) && allowListOf.types.some((type) => type === item["type"]));
}

function inspectModel({ key, value, draft }: FieldVisit): RequestProblem | undefined {
	if (typeof value !== "string" || value === "" || value.length > MODEL_LENGTH_MAX)
		return invalid(key, `must be a string of 1 to ${MODEL_LENGTH_MAX} characters`);
	draft.model = value;
	return undefined;
}

function inspectContentField({ key, value, walk }: FieldVisit): RequestProblem | undefined {
	if (key === "messages") return inspectMessages(value, walk);
	if (key !== "input") return inspectContent(value, key, walk);
	return walk.table.endpoint === "embeddings" ? inspectEmbeddingInput(value, walk) : inspectItems(value, walk);
}

function noteNestedReferences({ key, value, rule, walk }: FieldVisit): void {
	if (rule.nestedReferences === undefined || !isObject(value)) return;
	for (const [nestedKey, kind] of Object.entries(rule.nestedReferences)) {
		const id = value[nestedKey];
		if (id !== undefined && id !== null) walk.facts.named.push({ field: `${key}.${nestedKey}`, id: referenceIdOf(id), kind });
	}
}

function inspectNestedValues({ key, value, rule }: FieldVisit): RequestProblem | undefined {
	if (rule.allowNested === undefined || !isObject(value)) return undefined;
	for (const [nestedKey, allowed] of Object.entries(rule.allowNested)) {
		const nested = value[nestedKey];
		if (nested !== undefined && !allowed.some((harmless) => harmless === nested))
			return unbounded(`${key}.${nestedKey}`, "the price of this value is not known");
	}
	return undefined;
}

/** Attribution comes from the key; what the caller says about himself is kept beside it, shortened. */
function claim({ key, value, draft }: FieldVisit): RequestProblem | undefined {
	if (typeof value === "string") draft.claimed[key] = value.slice(0, CLAIM_LENGTH_MAX);
	if (!isObject(value)) return undefined;
	for (const [name, text] of Object.entries(value).slice(0, CLAIMS_MAX)) {
		if (typeof text === "string") draft.claimed[`${key}.${name.slice(0, 64)}`] = text.slice(0, CLAIM_LENGTH_MAX);
	}
	return undefined;
}

function inspectBetas(headerValues: readonly string[], walk: Walk): RequestProblem | undefined {
	if (headerValues.length === 0) return undefined;
	for (const beta of headerValues.flatMap((value) => value.split(","))) {
		const name = beta.trim();
		if (name === "") continue;
		const rule = lookUp(walk.table.betas, name);
		if (rule === undefined) {
			if (!walk.mayPassUnknown) return unknownField("anthropic-beta", `the value ${JSON.stringify(name.slice(0, 80))} is not listed as price-neutral`);
			walk.facts.isDearest = true;
		} else if (rule.rule === "unbounded") return unbounded("anthropic-beta", `${name}: ${rule.note}`);
		else walk.facts.unlockedWindowTokens = Math.max(walk.facts.unlockedWindowTokens, rule.windowTokens ?? 0);
	}
	return undefined;
}

/** What must be there for the call to mean anything. */
function requireFields(draft: Draft, walk: Walk): RequestProblem | undefined {
	if (draft.model === undefined) return invalid("model", "must be given");
	const { endpoint } = walk.table;
	if (endpoint === "embeddings" && walk.body["input"] === undefined) return invalid("input", "must be given");
	if (endpoint !== "embeddings" && endpoint !== "responses" && walk.body["messages"] === undefined) return invalid("messages", "must be given");
	if (endpoint === "messages" && draft.outputCapTokens === undefined) return invalid("max_tokens", "must be given");
	return undefined;
}

function jsonType(value: unknown): JsonType {
	if (value === null) return "null";
	if (Array.isArray(value)) return "array";
	const type = typeof value;
	return type === "string" || type === "number" || type === "boolean" ? type : "object";
}

function memberLength(facts: RequestFacts, key: string): number {
	const member = facts.members.find((candidate) => candidate.key === key);
	return member === undefined ? 0 : member.valueEnd - member.valueStart;
}

function referenceIdOf(value: unknown): string | undefined {
	if (typeof value === "string") return value;
	return isObject(value) && typeof value["id"] === "string" ? value["id"] : undefined;
}
