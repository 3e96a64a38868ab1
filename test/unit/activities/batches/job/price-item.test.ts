import { describe, expect, test } from "vitest";
import { bookingOf, type ItemPricing, lostBookingOf } from "#activities/batches/job/price-item.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceLine, TokenPrices } from "#domain/pricing/price-book.ts";
import { LINE, STANDARD } from "#test/support/price-lines.ts";

const half = (prices: TokenPrices): TokenPrices => ({
	...{ input: prices.input / 2n, cachedInput: prices.cachedInput / 2n, cacheWrite5m: prices.cacheWrite5m / 2n },
	...{ cacheWrite1h: prices.cacheWrite1h / 2n, output: prices.output / 2n, reasoning: prices.reasoning / 2n },
});
const line: PriceLine = { ...LINE, tiers: { ...LINE.tiers, batch: [{ aboveInputTokens: 0, prices: half(STANDARD) }] } };
const book = makePriceBook(7, [line]);
const pricing: ItemPricing = { line, book, reach: { tiers: ["batch"] }, deployment: "openai/model-a", endpoint: "chat.completions" };
const of = { n: 3, tryNumber: 2 };
/** 100 input and 50 output tokens at half the list price. */
const COST_NANO_USD = (100n * half(STANDARD).input + 50n * half(STANDARD).output) / 1_000_000n;

const usage = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 };
const answer = (fields: object): ItemResult => ({
	kind: "succeeded",
	httpStatus: 200,
	requestId: "req_1",
	body: JSON.stringify({ id: "chatcmpl-1", object: "chat.completion", model: "model-a", choices: [], usage, ...fields }),
});

describe("an answer", () => {
	test.each([undefined, "default", "batch", "priority"])(
		"of service tier %s is settled at the price of a batch, and what it costs in real time is known",
		(serviceTier) => {
			expect(bookingOf(of, answer({ service_tier: serviceTier }), pricing)).toMatchObject({
				...of,
				...{ outcome: "succeeded", costNanoUsd: COST_NANO_USD, costTokens: 150, serviceTier: "batch", alert: null },
				realTimeNanoUsd: (100n * STANDARD.input + 50n * STANDARD.output) / 1_000_000n,
				...{ answeredModel: "model-a", providerRequestId: "req_1", httpStatus: 200 },
			});
		},
	);

	test("of a model that no price is known for costs what was reserved for, and an operator is told", () => {
		const booking = bookingOf(of, answer({ model: "model-z" }), pricing);
		expect(booking).toMatchObject({ costNanoUsd: COST_NANO_USD, alert: "answered model is not in the price book" });
	});

	test("without usable usage is charged at its bound, unresolved", () => {
		for (const body of [
			"not json",
			JSON.stringify({ model: "model-a", choices: [] }),
			JSON.stringify({ usage: { prompt_tokens: -1, completion_tokens: 1 } }),
		]) {
			const booking = bookingOf(of, { kind: "succeeded", httpStatus: 200, requestId: null, body }, pricing);
			expect(booking).toMatchObject({ outcome: "succeeded", usage: null, unresolvedReason: expect.stringContaining("usage") });
			expect(booking.costNanoUsd).not.toBeNull();
		}
	});

	test("of Anthropic costs what its geography makes of the price of a batch", () => {
		const anthropic = { ...line, provider: "anthropic", protocol: "anthropic" } as const;
		const price = (inferenceGeo: string) => {
			const body = JSON.stringify({ model: "model-a", usage: { input_tokens: 100, output_tokens: 50, service_tier: "batch", inference_geo: inferenceGeo } });
			const made: ItemPricing = { ...pricing, line: anthropic, book: makePriceBook(7, [anthropic]), endpoint: "messages" };
			return bookingOf(of, { kind: "succeeded", httpStatus: 200, requestId: null, body }, made).costNanoUsd;
		};
		expect([price("global"), price("us")]).toEqual([COST_NANO_USD, (COST_NANO_USD * 11n) / 10n]);
	});
});

describe("what was not answered", () => {
	const error = (body: object): ItemResult => ({ kind: "errored", httpStatus: 400, requestId: "req_2", body: JSON.stringify(body) });

	test("an error is not billed", () => {
		expect(bookingOf(of, error({ error: { message: "no", type: "invalid_request_error" } }), pricing)).toMatchObject({
			outcome: "errored",
			costNanoUsd: null,
			usage: null,
			httpStatus: 400,
			providerRequestId: "req_2",
		});
	});

	test("an error that says that tokens were used is settled with them; one that says none is not billed", () => {
		expect(bookingOf(of, error({ error: {}, usage, model: "model-a" }), pricing)).toMatchObject({ outcome: "errored", costNanoUsd: COST_NANO_USD });
		expect(bookingOf(of, error({ error: {}, usage: { prompt_tokens: 0, completion_tokens: 0 } }), pricing).costNanoUsd).toBeNull();
	});

	test.each(["expired", "cancelled"] as const)("what %s is not billed", (kind) => {
		expect(bookingOf(of, { kind }, pricing)).toMatchObject({ ...of, outcome: kind, costNanoUsd: null, httpStatus: null });
	});

	test("what is lost is charged at its bound, unresolved", () => {
		expect(lostBookingOf(of, "results are gone")).toMatchObject({ ...of, outcome: "errored", isLost: true, unresolvedReason: "results are gone" });
		expect(lostBookingOf(of, "results are gone").costNanoUsd).not.toBeNull();
	});
});
