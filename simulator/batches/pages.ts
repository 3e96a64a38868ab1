import { ProviderError } from "../provider-error.ts";

/** Pages of lists, newest first, in the ways of both providers. */

export type Listed<Entry> = { readonly entries: readonly Entry[]; readonly hasMore: boolean };

type PageRules = { readonly limitDefault: number; readonly limitMax: number };

/** `limit`, and `after` or `after_id` (what is older) or `before_id` (what is newer). Throws the provider's 400. */
export function pageOf<Entry extends { readonly id: string }>(newestFirst: readonly Entry[], query: URLSearchParams, rules: PageRules): Listed<Entry> {
	const limit = readLimit(query, rules);
	const before = query.get("before_id");
	if (before !== null) {
		const end = placeOf(newestFirst, before, "before_id");
		const start = Math.max(0, end - limit);
		return { entries: newestFirst.slice(start, end), hasMore: start > 0 };
	}
	const after = query.get("after") ?? query.get("after_id");
	const start = after === null ? 0 : placeOf(newestFirst, after, query.has("after") ? "after" : "after_id") + 1;
	return { entries: newestFirst.slice(start, start + limit), hasMore: start + limit < newestFirst.length };
}

function readLimit(query: URLSearchParams, { limitDefault, limitMax }: PageRules): number {
	const text = query.get("limit");
	if (text === null) return limitDefault;
	const limit = Number(text);
	if (!Number.isInteger(limit) || limit < 1 || limit > limitMax)
		throw new ProviderError(400, `limit: expected an integer from 1 to ${limitMax}`, { param: "limit" });
	return limit;
}

function placeOf<Entry extends { readonly id: string }>(entries: readonly Entry[], id: string, param: string): number {
	const place = entries.findIndex((entry) => entry.id === id);
	if (place < 0) throw new ProviderError(400, `${param}: nothing has the id ${id}`, { param });
	return place;
}
