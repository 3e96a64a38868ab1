import type { QueryResultRow } from "pg";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";

/** A pool or a client: every step is one statement. */
export type Queryable = {
	query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<{ readonly rows: Row[] }>;
};

/** One price line and from when it holds; undefined = always. ISO 8601 with an offset. */
export type DatedPriceLine = { readonly line: PriceLine; readonly effectiveFrom: string | undefined };

/** A file of prices, as the seed and TOLLGATE_PRICES_FILE give them: `{ source, lines: [{ effectiveFrom?, line }] }`. */
export type PriceFile = {
	/** Says where the prices come from, e.g. `openai-2026-11-23`. */
	readonly source: string;
	readonly lines: readonly DatedPriceLine[];
	/** SHA-256 of the content, independent of white space. */
	readonly checksum: string;
};

/**
 * Who wrote a price. A seed never replaces a price that a person gave, by file or by API;
 * among those two the later wins.
 */
export type PriceOrigin = "seed" | "file" | "admin";

export type LoadedPrices =
	| { readonly kind: "unchanged"; readonly version: number }
	/** `lineCount` lines differ from what was in force; 0 is possible and records the checksum only. */
	| { readonly kind: "loaded"; readonly version: number; readonly lineCount: number; readonly revision: string };

/** The book in force now, by PostgreSQL's clock. */
export type CurrentPriceBook = {
	readonly book: PriceBook;
	/** When the next effective date of this version comes, undefined when none is waiting: read the book again then. */
	readonly msUntilNextPrice: number | undefined;
};
