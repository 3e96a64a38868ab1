import type { Page } from "#activities/batches/port.ts";

/** Rows asked for at a time; a caller may ask for ten thousand, and some of them are not his to see. */
const ROWS_AT_A_TIME = 100;

export type Listing<Row> = {
	/** Newest first, from behind `after` on. */
	readonly fetch: (page: Page) => Promise<readonly Row[]>;
	readonly idOf: (row: Row) => string;
	/** Rows that are no part of the list are passed over. */
	readonly isListed: (row: Row) => boolean;
};

export type ListedPage<Row> = { readonly rows: readonly Row[]; readonly hasMore: boolean };

/** The next `limit` rows behind `after`; null = from the newest on. */
export async function pageAfter<Row>(listing: Listing<Row>, { after, limit }: Page): Promise<ListedPage<Row>> {
	const rows: Row[] = [];
	for await (const row of rowsOf(listing, after)) {
		rows.push(row);
		if (rows.length > limit) break;
	}
	return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

/** The `limit` rows before `before`, which are the newer ones next to it, in the same order. Walks from the newest: lists have no other way. */
export async function pageBefore<Row>(listing: Listing<Row>, { before, limit }: { readonly before: string; readonly limit: number }): Promise<ListedPage<Row>> {
	let rows: Row[] = [];
	for await (const row of rowsOf(listing, null)) {
		if (listing.idOf(row) === before) break;
		rows.push(row);
		if (rows.length > 2 * limit + 1) rows = rows.slice(-(limit + 1));
	}
	return { rows: rows.slice(-limit), hasMore: rows.length > limit };
}

async function* rowsOf<Row>({ fetch, idOf, isListed }: Listing<Row>, from: string | null): AsyncGenerator<Row> {
	let after = from;
	for (;;) {
		const rows = await fetch({ after, limit: ROWS_AT_A_TIME });
		for (const row of rows) if (isListed(row)) yield row;
		const last = rows.at(-1);
		if (last === undefined || rows.length < ROWS_AT_A_TIME) return;
		after = idOf(last);
	}
}
