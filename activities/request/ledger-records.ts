import type { Reservation } from "#domain/budget/lease-book.ts";
import type { CallDimensions } from "#domain/budget/match.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import type { RefusalRecord, ReservationRecord } from "../ledger/record.ts";
import { type OpaqueUserId, withOpaqueUsers } from "./claimed-users.ts";
import type { Shortage } from "./grant-evidence.ts";
import type { AdmissionInput } from "./port.ts";
import { degradedRecord } from "./served-model.ts";

/** What a call is attributed to: the key, or what a key that may asserts. Claims never count. */
export function callDimensions({ key, asserted, model, provider }: Pick<AdmissionInput, "key" | "asserted" | "model" | "provider">): CallDimensions {
	return {
		teamId: key.teamId,
		feature: asserted.feature ?? key.feature,
		user: asserted.user ?? key.userId,
		model,
		provider,
		key: key.keyId,
		environment: key.environment,
	};
}

export function reservationRecord(
	input: AdmissionInput,
	reservation: Reservation,
	identity: { n: number; attemptId: string; reservedAtMs: number; clampedOutputTokens: number | undefined },
	opaqueUserId: OpaqueUserId,
): ReservationRecord {
	const dimensions = callDimensions(input);
	const { run, serving } = input;
	return {
		type: "reservation",
		n: identity.n,
		attemptId: identity.attemptId,
		requestId: input.requestId,
		reservedAtMs: identity.reservedAtMs,
		teamId: dimensions.teamId,
		keyId: dimensions.key,
		feature: dimensions.feature,
		userId: dimensions.user,
		environment: dimensions.environment,
		asserted: emptyAsNull(input.asserted),
		claimed: emptyAsNull(withOpaqueUsers(input.claimed, (text) => opaqueUserId(dimensions.teamId, text))),
		provider: input.provider,
		deployment: input.deployment,
		protocol: input.protocol,
		endpoint: input.endpoint,
		model: input.model,
		pricedModel: input.line.model,
		pricedTiers: input.bound.reach.tiers,
		priceVersion: input.book.version,
		pricesAsOfMs: input.book.asOfMs,
		reservedNanoUsd: reservation.amounts.nanoUsd.toString(),
		reservedTokens: Number(reservation.amounts.tokens),
		clampedOutputTokens: identity.clampedOutputTokens ?? null,
		windows: reservation.leases.map((lease) => ({ id: lease.windowId, unit: lease.unit })),
		degraded: serving && degradedRecord(serving),
		// Kept of a call with an agent run alone (see ReservationRecord).
		runIds: run?.runIds,
		reservedOutputTokens: run && Number(reservation.amounts.outputTokens),
	};
}

/** The evidence of a refusal: the numbers of the grant that refused it (money-path §3). */
export function refusalRecord(
	input: Pick<AdmissionInput, "requestId"> & { readonly key: Pick<AdmissionInput["key"], "teamId" | "keyId"> },
	shortage: Shortage | { readonly code: ErrorCode },
	identity: { refusalId: string; refusedAtMs: number; waitedMs: number },
): RefusalRecord {
	const evidence = "item" in shortage ? shortage : undefined;
	return {
		type: "refusal",
		refusalId: identity.refusalId,
		requestId: input.requestId,
		refusedAtMs: identity.refusedAtMs,
		teamId: input.key.teamId,
		keyId: input.key.keyId,
		code: shortage.code,
		budgetId: evidence?.item.budgetId ?? null,
		windowId: evidence?.item.windowId ?? null,
		windowSeq: evidence?.item.seq ?? null,
		limitAmount: evidence?.item.limit.toString() ?? null,
		granted: evidence?.item.granted.toString() ?? null,
		idle: evidence?.idle.toString() ?? null,
		need: evidence?.need.toString() ?? null,
		openReservations: evidence ? (evidence.item.granted - evidence.item.posted).toString() : null,
		waitedMs: identity.waitedMs,
		isRemembered: evidence?.isRemembered ?? false,
	};
}

function emptyAsNull(values: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> | null {
	for (const name in values) if (values[name] !== undefined) return values as Readonly<Record<string, string>>;
	return null;
}
