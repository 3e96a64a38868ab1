import { isObject, type JsonObject } from "../json.ts";
import { SettingsError } from "../settings.ts";

/** What the providers allow (batch guides of both, 2026-11); null sets no limit. */

export type OpenAiBatchLimits = {
	readonly itemsMax: number | null;
	readonly bytesMax: number | null;
	readonly batchesPerHour: number | null;
	/** Of all items together. */
	readonly embeddingInputsMax: number | null;
	/** Prompt tokens of all batches of a model that have not ended, by model; `*` for every other one. */
	readonly enqueuedTokensMax: Readonly<Record<string, number>>;
};

export type AnthropicBatchLimits = {
	readonly itemsMax: number | null;
	readonly bytesMax: number | null;
	readonly batchesPerHour: number | null;
	/** Items of all batches that have not ended. */
	readonly queuedItemsMax: number | null;
};

export type BatchLimits = { readonly openai: OpenAiBatchLimits; readonly anthropic: AnthropicBatchLimits };

/** Neither guide says which one is meant: the stricter. */
const MEGABYTE = 1_000_000;

export const DEFAULT_LIMITS: BatchLimits = {
	openai: { itemsMax: 50_000, bytesMax: 200 * MEGABYTE, batchesPerHour: 2_000, embeddingInputsMax: 50_000, enqueuedTokensMax: {} },
	anthropic: { itemsMax: 100_000, bytesMax: 256 * MEGABYTE, batchesPerHour: null, queuedItemsMax: null },
};

/** The limits with what is given instead. Throws SettingsError naming every field that is wrong; nothing is applied then. */
export function withLimits(limits: BatchLimits, given: JsonObject): BatchLimits {
	const mistakes: string[] = [];
	for (const [provider, change] of Object.entries(given)) {
		if (provider !== "openai" && provider !== "anthropic") mistakes.push(`unknown provider ${provider}`);
		else if (!isObject(change)) mistakes.push(`${provider} must be an object`);
		else mistakes.push(...mistakesIn(provider, change));
	}
	if (mistakes.length > 0) throw new SettingsError(`limits: ${mistakes.join("; ")}`);
	return {
		openai: { ...limits.openai, ...(given["openai"] as Partial<OpenAiBatchLimits> | undefined) },
		anthropic: { ...limits.anthropic, ...(given["anthropic"] as Partial<AnthropicBatchLimits> | undefined) },
	};
}

function mistakesIn(provider: keyof BatchLimits, change: JsonObject): string[] {
	return Object.entries(change).flatMap(([field, value]) => {
		if (!Object.hasOwn(DEFAULT_LIMITS[provider], field)) return [`unknown field ${provider}.${field}`];
		if (field === "enqueuedTokensMax") {
			const areCounts = isObject(value) && Object.values(value).every(isCount);
			return areCounts ? [] : [`${provider}.${field} must be tokens by model`];
		}
		return value === null || isCount(value) ? [] : [`${provider}.${field} must be an integer of at least 0, or null`];
	});
}

function isCount(value: unknown): boolean {
	return Number.isSafeInteger(value) && (value as number) >= 0;
}
