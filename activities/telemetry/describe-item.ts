import type { Attributes } from "@opentelemetry/api";
import type { BookedTry } from "#activities/batches/port.ts";
import { withoutOwnKeys } from "./own-secrets.ts";
import { aboveZero, defined, moneyAttributes, operationAttributes, operationOf, payerAttributes, spanNameOf, usageAttributes } from "./span-attributes.ts";
import type { DescribedSpan } from "./span-queue.ts";

/** Where a batch goes. */
export type ItemServer = {
	/** What the provider is sent for its model. */
	readonly model: string;
	/** URL; undefined: it is not configured here any more. */
	readonly origin: string | undefined;
};

/** A try of an item as a span: from when its money was held until it was booked, since providers do not say when they ran it. */
export function describeItem(tried: BookedTry, { server, bookedAtMs }: { readonly server: ItemServer; readonly bookedAtMs: number }): DescribedSpan {
	const { batch, booking, reservation, outcome, traceContext } = tried;
	const { endpoint, provider, reservedAtMs } = reservation;
	const operation = operationOf(endpoint);
	const errorType = errorTypeOf(tried);
	const attributes: Attributes = {
		...operationAttributes({ operation, provider, ...server }),
		...answerAttributes(booking),
		...moneyAttributes({
			costNanoUsd: BigInt(outcome?.costNanoUsd ?? 0),
			reservedNanoUsd: BigInt(reservation.reservedNanoUsd),
			usage: outcome?.usage ?? undefined,
			// Without an entry where something was billed: its row is in quarantine.
			outcome: outcome?.outcome ?? (booking.costNanoUsd === null ? "released" : "unbooked"),
			reason: outcome?.reason ?? undefined,
			priceVersion: reservation.priceVersion,
		}),
		...itemAttributes(tried),
		...payerOf(tried),
		"error.type": errorType,
	};
	return {
		name: spanNameOf(operation, server.model),
		attributes: defined(attributes),
		events: [],
		errorType,
		parent: traceContext ?? batch.traceContext ?? undefined,
		startedAtMs: reservedAtMs,
		// Held on PostgreSQL's clock.
		endedAtMs: Math.max(bookedAtMs, reservedAtMs),
	};
}

/** Never a message, which may repeat what was said. */
function errorTypeOf({ booking, outcome }: BookedTry): string | undefined {
	if (booking.isLost === true) return "lost";
	if (booking.outcome !== "errored") return booking.outcome === "succeeded" ? undefined : booking.outcome;
	const status = outcome?.httpStatus ?? booking.httpStatus;
	return booking.answer?.errorCode ?? (status === null ? "errored" : String(status));
}

function answerAttributes({ answer, answeredModel, serviceTier, usage }: BookedTry["booking"]): Attributes {
	return {
		"gen_ai.response.id": answer?.id,
		"gen_ai.response.model": answeredModel ?? undefined,
		...(answer && answer.finishReasons.length > 0 && { "gen_ai.response.finish_reasons": [...answer.finishReasons] }),
		"openai.response.service_tier": serviceTier ?? undefined,
		...(usage && usageAttributes(usage)),
		"gen_ai.output.messages": answer?.output?.json,
		"tollgate.content_cut": answer?.output?.isCut === true ? true : undefined,
	};
}

function itemAttributes({ batch, booking, reservation, isDuplicate }: BookedTry): Attributes {
	const { endpoint, model, deployment, attemptId } = reservation;
	return {
		"tollgate.endpoint": endpoint,
		"tollgate.model.asked": model,
		"tollgate.model.alias": model,
		"tollgate.deployment": deployment,
		"tollgate.attempt.id": attemptId,
		"tollgate.attempts": booking.tryNumber,
		"tollgate.provider.status": aboveZero(booking.httpStatus ?? 0),
		"tollgate.batch.id": batch.batchId,
		"tollgate.batch.item": booking.n,
		"tollgate.batch.lane": booking.lane ?? "batch",
		"tollgate.batch.duplicate": isDuplicate ? true : undefined,
		"langfuse.observation.metadata.batch_id": batch.batchId,
		"langsmith.metadata.batch_id": batch.batchId,
	};
}

function payerOf({ reservation }: BookedTry): Attributes {
	const { teamId, keyId, environment, feature, userId, requestId } = reservation;
	const [cleanFeature, user] = [feature, userId].map((text) => (text === null ? undefined : withoutOwnKeys(text)));
	return payerAttributes({ teamId, keyId, environment, feature: cleanFeature, user, requestId });
}
