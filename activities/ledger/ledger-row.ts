import { plainText, stringifyClean } from "./clean-text.ts";
import type { AttemptRow, OutcomeRecord, RefusalRecord, ReservationRecord } from "./record.ts";

/** Window id, amount charged there, its overrun, what was reserved there; all in the unit of the window. */
type Charge = readonly [windowId: string, amount: string, overrun: string, reserved: string];

/** One row as tollgate.settle_chunk reads it; bigints are decimal strings. */
export type LedgerRow = ReturnType<typeof attemptFields>;

/** Something to flush: its text is built once, when it is queued. */
export type LedgerItem =
	| { readonly kind: "attempt"; readonly id: number; readonly key: string; readonly json: string }
	| { readonly kind: "refusal"; readonly id: string; readonly key: string; readonly json: string };

export function attemptItem({ reservation, outcome }: AttemptRow): LedgerItem {
	return { kind: "attempt", id: reservation.n, key: reservation.attemptId, json: stringifyClean(attemptFields(reservation, outcome)) };
}

export function refusalItem(record: RefusalRecord): LedgerItem {
	return { kind: "refusal", id: record.refusalId, key: record.refusalId, json: stringifyClean(refusalFields(record)) };
}

/**
 * What is booked in place of a row the database rejects: the reservation, with text it cannot reject. The row itself goes
 * to quarantine beside it.
 */
export function quarantineItem(item: LedgerItem, problem: string): QuarantineItem {
	const row = JSON.parse(item.json) as LedgerRow;
	const of = { requestId: plainText(row.request_id), team: plainText(row.team_id) };
	const quarantineJson = JSON.stringify({ attempt_id: plainText(item.key), problem: plainText(problem, 500), row: { text: plainText(item.json, 20_000) } });
	if (item.kind === "refusal") return { ...of, bookedJson: undefined, quarantineJson };
	return { ...of, quarantineJson, bookedJson: JSON.stringify(reservationOnly(row)) };
}

type QuarantineItem = {
	readonly bookedJson: string | undefined;
	readonly quarantineJson: string;
	readonly requestId: string;
	readonly team: string;
};

function reservationOnly(row: LedgerRow): Partial<LedgerRow> {
	const text = (value: string) => plainText(value);
	const charges = row.charges.map(([windowId, , , reserved]): Charge => [amount(windowId), amount(reserved), "0", amount(reserved)]);
	const outputTokens = row.reserved_output_tokens === undefined ? undefined : Number(amount(String(row.reserved_output_tokens)));
	return {
		attempt_id: text(row.attempt_id),
		reserved_at_ms: Number.isSafeInteger(row.reserved_at_ms) ? row.reserved_at_ms : 0,
		request_id: text(row.request_id),
		team_id: text(row.team_id),
		key_id: text(row.key_id),
		provider: text(row.provider),
		deployment: text(row.deployment),
		protocol: row.protocol,
		endpoint: row.endpoint,
		model: text(row.model),
		priced_model: text(row.priced_model),
		priced_tiers: row.priced_tiers.map(text),
		outcome: "quarantined",
		reason: "rejected_by_ledger",
		reserved_nano_usd: amount(row.reserved_nano_usd),
		reserved_tokens: Number(amount(String(row.reserved_tokens))),
		cost_nano_usd: amount(row.reserved_nano_usd),
		cost_tokens: Number(amount(String(row.reserved_tokens))),
		overrun_nano_usd: "0",
		price_version: Number(amount(String(row.price_version))),
		prices_as_of_ms: Number(amount(String(row.prices_as_of_ms))),
		...(outputTokens !== undefined && { reserved_output_tokens: outputTokens, cost_output_tokens: outputTokens }),
		...(row.run_ids && { run_ids: row.run_ids.map(amount) }),
		window_ids: charges.map(([windowId]) => windowId),
		charges,
	};
}

/** A whole number that fits a bigint, else 0: what is no amount cannot be charged. */
function amount(value: string): string {
	return /^(0|[1-9][0-9]{0,17})$/.test(value) ? value : "0";
}

function attemptFields(reservation: ReservationRecord, outcome: OutcomeRecord) {
	const usage = outcome.usage;
	return {
		attempt_id: reservation.attemptId,
		reserved_at_ms: reservation.reservedAtMs,
		request_id: reservation.requestId,
		team_id: reservation.teamId,
		key_id: reservation.keyId,
		feature: reservation.feature,
		user_id: reservation.userId,
		environment: reservation.environment,
		asserted: reservation.asserted,
		claimed: reservation.claimed,
		provider: reservation.provider,
		deployment: reservation.deployment,
		protocol: reservation.protocol as string,
		endpoint: reservation.endpoint as string,
		model: reservation.model,
		priced_model: reservation.pricedModel,
		priced_tiers: reservation.pricedTiers,
		answered_model: outcome.answeredModel,
		service_tier: outcome.serviceTier,
		outcome: outcome.outcome as string,
		reason: outcome.reason,
		reserved_nano_usd: reservation.reservedNanoUsd,
		reserved_tokens: reservation.reservedTokens,
		cost_nano_usd: outcome.costNanoUsd,
		cost_tokens: outcome.costTokens,
		overrun_nano_usd: outcome.overrunNanoUsd,
		price_version: outcome.priceVersion,
		prices_as_of_ms: reservation.pricesAsOfMs,
		input_tokens: usage?.inputTokens,
		cached_input_tokens: usage?.cachedInputTokens,
		cache_write_5m_tokens: usage?.cacheWrite5mTokens,
		cache_write_1h_tokens: usage?.cacheWrite1hTokens,
		output_tokens: usage?.outputTokens,
		reasoning_tokens: usage?.reasoningTokens,
		tool_calls: usage?.toolCalls,
		clamped_output_tokens: reservation.clampedOutputTokens,
		provider_request_id: outcome.providerRequestId,
		http_status: outcome.httpStatus,
		duration_ms: outcome.durationMs,
		window_ids: reservation.windows.map((window) => window.id),
		answer_id: outcome.answerId,
		asked_model: reservation.degraded?.askedModel,
		degraded_by: reservation.degraded?.by,
		reserved_output_tokens: reservation.reservedOutputTokens,
		cost_output_tokens: outcome.costOutputTokens,
		run_ids: reservation.runIds,
		run_tool_calls: outcome.toolCalls,
		output_bytes: outcome.outputBytes,
		task_kind: outcome.taskKind,
		item_ids: outcome.itemIds,
		charges: reservation.windows.map((window) => chargeIn(window, reservation, outcome)),
	};
}

function chargeIn(window: ReservationRecord["windows"][number], reservation: ReservationRecord, outcome: OutcomeRecord): Charge {
	const overruns = outcome.windowOverruns;
	// Records without overruns by window say it of money alone.
	const overrun = overruns ? (overruns[window.id] ?? "0") : window.unit === "nano_usd" ? outcome.overrunNanoUsd : "0";
	return [window.id, costIn(window.unit, reservation, outcome), overrun, reservedIn(window.unit, reservation)];
}

/** What an attempt cost in the unit of a window; tollgate.cost_in of migrations/0003 says the same of the row. */
function costIn(unit: string, { endpoint }: ReservationRecord, outcome: OutcomeRecord): string {
	if (unit === "nano_usd") return outcome.costNanoUsd;
	return countIn(unit, { endpoint, tokens: outcome.costTokens, outputTokens: outcome.costOutputTokens });
}

function reservedIn(unit: string, { endpoint, reservedNanoUsd, reservedTokens, reservedOutputTokens }: ReservationRecord): string {
	if (unit === "nano_usd") return reservedNanoUsd;
	return countIn(unit, { endpoint, tokens: reservedTokens, outputTokens: reservedOutputTokens });
}

function countIn(unit: string, counted: { readonly endpoint: string; readonly tokens: number; readonly outputTokens: number | undefined }): string {
	const { endpoint, tokens, outputTokens = 0 } = counted;
	if (unit === "tokens") return String(tokens);
	if (unit === "input_tokens") return String(tokens - outputTokens);
	if (unit === "output_tokens") return String(outputTokens);
	return endpoint === "count_tokens" ? "0" : "1"; // steps
}

function refusalFields(record: RefusalRecord) {
	return {
		refusal_id: record.refusalId,
		refused_at_ms: record.refusedAtMs,
		request_id: record.requestId,
		team_id: record.teamId,
		key_id: record.keyId,
		code: record.code,
		budget_id: record.budgetId,
		window_id: record.windowId,
		window_seq: record.windowSeq,
		limit_amount: record.limitAmount,
		granted: record.granted,
		idle: record.idle,
		need: record.need,
		open_reservations: record.openReservations,
		waited_ms: Math.round(record.waitedMs),
		is_remembered: record.isRemembered,
		is_observed: record.isObserved ?? false,
		limit_name: record.limitName,
		stood_at: record.stoodAt,
		unrecorded_before: record.unrecordedBefore,
		line: record.line,
	};
}
