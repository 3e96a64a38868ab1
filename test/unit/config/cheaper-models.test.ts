import path from "node:path";
import { expect, test } from "vitest";
import { readSeedFiles } from "#activities/pricebooks/price-file.ts";
import { readCheaperModels } from "#config/cheaper-models.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import { selectPrices } from "#domain/pricing/select-prices.ts";

const book = makePriceBook(
	1,
	readSeedFiles(path.join(import.meta.dirname, "../../../config/prices")).flatMap((file) => file.lines.map(({ line }) => line)),
);
const pairs = Object.entries(readCheaperModels()).flatMap(([provider, models]) =>
	Object.entries(models).map(([model, cheaper]) => [provider, model, cheaper] as const),
);

test("every model of the table and its cheaper one are priced, and the cheaper one is cheaper in every class of tokens", () => {
	expect(pairs.length).toBeGreaterThan(40);
	for (const [provider, model, cheaper] of pairs) {
		const [dear, cheap] = [book.find(provider, model), book.find(provider, cheaper)];
		expect([dear?.model, cheap?.model], model).toEqual([model, cheaper]);
		if (dear === undefined || cheap === undefined) continue;
		expect([cheap.kind, cheap.protocol], model).toEqual(["chat", dear.protocol]);
		const [dearPrices, cheapPrices] = [selectPrices(dear, "standard", 0), selectPrices(cheap, "standard", 0)];
		for (const [name, price] of Object.entries(cheapPrices)) expect(price, `${model} ${name}`).toBeLessThan(dearPrices[name as keyof typeof dearPrices]);
	}
});
