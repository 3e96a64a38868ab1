import { once } from "node:events";
import path from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PriceFile } from "#activities/pricebooks/port.ts";
import { loadPriceFile, readCurrentPriceBook, readPriceBookAt, setPrice } from "#activities/pricebooks/postgres.ts";
import { parsePriceFile, readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { priceLineToJson } from "#domain/pricing/line-codec.ts";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";
import { LINE } from "#test/support/price-lines.ts";

let database: TestDatabase;
let pool: pg.Pool;
let disconnections: Promise<unknown>[];

beforeEach(async () => {
	database = await createTestDatabase();
	pool = new pg.Pool({ connectionString: database.url, max: 6 });
	disconnections = [];
	pool.on("connect", (client) => disconnections.push(once(client, "end")));
});
afterEach(async () => {
	await pool.end();
	await Promise.all(disconnections);
	await database.close();
});

/** LINE with another model, input price and aliases. */
function line(model: string, inputNanoUsd: bigint, aliases: readonly string[] = []): PriceLine {
	const prices = { ...LINE.tiers.standard[0]?.prices, input: inputNanoUsd } as PriceLine["tiers"]["standard"][number]["prices"];
	return { ...LINE, model, aliases, tiers: { standard: [{ aboveInputTokens: 0, prices }] } };
}

function file(source: string, lines: readonly PriceLine[], effectiveFrom?: string): PriceFile {
	return parsePriceFile(
		JSON.stringify({ source, lines: lines.map((each) => ({ line: priceLineToJson(each), ...(effectiveFrom ? { effectiveFrom } : {}) })) }),
		source,
	);
}

const seed = (lines: readonly PriceLine[], effectiveFrom?: string): Promise<unknown> =>
	loadPriceFile(pool, file("seed-a", lines, effectiveFrom), "seed", "installation");
const inputOf = (book: PriceBook, model: string): bigint | undefined => book.find("openai", model)?.tiers.standard[0]?.prices.input;
const current = async (): Promise<PriceBook> => (await readCurrentPriceBook(pool)).book;

describe("price book in PostgreSQL", () => {
	it("is empty before anything is loaded", async () => {
		expect((await current()).lines).toEqual([]);
	});

	it("loads the seed once, whoever and how often, and reads it back whole", async () => {
		const files = readSeedFiles(path.join(import.meta.dirname, "../../../../config/prices"));
		const load = async (): Promise<void> => {
			for (const each of files) await loadPriceFile(pool, each, "seed", "installation");
		};
		await Promise.all([load(), load(), load()]);
		const book = await current();
		expect(book.version).toBe(files.length);
		const byId = (lines: readonly PriceLine[]): Map<string, PriceLine> => new Map(lines.map((each) => [`${each.provider}/${each.model}`, each]));
		expect(byId(book.lines)).toEqual(byId(files.flatMap((each) => each.lines.map((dated) => dated.line))));
		expect((await pool.query("SELECT 1 FROM tollgate.change WHERE kind = 'price'")).rowCount).toBe(files.length);
	});

	it("writes only the lines of a new seed that differ", async () => {
		await seed([line("a", 1n), line("b", 2n)]);
		expect(await seed([line("a", 1n), line("b", 3n)])).toMatchObject({ kind: "loaded", version: 2, lineCount: 1 });
		expect((await pool.query("SELECT model FROM tollgate.price_line WHERE version = 2")).rows).toEqual([{ model: "b" }]);
		expect(inputOf(await current(), "a")).toBe(1n);
		expect(inputOf(await current(), "b")).toBe(3n);
	});

	it("keeps every earlier version readable, for what was reserved with it", async () => {
		await seed([line("a", 1n)]);
		await setPrice(pool, { line: priceLineToJson(line("a", 9n)) }, "alice");
		expect(inputOf(await readPriceBookAt(pool, 1), "a")).toBe(1n);
		expect(inputOf(await readPriceBookAt(pool, 2), "a")).toBe(9n);
		await expect(readPriceBookAt(pool, 3)).rejects.toMatchObject({ code: "admin.not_found" });
	});

	it("records who set a price, in the change log that gateways follow", async () => {
		const { version, revision } = await setPrice(pool, { line: priceLineToJson(line("a", 9n)) }, "alice");
		const { rows } = await pool.query("SELECT kind, subject, admin_name, detail FROM tollgate.change WHERE revision = $1", [revision]);
		expect(rows).toEqual([{ kind: "price", subject: "openai/a", admin_name: "alice", detail: { version, source: "admin/alice", lines: 1 } }]);
		expect((await pool.query("SELECT created_by, source FROM tollgate.price_line")).rows).toEqual([{ created_by: "alice", source: "admin/alice" }]);
	});

	it("never lets a seed replace a price that a person gave", async () => {
		await seed([line("a", 1n), line("b", 1n)]);
		await setPrice(pool, { line: priceLineToJson(line("a", 9n)) }, "alice");
		await loadPriceFile(pool, file("ours", [line("b", 8n)]), "file", "configuration");
		await seed([line("a", 2n), line("b", 2n), line("c", 2n)]);
		const book = await current();
		expect([inputOf(book, "a"), inputOf(book, "b"), inputOf(book, "c")]).toEqual([9n, 8n, 2n]);
	});

	it("takes an id that a person priced out of the aliases of a later seed", async () => {
		await setPrice(pool, { line: priceLineToJson(line("a-dated", 9n)) }, "alice");
		await seed([line("a", 1n, ["a-dated", "a-other"])]);
		const book = await current();
		expect([inputOf(book, "a-dated"), inputOf(book, "a"), inputOf(book, "a-other")]).toEqual([9n, 1n, 1n]);
	});

	it("refuses an id that belongs to another model, and changes nothing", async () => {
		await seed([line("a", 1n, ["a-dated"])]);
		await expect(setPrice(pool, { line: priceLineToJson(line("a-dated", 9n)) }, "alice")).rejects.toMatchObject({ code: "admin.conflict" });
		expect((await current()).version).toBe(1);
	});

	it("refuses a wrong line naming the field", async () => {
		const wrong = { ...priceLineToJson(line("a", 1n)), isReasoning: "no" };
		await expect(setPrice(pool, { line: wrong }, "alice")).rejects.toThrow(/line.isReasoning/);
		await expect(setPrice(pool, { line: priceLineToJson(line("a", 1n)), effectiveFrom: "tomorrow" }, "alice")).rejects.toBeInstanceOf(CostControlError);
	});

	it("lets a dated price wait for its date by the server's clock", async () => {
		await seed([line("a", 1n)]);
		await setPrice(pool, { line: priceLineToJson(line("a", 5n)), effectiveFrom: "2999-01-01T00:00:00Z" }, "alice");
		const { book, msUntilNextPrice } = await readCurrentPriceBook(pool);
		expect([book.version, inputOf(book, "a")]).toEqual([2, 1n]);
		expect(msUntilNextPrice).toBeGreaterThan(0);
		expect(inputOf(await readPriceBookAt(pool, 2, "2999-01-01T00:00:00Z"), "a")).toBe(5n);
		expect(inputOf(await readPriceBookAt(pool, 1, "2999-01-01T00:00:00Z"), "a")).toBe(1n);
		await setPrice(pool, { line: priceLineToJson(line("a", 4n)), effectiveFrom: "2020-01-01T00:00:00Z" }, "alice");
		expect(inputOf(await current(), "a")).toBe(4n);
	});

	it("gives each of many simultaneous changes a version of its own", async () => {
		const versions = await Promise.all(
			["a", "b", "c", "d", "e", "f"].map(async (model) => (await setPrice(pool, { line: priceLineToJson(line(model, 1n)) }, "alice")).version),
		);
		expect(versions.sort((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6]);
		expect((await current()).lines).toHaveLength(6);
	});
});
