import { cleanText } from "#activities/ledger/clean-text.ts";
import { readAnswer } from "#activities/providers/reported-usage.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { Lane } from "#domain/batching/deferred.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { MAX_ATTEMPT_NANO_USD } from "#domain/money/nano-usd.ts";
import { priceAnswer, type ReservedPrice } from "#domain/pricing/price-answer.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";
import { GEOGRAPHY_MARK } from "#domain/pricing/price-tier.ts";
import type { ReportedUsage } from "#domain/usage/usage.ts";
import type { ItemBooking } from "../port.ts";

/** What the items of one batch are priced by: the book frozen when it was made, and the line they were bounded at. */
export type ItemPricing = ReservedPrice & {
	readonly book: PriceBook;
	readonly endpoint: BatchEndpoint;
	/** That the try went. Absent: with the batch of a caller. */
	readonly lane?: Lane;
};

type Try = Pick<ItemBooking, "n" | "tryNumber">;
type Answered = Extract<ItemResult, { kind: "succeeded" | "errored" }>;
type Usable = Extract<ReportedUsage, { kind: "usable" }>;

const NOT_BILLED = { costNanoUsd: null, costTokens: 0, usage: null, answeredModel: null, serviceTier: null } as const;
const UNANSWERED = { providerRequestId: null, httpStatus: null } as const;

/**
 * What a result of the provider books (docs/batch-money.md). An answer with usable usage is settled at the price tier `batch`, whatever tier it
 * names, and in real time at that it names, as a call is; without, it is charged at its bound. An error, and what expired or was cancelled, is not billed, unless the error says that tokens were used.
 */
export function bookingOf(of: Try, result: ItemResult, pricing: ItemPricing): ItemBooking {
	const { n, tryNumber } = of;
	if (result.kind === "expired" || result.kind === "cancelled") return { n, tryNumber, outcome: result.kind, ...NOT_BILLED, ...UNANSWERED };
	const answered = { n, tryNumber, outcome: result.kind, ...detailOf(result) };
	const { reported } = readAnswer(pricing.endpoint, Buffer.from(result.body));
	if (reported.kind === "usable" && (result.kind === "succeeded" || hasTokens(reported))) return { ...answered, ...priced(reported, pricing) };
	if (result.kind === "errored") return { ...answered, ...NOT_BILLED };
	return { ...answered, ...unresolved(`usage ${reported.kind === "unusable" ? reported.reason : "is missing"}`) };
}

/** An item whose part ran, and of which nothing more will be heard: the provider lost it, or its results are gone. */
export function lostBookingOf({ n, tryNumber }: Try, reason: string): ItemBooking {
	return { n, tryNumber, outcome: "errored", isLost: true, ...unresolved(reason), ...UNANSWERED };
}

function detailOf({ requestId, httpStatus }: Answered): Pick<ItemBooking, "providerRequestId" | "httpStatus"> {
	return { providerRequestId: requestId === null ? null : cleanText(requestId, 200), httpStatus };
}

function hasTokens({ usage }: Usable): boolean {
	return usage.inputTokens + usage.outputTokens > 0;
}

type Cost = Pick<
	ItemBooking,
	"costNanoUsd" | "costTokens" | "usage" | "answeredModel" | "serviceTier" | "unresolvedReason" | "alert" | "lane" | "realTimeNanoUsd"
>;

/** Charged at its bound, which the store knows. */
function unresolved(reason: string): Cost {
	return { ...NOT_BILLED, costNanoUsd: 0n, unresolvedReason: reason };
}

function priced(reported: Usable, pricing: ItemPricing): Cost {
	const { lane } = pricing;
	const serviceTier = lane === "real_time" ? realTimeTierOf(reported.serviceTier) : batchTierOf(reported.serviceTier);
	const answer = priceAnswer({ ...reported, serviceTier }, pricing, pricing.book);
	if (answer.isIncomplete) return unresolved(answer.alert ?? "usage without a price");
	if (answer.costNanoUsd > MAX_ATTEMPT_NANO_USD) return unresolved("usage above the largest possible cost");
	const { usage, model } = reported;
	return {
		costNanoUsd: answer.costNanoUsd,
		costTokens: usage.inputTokens + usage.outputTokens,
		usage,
		answeredModel: cleanText(model ?? answer.line.model, 200),
		serviceTier,
		alert: answer.alert ?? null,
		...(lane !== undefined && { lane }),
		realTimeNanoUsd: lane === "real_time" ? answer.costNanoUsd : inRealTime(reported, pricing),
	};
}

/** What the same usage costs in real time; null where it has no whole price there. */
function inRealTime(reported: Usable, pricing: ItemPricing): bigint | null {
	const standard = { ...reported, serviceTier: realTimeTierOf(geographyOf(reported.serviceTier)) };
	const answer = priceAnswer(standard, { ...pricing, reach: { tiers: ["standard"] } }, pricing.book);
	return answer.isIncomplete || answer.costNanoUsd > MAX_ATTEMPT_NANO_USD ? null : answer.costNanoUsd;
}

function realTimeTierOf(serviceTier: string | undefined): string {
	return serviceTier === undefined || serviceTier === "" ? "standard" : cleanText(serviceTier, 60);
}

function geographyOf(serviceTier: string | undefined): string {
	const [, geography] = (serviceTier ?? "").split(GEOGRAPHY_MARK);
	return geography === undefined ? "standard" : `standard${GEOGRAPHY_MARK}${geography}`;
}

/** The tier of a batch, at the geography that the answer names. */
function batchTierOf(serviceTier: string | undefined): string {
	const [, geography] = (serviceTier ?? "").split(GEOGRAPHY_MARK);
	return geography === undefined ? "batch" : `batch${GEOGRAPHY_MARK}${cleanText(geography, 40)}`;
}
