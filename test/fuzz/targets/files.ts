import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { checksumOf, parsePriceFile } from "#activities/pricebooks/price-file.ts";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import { ConfigurationError, loadSettings } from "#config/load.ts";
import { loadProviderTable } from "#config/providers.ts";
import { environmentSchema } from "#config/schema.ts";
import { readTeamPolicy } from "#domain/budget/team-policy.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { priceLineToJson } from "#domain/pricing/line-codec.ts";
import { testPriceBook } from "#test/support/gateway-price-book.ts";
import { mutated, toBytes } from "../bytes.ts";
import { type FuzzTarget, holds, type JsonValue, pureTarget } from "../target.ts";

/** Configuration that people write: taken, or refused with a message of ours that names where; never half taken. */

const ENVIRONMENT_KEY = "fuzzed-key-0123456789";
const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>;
const word = fc.oneof(fc.constantFrom("openai", "azure", "gpt-4o", "__proto__", "constructor", "", "a/b", "{model}", "..", "é"), fc.string({ maxLength: 8 }));

function mostly<Value>(good: fc.Arbitrary<Value>): fc.Arbitrary<Value | JsonValue> {
	return fc.oneof({ arbitrary: good, weight: 9 }, { arbitrary: json, weight: 1 });
}

const provider = fc.record(
	{
		protocol: mostly(fc.constantFrom("openai", "anthropic")),
		baseUrl: mostly(
			fc.oneof(
				fc.webUrl(),
				fc.constantFrom(
					"https://api.openai.com/v1",
					"http://127.0.0.1:1/{model}",
					"https://h/%zz",
					"https://u:p@h",
					"http://[::1]",
					"http://{model}.h",
					"https://h/a b",
				),
			),
		),
		query: mostly(fc.dictionary(word, word, { maxKeys: 2 })),
		credentialHeader: mostly(fc.constantFrom("authorization", "x-api-key", "api-key")),
		keyEnv: mostly(fc.constantFrom("FUZZED_KEY", "NOT_SET", "__proto__")),
		pricedAs: mostly(word),
		billedStatuses: mostly(fc.array(fc.integer(), { maxLength: 2 })),
		defaultTiers: mostly(fc.array(fc.constantFrom("standard", "flex"), { maxLength: 2 })),
		enforcedCapFields: mostly(fc.array(fc.constantFrom("max_tokens", "x"), { maxLength: 2 })),
	},
	{ requiredKeys: ["protocol", "baseUrl"] },
);
const target = fc.record({ provider: word, model: word, pricedAsModel: word }, { requiredKeys: ["provider"] });
const providersFile = fc
	.record(
		{ providers: fc.dictionary(word, mostly(provider), { maxKeys: 3 }), models: fc.dictionary(word, fc.array(target, { maxLength: 2 }), { maxKeys: 3 }) },
		{ requiredKeys: ["providers"] },
	)
	.map((value) => JSON.stringify(value));

export const providersFiles: FuzzTarget = {
	name: "providers-file",
	async open() {
		const folder = mkdtempSync(path.join(tmpdir(), "tollgate-fuzz-"));
		const file = path.join(folder, "providers.json");
		return {
			cases: fc.record({ text: mutated(providersFile) }),
			check(input) {
				writeFileSync(file, toBytes((input as { text: string }).text));
				checkProvidersFile(file);
			},
			close: async () => rmSync(folder, { recursive: true, force: true }),
		};
	},
};

function checkProvidersFile(file: string): void {
	let table: ReturnType<typeof loadProviderTable>;
	try {
		table = loadProviderTable(file, { FUZZED_KEY: ENVIRONMENT_KEY });
	} catch (error) {
		const message = error instanceof Error && error.constructor === Error ? error.message : `${error}`;
		holds(message.startsWith(`${file} `) || message.startsWith(`${file}:`), "a mistake names the file", message, readFileSync(file, "latin1"));
		holds(!message.includes(ENVIRONMENT_KEY), "a mistake does not repeat a key", message);
		return;
	}
	const book = testPriceBook();
	const catalog = createDeploymentCatalog(table);
	const keys = createProviderKeys(table.providers);
	for (const { alias } of catalog.served(book)) {
		for (const deployment of catalog.find(alias, book)) {
			for (const id of [alias, deployment.model]) holds(/^[\x21-\x7e]{1,256}$/.test(id), "a model id that a header can carry", id);
			for (const at of Object.values(deployment.paths)) holds(/^\/[\x21-\x7e]*$/.test(at), "a path that a request line can carry", at);
			holds(
				keys.headersFor(deployment).every((part) => typeof part === "string"),
				"headers for each deployment",
			);
		}
	}
}

const amount = fc.oneof(fc.nat(10 ** 9).map(String), fc.constantFrom("-1", "1e3", "0.5", "", "9".repeat(30)));
const priceLine = fc
	.tuple(
		fc.constantFrom(...testPriceBook().lines.map(priceLineToJson)),
		fc.dictionary(fc.constantFrom("model", "aliases", "kind", "tiers", "perCall", "maxOutputTokens", "encoding", "x"), mostly(word), { maxKeys: 2 }),
		amount,
	)
	.map(([line, changes, price]) => ({ ...line, perCall: { web_search: price }, ...changes }));
const dated = fc.record(
	{ line: mostly(priceLine), effectiveFrom: mostly(fc.constantFrom("2026-12-01T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00+99:99")) },
	{ requiredKeys: ["line"] },
);
const priceFile = fc.record({ source: mostly(word), lines: mostly(fc.array(dated, { maxLength: 3 })) }).map((value) => JSON.stringify(value));

export const pricesFiles = pureTarget({
	name: "prices-file",
	cases: fc.record({ text: mutated(priceFile) }),
	check({ text }) {
		try {
			const parsed = parsePriceFile(toBytes(text).toString("utf8"), "prices.json");
			const again = parsePriceFile(JSON.stringify({ source: parsed.source, lines: parsed.lines.map(toJson) }), "prices.json");
			holds(again.checksum === parsed.checksum && checksumOf(again.lines) === parsed.checksum, "what is taken can be written and read again", parsed.checksum);
		} catch (error) {
			if (!(error instanceof CostControlError)) throw error;
			holds(error.publicMessage.startsWith("prices.json"), "a mistake names the file", error.publicMessage);
		}
	},
});

function toJson({ line, effectiveFrom }: { line: Parameters<typeof priceLineToJson>[0]; effectiveFrom: string | undefined }) {
	return { line: priceLineToJson(line), ...(effectiveFrom !== undefined && { effectiveFrom }) };
}

const POLICY_FIELDS = [
	"admissionWaitMs",
	"clampFloorTokens",
	"mayLowerCallerCap",
	"unknownFields",
	"onDisconnect",
	"outageAllowanceNanoUsd",
	"maxCallMs",
	"__proto__",
	"toString",
];
const policyValue = fc.oneof(json, fc.constantFrom<JsonValue>(-1, 0, 1, 0.5, 60_001, 10 ** 16, "drain", "cancel", "pass", true));

export const teamPolicies = pureTarget({
	name: "team-policy",
	cases: fc.dictionary(fc.oneof(fc.constantFrom(...POLICY_FIELDS), word), policyValue, { maxKeys: 6 }) as fc.Arbitrary<{ readonly [name: string]: JsonValue }>,
	check(stored) {
		const { policy, problems } = readTeamPolicy(stored);
		for (const [field, value] of Object.entries(policy)) {
			const isRefused = problems.some((problem) => problem.field === field);
			holds(isRefused || !Object.hasOwn(stored, field) || stored[field] === value, "a value is taken as it is, or refused", field, value);
			if (typeof value === "number") holds(Number.isSafeInteger(value) && value >= 0 && value <= 10 ** 15, "a number within its bounds", field, value);
		}
		holds(
			Object.keys(policy).every((field) => field in readTeamPolicy({}).policy),
			"no field of nobody",
			policy,
		);
	},
});

const variable = fc.oneof(
	{ arbitrary: fc.constantFrom(...Object.keys(environmentSchema.shape).filter((name) => !name.endsWith("_FILE"))), weight: 6 },
	{ arbitrary: fc.string({ maxLength: 8 }).map((name) => `TOLLGATE_${name}`), weight: 1 },
);
const setting = fc.oneof(
	fc.constantFrom("0", "1", "65536", "off", "http://h", "http://u:canary@h", "postgres://u:canary@h/d", "postgres://", "info", "-1", "1e3"),
	fc.string({ maxLength: 10 }),
	fc.nat(70_000).map(String),
);

export const environments = pureTarget({
	name: "environment",
	cases: fc.dictionary(variable, setting, { maxKeys: 5 }),
	check(environment) {
		try {
			loadSettings(environment);
		} catch (error) {
			if (!(error instanceof ConfigurationError)) throw error;
			holds(error.mistakes.length > 0 && !error.message.includes("canary"), "every mistake by name, and no credential", error.message);
		}
	},
});
