import { readFileSync } from "node:fs";
import { z } from "zod";
import type { FieldTable } from "#domain/bound/field-table.ts";
import type { Endpoint } from "#domain/bound/request.ts";

/**
 * The request-field tables as data: which field of which endpoint may raise the cost, and the rule
 * that bounds it. `docs/bounds.md` is generated from them (`scripts/write-bounds-doc.ts`).
 */

const jsonScalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const priceTier = z.enum(["standard", "batch", "flex", "priority"]);
const note = z.string().min(1);
const owner = z.enum(["answer", "item", "stored"]);

const fieldRule = z.strictObject({
	rule: z.enum([
		"neutral",
		"model",
		"stream",
		"stream-options",
		"content",
		"tools",
		"cap",
		"multiplies",
		"adds",
		"tier",
		"thinking",
		"hosted-calls",
		"reference",
		"claimed",
		"unbounded",
		"header",
	]),
	types: z.array(z.enum(["string", "number", "boolean", "object", "array", "null"])).optional(),
	allow: z.array(jsonScalar).optional(),
	allowsEmptyList: z.boolean().optional(),
	allowListOf: z.strictObject({ key: z.string(), types: z.array(z.string()) }).optional(),
	allowNested: z.record(z.string(), z.array(jsonScalar)).optional(),
	nestedReferences: z.record(z.string(), owner).optional(),
	tiers: z.record(z.string(), z.array(z.union([priceTier, z.literal("project")]))).optional(),
	owner: owner.optional(),
	raisesCost: z.boolean(),
	note,
});

const partRule = z.strictObject({
	rule: z.enum(["text", "image", "audio", "document", "reference", "tools", "unbounded"]),
	nested: z.array(z.string()).optional(),
	owner: owner.optional(),
	isTextOnly: z.boolean().optional(),
	note,
});

const toolRule = z.strictObject({
	rule: z.enum(["client", "reference", "hosted", "group", "unbounded"]),
	hiddenTokens: z.number().int().nonnegative().optional(),
	callsField: z.enum(["max_uses", "max_tool_calls"]).optional(),
	feeName: z.string().nullable().optional(),
	owner: z.literal("stored").optional(),
	note,
});

const betaRule = z.strictObject({ rule: z.enum(["neutral", "unbounded"]), windowTokens: z.number().int().positive().optional(), note });

const fieldTable = z.strictObject({
	endpoint: z.enum(["chat.completions", "responses", "embeddings", "messages", "count_tokens"]),
	protocol: z.enum(["openai", "anthropic"]),
	hiddenTokensWithTools: z.number().int().nonnegative(),
	fields: z.record(z.string(), fieldRule),
	parts: z.record(z.string(), partRule),
	items: z.record(z.string(), partRule),
	tools: z.record(z.string(), toolRule),
	betas: z.record(z.string(), betaRule),
});

const FIELD_TABLE_FILES: Readonly<Record<Endpoint, string>> = {
	"chat.completions": "openai-chat.json",
	responses: "openai-responses.json",
	embeddings: "openai-embeddings.json",
	messages: "anthropic-messages.json",
	count_tokens: "anthropic-count-tokens.json",
};

/** Reads and checks the five tables. Throws at start when a file is missing or malformed; read once, not per request. */
export function loadFieldTables(): Readonly<Record<Endpoint, FieldTable>> {
	return {
		"chat.completions": readTable("chat.completions"),
		responses: readTable("responses"),
		embeddings: readTable("embeddings"),
		messages: readTable("messages"),
		count_tokens: readTable("count_tokens"),
	};
}

function readTable(endpoint: Endpoint): FieldTable {
	const file = FIELD_TABLE_FILES[endpoint];
	const parsed = fieldTable.safeParse(JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")));
	if (!parsed.success) throw new Error(`config/request-fields/${file}: ${z.prettifyError(parsed.error)}`);
	if (parsed.data.endpoint !== endpoint) throw new Error(`config/request-fields/${file}: is the table of ${parsed.data.endpoint}, not of ${endpoint}`);
	return parsed.data as FieldTable;
}
