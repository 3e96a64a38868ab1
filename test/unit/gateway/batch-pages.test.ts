import { expect, test } from "vitest";
import { type ListedPage, type Listing, pageAfter, pageBefore } from "#gateway/batches/pages.ts";

/** Rows "1" … "n", newest first; of them only those that are listed count. */
function listing(count: number, isListed: (row: string) => boolean = () => true): Listing<string> & { asked: number } {
	const rows = Array.from({ length: count }, (_none, index) => String(count - index));
	const made = {
		asked: 0,
		async fetch({ after, limit }: { readonly after: string | null; readonly limit: number }) {
			made.asked += 1;
			const from = after === null ? 0 : rows.indexOf(after) + 1;
			return rows.slice(from, from + limit);
		},
		idOf: (row: string) => row,
		isListed,
	};
	return made;
}

test.each([
	[0, 20, [], false],
	[3, 20, ["3", "2", "1"], false],
	[3, 3, ["3", "2", "1"], false],
	[4, 3, ["4", "3", "2"], true],
])("of %i rows, %i at a time", async (count, limit, rows, hasMore) => {
	expect(await pageAfter(listing(count), { after: null, limit })).toEqual({ rows, hasMore });
});

test("pages follow each other without a gap or a double, over any number of statements", async () => {
	const all: string[] = [];
	const rows = listing(1_234);
	for (let after: string | null = null; ; ) {
		const page: ListedPage<string> = await pageAfter(rows, { after, limit: 167 });
		all.push(...page.rows);
		if (!page.hasMore) break;
		after = page.rows.at(-1) ?? null;
	}
	expect(all).toEqual(Array.from({ length: 1_234 }, (_none, index) => String(1_234 - index)));
});

test("rows that are not listed are passed over, also where they fill whole statements", async () => {
	const rare = listing(1_000, (row) => Number(row) % 250 === 0);
	expect(await pageAfter(rare, { after: null, limit: 3 })).toEqual({ rows: ["1000", "750", "500"], hasMore: true });
	expect(await pageAfter(rare, { after: "500", limit: 3 })).toEqual({ rows: ["250"], hasMore: false });
});

test("backwards: the rows next to the cursor on its newer side, in the same order", async () => {
	expect(await pageBefore(listing(10), { before: "4", limit: 3 })).toEqual({ rows: ["7", "6", "5"], hasMore: true });
	expect(await pageBefore(listing(10), { before: "7", limit: 3 })).toEqual({ rows: ["10", "9", "8"], hasMore: false });
	expect(await pageBefore(listing(10), { before: "10", limit: 3 })).toEqual({ rows: [], hasMore: false });
	expect(await pageBefore(listing(5_000), { before: "1", limit: 2 })).toEqual({ rows: ["3", "2"], hasMore: true });
});

test("no more is asked for than a page needs", async () => {
	const rows = listing(5_000);
	await pageAfter(rows, { after: null, limit: 20 });
	expect(rows.asked).toBe(1);
});
