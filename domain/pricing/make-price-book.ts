import type { PriceBook, PriceLine } from "./price-book.ts";

/** Two lines claim the same id of one provider: pricing would depend on their order, so the book is refused. */
export class PriceBookConflict extends Error {
	override readonly name = "PriceBookConflict";
	readonly provider: string;
	/** The id claimed twice, and the two models claiming it. */
	readonly id: string;
	readonly models: readonly [string, string];

	constructor(provider: string, id: string, models: readonly [string, string]) {
		super(`price book: ${provider} id ${JSON.stringify(id)} is claimed by both ${models[0]} and ${models[1]}`);
		this.provider = provider;
		this.id = id;
		this.models = models;
	}
}

/**
 * A book over the given lines with exact lookup: model ids and aliases only, never prefixes
 * (a prefix once priced a new model at the rates of its predecessor). `asOfMs` is PostgreSQL's clock; 0 for a book without dates.
 * @throws PriceBookConflict when two lines of a provider share a model id or alias.
 */
export function makePriceBook(version: number, lines: readonly PriceLine[], asOfMs = 0): PriceBook {
	const byProvider = new Map<string, Map<string, PriceLine>>();
	for (const line of lines) {
		const byId = byProvider.get(line.provider) ?? new Map<string, PriceLine>();
		byProvider.set(line.provider, byId);
		for (const id of new Set([line.model, ...line.aliases])) {
			const other = byId.get(id);
			if (other) throw new PriceBookConflict(line.provider, id, [other.model, line.model]);
			byId.set(id, line);
		}
	}
	return { version, asOfMs, lines, find: (provider, model) => byProvider.get(provider)?.get(model) };
}
