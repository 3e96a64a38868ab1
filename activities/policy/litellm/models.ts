import type { ModelDeployment } from "#domain/policy/policy.ts";
import { MODEL_ID_PATTERN } from "#domain/policy/written-form.ts";
import type { Cursor } from "../cursor.ts";
import { noteRest, noteUncarried } from "./notes.ts";
import { fieldsOf, readEnvironmentName } from "./values.ts";

/** `model_list` and `router_settings.model_group_alias` as aliases with their deployments. */

export type Models = Map<string, ModelDeployment[]>;

const MAX_MODELS = 10_000;

/** Prefixes of providers that speak OpenAI's protocol, with the base URL to give them where it is public. */
const OPENAI_LIKE: ReadonlySet<string> = new Set([
	"openai",
	"text-completion-openai",
	"custom_openai",
	"azure",
	"azure_ai",
	"groq",
	"mistral",
	"deepseek",
	"xai",
	"together_ai",
	"fireworks_ai",
	"openrouter",
	"perplexity",
	"cerebras",
	"deepinfra",
	"nvidia_nim",
	"gemini",
	"hosted_vllm",
	"vllm",
	"ollama",
	"ollama_chat",
	"lm_studio",
	"llamafile",
	"litellm_proxy",
]);
const ANTHROPIC_LIKE: ReadonlySet<string> = new Set(["anthropic"]);
/** Modes whose endpoints are served here. */
const SERVED_MODES: ReadonlySet<string> = new Set(["chat", "completion", "embedding", "responses"]);

/** One account at one address: deployments that differ in either are of different providers. */
type Accounts = { readonly names: Map<string, string>; readonly counts: Map<string, number> };

export function readModelList(list: Cursor): Models {
	const models: Models = new Map();
	const accounts: Accounts = { names: new Map(), counts: new Map() };
	for (const item of list.items(MAX_MODELS) ?? []) {
		const fields = fieldsOf(item);
		noteRest(fields, ["model_name", "litellm_params", "model_info"]);
		const alias = fields.get("model_name")?.written();
		const deployment = readDeployment(item, fields, accounts);
		if (alias === undefined || deployment === undefined) continue;
		if (!isName(alias)) item.fail("has a model_name that is no name of a model here (printable ASCII without blanks or wildcards); it is not carried over");
		else addDeployment(models, alias, { item, deployment });
	}
	return models;
}

/** `{ alias: model }` or `{ alias: { model, hidden } }`: another name for what is served already. */
export function readGroupAliases(cursor: Cursor, models: Models): void {
	for (const [alias, value] of cursor.entries() ?? []) {
		const target = value.written() ?? fieldsOf(value).get("model")?.written() ?? "";
		const deployments = models.get(target);
		if (deployments === undefined || !isName(alias)) value.fail("names a model that model_list does not have; it is not carried over");
		else models.set(alias, deployments);
	}
}

function addDeployment(models: Models, alias: string, { item, deployment }: { item: Cursor; deployment: ModelDeployment }): void {
	const known = models.get(alias) ?? [];
	const isKnown = known.some(({ provider, model }) => provider === deployment.provider && model === deployment.model);
	if (isKnown) item.fail("is the same deployment as one before it: same provider, same account, same model");
	else models.set(alias, [...known, deployment]);
}

function readDeployment(item: Cursor, fields: ReadonlyMap<string, Cursor>, accounts: Accounts): ModelDeployment | undefined {
	const parametersField = fields.get("litellm_params");
	if (parametersField === undefined) return item.fail("has no litellm_params; it is not carried over");
	const parameters = fieldsOf(parametersField);
	const info = fields.get("model_info");
	const infoFields = info === undefined ? new Map<string, Cursor>() : fieldsOf(info);
	noteRest(parameters, ["model", "api_base", "api_version", "api_key"]);
	noteRest(infoFields, ["base_model", "mode"]);
	const mode = infoFields.get("mode")?.written();
	if (mode !== undefined && !SERVED_MODES.has(mode))
		return infoFields.get("mode")?.fail("is a kind of call that is not served here; the deployment is not carried over");
	const modelField = parameters.get("model");
	const { prefix, model } = splitModel(modelField?.written() ?? "");
	if (modelField === undefined || !isName(model))
		return (modelField ?? item).fail(
			"names no single model (a wildcard, or nothing); it is not carried over: without models every priced model is served under its own name",
		);
	if (prefix === undefined) return modelField.fail("names no provider (like openai/…), and the model's name tells none; it is not carried over");
	if (!OPENAI_LIKE.has(prefix) && !ANTHROPIC_LIKE.has(prefix))
		return modelField.fail(`is served by ${prefix}, which speaks neither OpenAI's nor Anthropic's protocol; it is not carried over`);
	const { model: pricedAsModel } = splitModel(infoFields.get("base_model")?.written() ?? "");
	return { provider: providerOf(prefix, { item, parameters }, accounts), model, pricedAsModel: isName(pricedAsModel) ? pricedAsModel : model };
}

/** "azure/eu/gpt-4o" is of azure; a name without a prefix is of whom everybody knows. */
function splitModel(text: string): { readonly prefix: string | undefined; readonly model: string } {
	const slash = text.indexOf("/");
	const prefix = text.slice(0, Math.max(0, slash));
	if (/^[a-z0-9_-]{1,40}$/.test(prefix)) return { prefix, model: text.slice(slash + 1) };
	const guess = /^(gpt-|chatgpt-|o[0-9]|text-embedding-)/.test(text) ? "openai" : /^claude-/.test(text) ? "anthropic" : undefined;
	return { prefix: guess, model: text };
}

/** The first account keeps the prefix as its name, the next ones are numbered. What a provider needs is said once for each. */
function providerOf(prefix: string, { item, parameters }: { item: Cursor; parameters: ReadonlyMap<string, Cursor> }, { names, counts }: Accounts): string {
	const [base, version, key] = [parameters.get("api_base"), parameters.get("api_version"), parameters.get("api_key")];
	const account = JSON.stringify([prefix, base?.written(), version?.written(), key?.written()]);
	const known = names.get(account);
	if (known !== undefined) return known;
	const number = (counts.get(prefix) ?? 0) + 1;
	counts.set(prefix, number);
	const name = number === 1 ? prefix : `${prefix}-${number}`;
	names.set(account, name);
	const variable = readEnvironmentName(key);
	const isOfficial = number === 1 && base === undefined && (prefix === "openai" || prefix === "anthropic");
	const isKnownKey = variable === undefined || variable === `${prefix.toUpperCase()}_API_KEY`;
	if (base !== undefined) noteUncarried("api_base", base);
	if (version !== undefined) noteUncarried("api_version", version);
	if (key !== undefined && variable === undefined)
		key.fail("is a secret: put it into an environment variable or a file, and its name into TOLLGATE_PROVIDERS_FILE");
	if (!isOfficial || !isKnownKey)
		item.fail(
			`needs provider ${name} in TOLLGATE_PROVIDERS_FILE: protocol ${ANTHROPIC_LIKE.has(prefix) ? "anthropic" : "openai"}${variable === undefined ? "" : `, keyEnv ${variable}`} (docs/providers.md)`,
		);
	return name;
}

function isName(text: string): boolean {
	return MODEL_ID_PATTERN.test(text) && !text.includes("*");
}
