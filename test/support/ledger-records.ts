import type { AttemptRow, OutcomeRecord, RefusalRecord, ReservationRecord } from "#activities/ledger/record.ts";

/** Records of gateway "g1" and team "demo", as the request layer makes them. */
export function reservationRecord(n: number, fields: Partial<ReservationRecord> = {}): ReservationRecord {
	return {
		type: "reservation",
		n,
		attemptId: `g1-1-${n}`,
		requestId: `req_${n}`,
		reservedAtMs: 1_790_000_000_000 + n,
		teamId: "demo",
		keyId: "key_0123456789abcdef",
		feature: "search",
		userId: null,
		environment: "production",
		asserted: null,
		claimed: { user: "ada" },
		provider: "openai",
		deployment: "openai",
		protocol: "openai",
		endpoint: "chat.completions",
		model: "gpt-test",
		pricedModel: "gpt-test",
		pricedTiers: ["standard"],
		priceVersion: 1,
		pricesAsOfMs: 1_790_000_000_000,
		reservedNanoUsd: "1000",
		reservedTokens: 150,
		clampedOutputTokens: null,
		windows: [],
		...fields,
	};
}

export function outcomeRecord(n: number, fields: Partial<OutcomeRecord> = {}): OutcomeRecord {
	return {
		type: "outcome",
		n,
		outcome: "settled",
		reason: null,
		costNanoUsd: "200",
		costTokens: 150,
		overrunNanoUsd: "0",
		usage: { inputTokens: 100, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 50, reasoningTokens: 0 },
		answeredModel: "gpt-test",
		serviceTier: "standard",
		priceVersion: 1,
		providerRequestId: `chatcmpl-${n}`,
		httpStatus: 200,
		durationMs: 12.5,
		...fields,
	};
}

export function refusalRecord(n: number, fields: Partial<RefusalRecord> = {}): RefusalRecord {
	return {
		type: "refusal",
		refusalId: `g1-1-f-${n}`,
		requestId: `req_f_${n}`,
		refusedAtMs: 1_790_000_000_000 + n,
		teamId: "demo",
		keyId: "key_0123456789abcdef",
		code: "budget.exceeded",
		budgetId: "1",
		windowId: "1",
		windowSeq: "1",
		limitAmount: "1000",
		granted: "1000",
		idle: "0",
		need: "500",
		openReservations: "0",
		waitedMs: 12,
		isRemembered: false,
		...fields,
	};
}

/** A settled attempt of 200 nano-USD, held in one money window. */
export function attemptRow(
	n: number,
	windowId: string,
	fields: { reservation?: Partial<ReservationRecord>; outcome?: Partial<OutcomeRecord> } = {},
): AttemptRow {
	return {
		reservation: reservationRecord(n, { windows: [{ id: windowId, unit: "nano_usd" }], ...fields.reservation }),
		outcome: outcomeRecord(n, fields.outcome),
	};
}
