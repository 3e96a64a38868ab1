import { describe, expect, it } from "vitest";
import { makePriceBook, PriceBookConflict } from "#domain/pricing/make-price-book.ts";
import { LINE } from "#test/support/price-lines.ts";

describe("price book", () => {
	const other = { ...LINE, provider: "anthropic" };
	const book = makePriceBook(7, [LINE, other]);

	it("finds a line by exact id and by alias, per provider", () => {
		expect(book.version).toBe(7);
		expect(book.find("openai", "model-a")).toBe(LINE);
		expect(book.find("openai", "model-a-2026-01-01")).toBe(LINE);
		expect(book.find("anthropic", "model-a")).toBe(other);
	});

	it.each([
		["openai", "model"],
		["openai", "model-a-2"],
		["openai", "MODEL-A"],
		["openai", "constructor"],
		["google", "model-a"],
	])("does not know %s %s", (provider, model) => {
		expect(book.find(provider, model)).toBeUndefined();
	});

	it.each([
		["an alias that is another model", { ...LINE, model: "model-a-2026-01-01", aliases: [] }],
		["an alias of two models", { ...LINE, model: "model-b" }],
		["the same model twice", { ...LINE, aliases: [] }],
	])("refuses %s", (_name, line) => {
		expect(() => makePriceBook(1, [LINE, line])).toThrow(PriceBookConflict);
	});
});
