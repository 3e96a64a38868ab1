import type { Protocol } from "../pricing/price-book.ts";
import type { RequestProblem } from "./request.ts";
import { unbounded } from "./request-facts.ts";
import { isOpaque } from "./scan-json.ts";
import { isObject, type Walk } from "./walk.ts";

/**
 * Where a body may say how long a cached prefix is kept, and the lives that have a price. OpenAI's
 * 12-hour writes have none published (PromptCacheOptions and PromptCacheBreakpoint, openai 7.57.0);
 * Anthropic prices 5 minutes and 1 hour (CacheControlEphemeral, @anthropic-ai/sdk 1.12.0).
 */
const PRICED: Readonly<Record<Protocol, { readonly keys: readonly string[]; readonly lives: readonly string[] }>> = {
	openai: { keys: ["prompt_cache_options", "prompt_cache_breakpoint"], lives: ["5m", "30m"] },
	anthropic: { keys: ["cache_control"], lives: ["5m", "1h"] },
};

/** Refuses the first cache life without a price, wherever it stands. Worth the walk only where the scan saw a long one. */
export function inspectCacheLife(walk: Walk): RequestProblem | undefined {
	if (walk.table.endpoint === "count_tokens") return undefined;
	const field = findUnpricedLife(walk.body, "", PRICED[walk.table.protocol]);
	return field === undefined ? undefined : unbounded(field, "the price book has no price for cache writes that are kept so long");
}

function findUnpricedLife(value: unknown, path: string, priced: (typeof PRICED)[Protocol]): string | undefined {
	if (Array.isArray(value)) return firstFound(value.entries(), (index, item) => findUnpricedLife(item, `${path}[${index}]`, priced));
	if (!isObject(value)) return undefined;
	return firstFound(Object.entries(value), (key, nested) => {
		const nestedPath = path === "" ? key : `${path}.${key}`;
		if (isOpaque(key, path === "" ? 1 : 2)) return undefined;
		if (priced.keys.includes(key) && isObject(nested) && !isPriced(nested["ttl"], priced.lives)) return `${nestedPath}.ttl`;
		return findUnpricedLife(nested, nestedPath, priced);
	});
}

function isPriced(life: unknown, lives: readonly string[]): boolean {
	return life === undefined || life === null || (typeof life === "string" && lives.includes(life));
}

function firstFound<Key>(entries: Iterable<[Key, unknown]>, find: (key: Key, value: unknown) => string | undefined): string | undefined {
	for (const [key, value] of entries) {
		const found = find(key, value);
		if (found !== undefined) return found;
	}
	return undefined;
}
