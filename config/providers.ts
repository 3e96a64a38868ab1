import { readFileSync } from "node:fs";
import { z } from "zod";
import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import type { PriceTier, Protocol } from "#domain/pricing/price-book.ts";
import { batchLimitFields, batchLimitsFor } from "./batch-limits.ts";
import { Secret } from "./secret.ts";

/**
 * Providers and model aliases. Without a file there are two providers, OpenAI and Anthropic, and every
 * priced model is served under its own name. With TOLLGATE_PROVIDERS_FILE the file says everything.
 */

export type CredentialHeader = "authorization" | "x-api-key" | "api-key";

export type ProviderSettings = {
	/** Name in the file; without `pricedAs` also the provider whose prices apply. */
	readonly name: string;
	readonly protocol: Protocol;
	/**
	 * Everything before the endpoint's own path, without a trailing slash. OpenAI endpoints append
	 * `/chat/completions`, Anthropic endpoints `/v1/messages`. `{model}` stands for the deployment's model (Azure).
	 */
	readonly baseUrl: string;
	readonly query: Readonly<Record<string, string>>;
	readonly credentialHeader: CredentialHeader;
	readonly key: Secret | undefined;
	/** Provider of the price book whose lines price this provider's models. */
	readonly pricedAs: string;
	/** Complete answers with these statuses are charged although they carry no usage. */
	readonly billedStatuses: readonly number[];
	/** False for OpenAI-compatible servers that refuse `stream_options`; their streams are charged at the reservation. */
	readonly hasStreamUsage: boolean;
	/** True where its models tokenize text with the encoding their price line names; false for what stands in for another provider. */
	readonly hasKnownEncoding: boolean;
	/** Price tiers the account may bill a request that names none (a project's default service tier). */
	readonly defaultTiers: readonly PriceTier[];
	/** Where the account serves a request that does not say where, when that has a price of its own (Anthropic's `us`); else global. */
	readonly defaultGeography: "global" | "us";
	/** Output cap fields this server obeys; undefined = those the price book names. */
	readonly enforcedCapFields: readonly CapField[] | undefined;
	/** Where and how it runs batches; undefined = it runs none. */
	readonly batches: ProviderBatches | undefined;
};

/** Files and batches are appended to `baseUrl` as endpoints are to that of the provider; it holds no `{model}`. */
export type ProviderBatches = { readonly baseUrl: string; readonly limits: BatchLimits };

export type CapField = (typeof CAP_FIELDS)[number];

const CAP_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"] as const;

/** One place where an alias is served. */
export type AliasTarget = {
	readonly provider: string;
	/** Model id sent to the provider; the alias itself when absent. */
	readonly model: string;
	/** Model of the price book that prices it; `model` when absent. */
	readonly pricedAsModel: string;
};

export type ProviderTable = {
	readonly providers: readonly ProviderSettings[];
	/** Providers that are known and not offered, because nobody gave their key. Absent: none. */
	readonly withoutKey?: readonly ProviderWithoutKey[];
	/** undefined = every priced model of the providers under its own name. */
	readonly aliases: Readonly<Record<string, readonly AliasTarget[]>> | undefined;
};

/** `keyVariable` is what a person sets to have the provider offered. */
export type ProviderWithoutKey = { readonly pricedAs: string; readonly keyVariable: string };

const baseUrlSchema = z.url({ protocol: /^https?$/ }).refine((text) => !/[?#]/.test(text) && !text.endsWith("/") && !/\/\/[^/]*@/.test(text), {
	message: "must have no query, fragment, credentials or trailing slash",
});

const batchesSchema = z.strictObject({
	baseUrl: baseUrlSchema.refine((text) => !text.includes("{"), { message: "must name no model: a batch is asked for by its id alone" }).optional(),
	...batchLimitFields,
});

const providerSchema = z.strictObject({
	protocol: z.enum(["openai", "anthropic"]),
	baseUrl: baseUrlSchema,
	query: z.record(z.string(), z.string()).default({}),
	credentialHeader: z.enum(["authorization", "x-api-key", "api-key"]).optional(),
	// A name, so that a key that was put here by mistake is not taken for one and repeated.
	keyEnv: z
		.string()
		.regex(/^[A-Z_][A-Z0-9_]*$/, "must be the name of an environment variable in capitals, not the key itself")
		.optional(),
	keyFile: z.string().min(1).optional(),
	pricedAs: z.string().min(1).optional(),
	billedStatuses: z.array(z.int().min(300).max(599)).default([]),
	hasStreamUsage: z.boolean().default(true),
	hasKnownEncoding: z.boolean().default(true),
	defaultTiers: z
		.array(z.enum(["standard", "batch", "flex", "priority"]))
		.min(1)
		.default(["standard"]),
	defaultGeography: z.enum(["global", "us"]).default("global"),
	enforcedCapFields: z.array(z.enum(CAP_FIELDS)).optional(),
	batches: z.union([z.literal(false), batchesSchema]).optional(),
});

/** Model ids travel in a header. */
const modelId = z.string().regex(/^[\x21-\x7e]{1,256}$/);

const aliasTargetSchema = z.strictObject({
	provider: z.string().min(1),
	model: modelId.optional(),
	pricedAsModel: modelId.optional(),
});

/** Shape of TOLLGATE_PROVIDERS_FILE; `docs/providers.md` shows an example of each provider. */
export const providersFileSchema = z.strictObject({
	providers: z.record(z.string().min(1), providerSchema),
	models: z.record(modelId, z.array(aliasTargetSchema).min(1)).optional(),
});

export type DefaultProviderOptions = {
	readonly openaiBaseUrl: string;
	readonly openaiKey: Secret | undefined;
	readonly anthropicBaseUrl: string;
	readonly anthropicKey: Secret | undefined;
};

export const OPENAI_BASE_URL = "https://api.openai.com/v1";
export const ANTHROPIC_BASE_URL = "https://api.anthropic.com";

const OFFICIAL: ReadonlyMap<string, { readonly baseUrl: string; readonly keyVariable: string }> = new Map([
	["openai", { baseUrl: OPENAI_BASE_URL, keyVariable: "OPENAI_API_KEY" }],
	["anthropic", { baseUrl: ANTHROPIC_BASE_URL, keyVariable: "ANTHROPIC_API_KEY" }],
]);

/** The table without a file. Base URLs default to the real providers; the simulated provider takes their place by URL. */
export function defaultProviderTable(options: DefaultProviderOptions): ProviderTable {
	const shared = {
		query: {},
		billedStatuses: [],
		hasStreamUsage: true,
		hasKnownEncoding: true,
		defaultTiers: ["standard"],
		defaultGeography: "global",
		enforcedCapFields: undefined,
	} as const;
	return {
		providers: [
			{
				...shared,
				name: "openai",
				protocol: "openai",
				baseUrl: options.openaiBaseUrl,
				credentialHeader: "authorization",
				key: options.openaiKey,
				pricedAs: "openai",
				batches: { baseUrl: options.openaiBaseUrl, limits: batchLimitsFor("openai") },
			},
			{
				...shared,
				name: "anthropic",
				protocol: "anthropic",
				baseUrl: options.anthropicBaseUrl,
				credentialHeader: "x-api-key",
				key: options.anthropicKey,
				pricedAs: "anthropic",
				batches: { baseUrl: options.anthropicBaseUrl, limits: batchLimitsFor("anthropic") },
			},
		],
		aliases: undefined,
	};
}

/**
 * The default table for real calls: an official provider whose key nobody gave is left out and named, because each of its
 * calls would be sent only to be refused. A base URL of one's own may need no key.
 */
export function offerWithKeysOnly(table: ProviderTable): ProviderTable {
	const isKeyless = (provider: ProviderSettings): boolean => provider.key === undefined && OFFICIAL.get(provider.name)?.baseUrl === provider.baseUrl;
	return {
		...table,
		providers: table.providers.filter((provider) => !isKeyless(provider)),
		withoutKey: table.providers.filter(isKeyless).map(({ name, pricedAs }) => ({ pricedAs, keyVariable: OFFICIAL.get(name)?.keyVariable ?? "" })),
	};
}

/**
 * The same table with the simulated provider in everyone's place; no provider's key leaves for it, only its own where it
 * asks for one. `origin` has no trailing slash.
 */
export function withSimulatedProvider(table: ProviderTable, origin: string, key?: Secret): ProviderTable {
	return {
		...table,
		providers: table.providers.map((provider) => ({
			...provider,
			baseUrl: simulatedBaseUrl(provider.protocol, origin),
			batches: provider.batches && { ...provider.batches, baseUrl: simulatedBaseUrl(provider.protocol, origin) },
			query: {},
			credentialHeader: provider.protocol === "openai" ? "authorization" : "x-api-key",
			key,
			// It counts tokens in its own simple way, which a real encoding does not bound.
			hasKnownEncoding: false,
		})),
	};
}

function simulatedBaseUrl(protocol: Protocol, origin: string): string {
	return protocol === "openai" ? `${origin}/v1` : origin;
}

/** What a process without provider keys may know of a table. */
export type ProviderOutline = {
	readonly providers: readonly Pick<ProviderSettings, "name" | "protocol" | "pricedAs">[];
	readonly aliases: ProviderTable["aliases"];
};

/** The table without a file. */
export const DEFAULT_PROVIDER_OUTLINE: ProviderOutline = {
	providers: [
		{ name: "openai", protocol: "openai", pricedAs: "openai" },
		{ name: "anthropic", protocol: "anthropic", pricedAs: "anthropic" },
	],
	aliases: undefined,
};

/** Names of the file, without looking for any key. Throws one Error that lists every mistake. */
export function loadProviderOutline(path: string): ProviderOutline {
	const data = parseFile(path);
	const mistakes: string[] = [];
	const providers = Object.entries(data.providers).map(([name, { protocol, pricedAs }]) => ({ name, protocol, pricedAs: pricedAs ?? name }));
	const aliases = data.models && readAliases(data.models, new Set(Object.keys(data.providers)), mistakes);
	if (mistakes.length > 0) throw new Error(`${path}: ${mistakes.join("; ")}`);
	return { providers, aliases };
}

/** Reads and checks the file. Throws one Error that lists every mistake with its path in the file. */
export function loadProviderTable(path: string, environment: Readonly<Record<string, string | undefined>> = process.env): ProviderTable {
	const data = parseFile(path);
	const mistakes: string[] = [];
	const providers = Object.entries(data.providers).map(([name, entry]): ProviderSettings => {
		return {
			name,
			protocol: entry.protocol,
			baseUrl: entry.baseUrl,
			query: entry.query,
			credentialHeader: entry.credentialHeader ?? (entry.protocol === "openai" ? "authorization" : "x-api-key"),
			key: readKey(name, entry, { environment, mistakes }),
			pricedAs: entry.pricedAs ?? name,
			billedStatuses: entry.billedStatuses,
			hasStreamUsage: entry.hasStreamUsage,
			hasKnownEncoding: entry.hasKnownEncoding,
			defaultTiers: entry.defaultTiers,
			defaultGeography: entry.defaultGeography,
			enforcedCapFields: entry.enforcedCapFields,
			batches: readBatches(name, entry, mistakes),
		};
	});
	const aliases = data.models && readAliases(data.models, new Set(Object.keys(data.providers)), mistakes);
	if (mistakes.length > 0) throw new Error(`${path}: ${mistakes.join("; ")}`);
	return { providers, aliases };
}

function parseFile(path: string): z.infer<typeof providersFileSchema> {
	const parsed = providersFileSchema.safeParse(parseJson(path));
	if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
	return parsed.data;
}

function parseJson(path: string): unknown {
	const text = readFileSync(path, "utf8");
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new Error(`${path} is not JSON`, { cause });
	}
}

type KeySource = { readonly environment: Readonly<Record<string, string | undefined>>; readonly mistakes: string[] };

function readKey(name: string, entry: z.infer<typeof providerSchema>, source: KeySource): Secret | undefined {
	if (entry.keyEnv !== undefined && entry.keyFile !== undefined) {
		source.mistakes.push(`providers.${name}: give keyEnv or keyFile, not both`);
		return undefined;
	}
	if (entry.keyFile !== undefined) return readKeyFile(name, entry.keyFile, source.mistakes);
	if (entry.keyEnv === undefined) return undefined;
	const text = source.environment[entry.keyEnv];
	if (text === undefined || text === "") source.mistakes.push(`providers.${name}: environment variable ${entry.keyEnv} is not set`);
	return text ? new Secret(text) : undefined;
}

function readKeyFile(name: string, file: string, mistakes: string[]): Secret | undefined {
	try {
		return new Secret(readFileSync(file, "utf8").trim());
	} catch (error) {
		// Not its name: somebody may have put the key itself there.
		mistakes.push(`providers.${name}: keyFile cannot be read (${(error as NodeJS.ErrnoException).code ?? "an error"})`);
		return undefined;
	}
}

/** What an official provider offers is there unless the file takes it away; of another one the file has to say so. */
function readBatches(name: string, entry: z.infer<typeof providerSchema>, mistakes: string[]): ProviderBatches | undefined {
	const told: z.infer<typeof batchesSchema> | false = entry.batches ?? (isOfficial(entry) ? {} : false);
	if (told === false) return undefined;
	const base = told.baseUrl ?? entry.baseUrl;
	if (base.includes("{model}")) mistakes.push(`providers.${name}: batches need a baseUrl of their own, since that of the provider names a model`);
	else if (new URL(base).origin !== new URL(entry.baseUrl).origin)
		mistakes.push(`providers.${name}: batches.baseUrl must be on the host of baseUrl, which alone its key is for`);
	return { baseUrl: base, limits: batchLimitsFor(entry.protocol, told) };
}

function isOfficial({ protocol, baseUrl }: Pick<ProviderSettings, "protocol" | "baseUrl">): boolean {
	return baseUrl === (protocol === "openai" ? OPENAI_BASE_URL : ANTHROPIC_BASE_URL);
}

function readAliases(
	models: NonNullable<z.infer<typeof providersFileSchema>["models"]>,
	known: ReadonlySet<string>,
	mistakes: string[],
): Record<string, readonly AliasTarget[]> {
	const aliases: Record<string, readonly AliasTarget[]> = {};
	for (const [alias, targets] of Object.entries(models)) {
		for (const target of targets) {
			if (!known.has(target.provider)) mistakes.push(`models.${alias}: no provider named ${target.provider}`);
		}
		aliases[alias] = targets.map((target) => {
			const model = target.model ?? alias;
			return { provider: target.provider, model, pricedAsModel: target.pricedAsModel ?? model };
		});
	}
	return aliases;
}
