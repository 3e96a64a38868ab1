import { describe, expect, it } from "vitest";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { anthropicBatchLine, openAiBatchLine } from "#test/support/batch-deployments.ts";
import { bound, bytes, type Case, chat, message, openai, prices, problem, USD } from "#test/support/bound-cases.ts";

const BATCH: Pick<Case, "options"> = { options: { onlyTiers: ["batch"] } };

describe("a request that is billed at given tiers alone", () => {
	it("is held at their prices, whatever tier the account's default is", () => {
		const body = chat({ max_tokens: 1_000 });
		const given: Case = { body, line: openAiBatchLine(), options: { ...BATCH.options, defaultTiers: ["standard", "priority"] } };
		expect(bound(given).reach.tiers).toEqual(["batch"]);
		expect(bound(given).nanoUsd).toBe(BigInt(bytes(body) + 12) * 1_250n + 1_000n * 5_000n);
		expect(bound({ body, line: openAiBatchLine() }).nanoUsd).toBeGreaterThan(bound(given).nanoUsd);
	});

	it("is held at the dearest context tier of theirs that it can fall in, and at the account's geography", () => {
		const batch: PriceLine["tiers"]["standard"] = [
			{ aboveInputTokens: 0, prices: prices(USD, 5n * USD) },
			{ aboveInputTokens: 10, prices: prices(3n * USD, 7n * USD) },
		];
		const line = openai({ tiers: { ...openai().tiers, batch } });
		const body = chat({ max_tokens: 1_000 });
		expect(bound({ body, line, ...BATCH }).nanoUsd).toBe(BigInt(bytes(body) + 12) * 3_750n + 1_000n * 7_000n);
		const there = bound({ body, line, options: { ...BATCH.options, tokenPermille: 1_100 } });
		expect(there.nanoUsd).toBe(BigInt(bytes(body) + 12) * 4_125n + 1_000n * 7_700n);
	});

	it("may leave the tier to the account, and names no other", () => {
		for (const tier of ["auto", null])
			expect(bound({ body: chat({ service_tier: tier, max_tokens: 1 }), line: openAiBatchLine(), ...BATCH }).reach.tiers).toEqual(["batch"]);
		for (const tier of ["default", "flex", "priority"])
			expect(problem({ body: chat({ service_tier: tier }), line: openAiBatchLine(), ...BATCH })).toEqual({
				code: "pricing.unknown_tier",
				message: "service_tier: this is billed at batch prices alone; leave it out",
				field: "service_tier",
			});
		expect(problem({ endpoint: "messages", body: message({ speed: "fast" }), line: anthropicBatchLine(), ...BATCH }).field).toBe("speed");
	});

	it("is refused where the line has no price for one of them, embeddings too", () => {
		const expected = { code: "pricing.unknown_tier", message: "model: the price book has no batch price for gpt-4o", field: "model" };
		expect(problem({ body: chat(), ...BATCH })).toEqual(expected);
		expect(problem({ endpoint: "embeddings", body: { model: "e", input: "x" }, ...BATCH })).toEqual(expected);
	});

	it("is held at the dearest price of the line where policy lets an unknown field pass", () => {
		const given: Case = { body: chat({ turbo: 1, max_tokens: 10 }), line: openAiBatchLine(), ...BATCH, inspect: { unknownFields: "pass" } };
		expect(bound(given).reach.tiers).toEqual(["standard", "batch"]);
	});
});
