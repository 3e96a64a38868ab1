import type { Queryable } from "#activities/keys/port.ts";
import { readPriceBookAt } from "#activities/pricebooks/postgres.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { explainPriced, type PriceExplanation } from "#domain/pricing/explain.ts";
import { priceAnswer } from "#domain/pricing/price-answer.ts";
import type { PriceTier } from "#domain/pricing/price-book.ts";
import { shellWord } from "#domain/shell-word.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import type { WorkflowLink, WorkflowLinks } from "./port.ts";

/** Everything the books know about one request: each attempt, what it cost and why, and each refusal. */
export type RequestExplanation = {
	readonly requestId: string;
	readonly attempts: readonly AttemptExplanation[];
	readonly refusals: readonly RefusalExplanation[];
	/** Months of these attempts whose settled calls are in a file: further attempts of the request may be there. */
	readonly archivedMonths: readonly ArchivedMonth[];
};

/** `month` like "2026-10"; `file` where it was written, on the machine that archived it. */
type ArchivedMonth = { readonly month: string; readonly file: string };

/** Amounts are decimal strings of nano-USD, times ISO 8601. */
export type AttemptExplanation = {
	readonly attemptId: string;
	/** The agent run it was a step of. */
	readonly run: { readonly runId: string; readonly workflow: WorkflowLink | null } | null;
	/** The batch that carried it; `deferredId`: of an item that was handed in alone. */
	readonly batch: { readonly batchId: string; readonly deferredId: string | null; readonly workflow: WorkflowLink | null } | null;
	readonly at: string;
	readonly teamId: string;
	readonly keyId: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	readonly asserted: Readonly<Record<string, string>> | null;
	readonly claimed: Readonly<Record<string, string>> | null;
	readonly provider: string;
	readonly model: string;
	/** The alias the caller asked for, and the line of a budget that made another serve it; null where it was served as asked. */
	readonly askedModel: string | null;
	readonly degradedBy: DegradeExplanation | null;
	readonly answeredModel: string | null;
	readonly serviceTier: string | null;
	readonly endpoint: string;
	readonly outcome: string;
	readonly reason: string | null;
	readonly reservedNanoUsd: string;
	readonly costNanoUsd: string;
	readonly overrunNanoUsd: string;
	readonly usage: Readonly<Record<string, number>>;
	readonly priceVersion: number;
	/** How the cost was made; null where it was not priced from usage. */
	readonly price: PriceExplanation | null;
	readonly clampedOutputTokens: number | null;
	readonly providerRequestId: string | null;
	readonly httpStatus: number | null;
	readonly durationMs: number | null;
	readonly entries: readonly {
		readonly entryKey: string;
		readonly kind: string;
		readonly amountNanoUsd: string;
		readonly at: string;
		readonly reason: string | null;
	}[];
	/** The budgets it was held in, as "team, day" and the window's start. */
	readonly budgets: readonly { readonly budgetId: string; readonly name: string; readonly windowStartsAt: string | null }[];
};

/** Amounts in `unit`, of the window as of the grant that found the call beyond the line. */
export type DegradeExplanation = {
	readonly budgetId: string;
	readonly budget: string | null;
	readonly unit: string | null;
	readonly windowId: string;
	readonly lineAmount: string;
	readonly granted: string;
	readonly idle: string;
	readonly need: string;
};

export type RefusalExplanation = {
	readonly refusalId: string;
	readonly at: string;
	readonly code: string;
	readonly teamId: string;
	readonly keyId: string;
	readonly budget: string | null;
	/** Of the amounts: nano_usd or tokens; null without a budget. */
	readonly unit: string | null;
	readonly limitAmount: string | null;
	readonly grantedAmount: string | null;
	readonly idleAmount: string | null;
	readonly needAmount: string | null;
	readonly waitedMs: number;
	/** The budget is only observed: the call was let pass. */
	readonly isObserved: boolean;
	/** The limit beside money that refused it, as in x-tollgate-limit; amounts are in the unit of its measure. Null for a budget. */
	readonly limitName: string | null;
	/** What all gateways together had taken of that limit; null for a cap and for a budget. */
	readonly stoodAtAmount: string | null;
	/** Calls that the same limit refused since the row before, and of which the books hold nothing else. */
	readonly unrecordedBefore: number;
	/** Of a batch that a cap refused: the first request that is beyond it, from 1. Null for a call. */
	readonly line: number | null;
};

const BUDGET_NAME = `concat_ws(' ', b.dimension,
	CASE b.dimension WHEN 'run' THEN (SELECT x.id FROM tollgate.run x WHERE x.number = b.dimension_value::bigint) ELSE nullif(b.dimension_value, '') END)
	|| ', ' || b.window_kind || CASE b.unit WHEN 'nano_usd' THEN '' ELSE ', ' || replace(b.unit, '_', ' ') END`;
const TIME = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const ATTEMPTS = `
	SELECT a.attempt_id AS "attemptId", r.id AS "runId", coalesce(r.is_governed AND r.told_version > 0, false) AS "runHasWorkflow", c.id AS "batchId", c.origin = 'collected' AS "isAlone",
	       ${TIME("a.at")} AS at, a.request_id AS "requestId", a.team_id AS "teamId", a.key_id AS "keyId", a.feature, a.user_id AS "userId", a.environment, a.asserted, a.claimed,
	       a.provider, a.model, a.asked_model AS "askedModel",
	       a.degraded_by || coalesce((SELECT jsonb_build_object('budget', ${BUDGET_NAME}, 'unit', b.unit) FROM tollgate.budget b WHERE b.id::text = a.degraded_by->>'budgetId'), '{}') AS "degradedBy",
	       a.answered_model AS "answeredModel", a.service_tier AS "serviceTier", a.deployment, a.priced_model AS "pricedModel", a.priced_tiers AS "pricedTiers", a.endpoint, a.outcome, a.reason,
	       a.reserved_nano_usd AS "reservedNanoUsd", a.cost_nano_usd AS "costNanoUsd", a.overrun_nano_usd AS "overrunNanoUsd",
	       jsonb_strip_nulls(jsonb_build_object('inputTokens', a.input_tokens, 'cachedInputTokens', a.cached_input_tokens, 'cacheWrite5mTokens', a.cache_write_5m_tokens,
	         'cacheWrite1hTokens', a.cache_write_1h_tokens, 'outputTokens', a.output_tokens, 'reasoningTokens', a.reasoning_tokens, 'toolCalls', a.tool_calls)) AS usage,
	       a.price_version::int AS "priceVersion", ${TIME("a.prices_as_of")} AS "pricesAsOf", a.clamped_output_tokens::int AS "clampedOutputTokens",
	       a.provider_request_id AS "providerRequestId", a.http_status AS "httpStatus", a.duration_ms AS "durationMs",
	       (SELECT coalesce(jsonb_agg(jsonb_build_object('entryKey', e.entry_key, 'kind', e.kind, 'amountNanoUsd', e.amount_nano_usd::text, 'at', ${TIME("e.at")}, 'reason', e.detail->>'reason') ORDER BY e.at), '[]')
	        FROM tollgate.entry e WHERE e.attempt_id = a.attempt_id) AS entries,
	       (SELECT coalesce(jsonb_agg(jsonb_build_object('budgetId', b.id::text, 'name', ${BUDGET_NAME},
	           'windowStartsAt', CASE WHEN isfinite(w.starts_at) THEN ${TIME("w.starts_at")} END) ORDER BY b.id), '[]')
	        FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE w.id = ANY (a.window_ids)) AS budgets
	FROM tollgate.attempt a
	LEFT JOIN tollgate.run r ON r.number = a.run_ids[cardinality(a.run_ids)]
	LEFT JOIN tollgate.batch c ON c.number = nullif(tollgate.batch_held_by(a.gateway_id), 0)
	WHERE a.request_id = $1 OR a.attempt_id = $1
	ORDER BY a.at, a.attempt_id`;

const REFUSALS = `
	SELECT r.refusal_id AS "refusalId", ${TIME("r.refused_at")} AS at, r.code, r.team_id AS "teamId", r.key_id AS "keyId", ${BUDGET_NAME} AS budget, b.unit,
	       r.limit_amount AS "limitAmount", r.granted AS "grantedAmount", r.idle AS "idleAmount", r.need AS "needAmount", r.waited_ms AS "waitedMs", r.is_observed AS "isObserved",
	       r.limit_name AS "limitName", r.stood_at AS "stoodAtAmount", r.unrecorded_before AS "unrecordedBefore", r.line
	FROM tollgate.refusal r LEFT JOIN tollgate.budget b ON b.id = r.budget_id
	WHERE r.request_id = $1 OR r.refusal_id = $1
	ORDER BY r.at`;

type AttemptRow = Omit<AttemptExplanation, "price" | "run" | "batch"> & {
	readonly requestId: string;
	readonly runId: string | null;
	readonly runHasWorkflow: boolean;
	readonly batchId: string | null;
	readonly isAlone: boolean | null;
	readonly pricesAsOf: string;
	readonly deployment: string;
	readonly pricedModel: string;
	readonly pricedTiers: readonly PriceTier[];
};

/** By request id (`x-tollgate-request-id`) or attempt id; without `workflows` none is named. @throws CostControlError "admin.not_found"; a call is in the books within a second. */
export async function explainRequest(database: Queryable, requestId: string, workflows?: WorkflowLinks): Promise<RequestExplanation> {
	const attempts = (await database.query<AttemptRow>(ATTEMPTS, [requestId])).rows;
	const refusals = (await database.query<RefusalExplanation>(REFUSALS, [requestId])).rows;
	if (attempts.length + refusals.length === 0) throw new CostControlError("admin.not_found", await whyNotFound(database, requestId));
	const months = attempts.map(({ at }) => at.slice(0, 7));
	const archivedMonths = (await database.query<ArchivedMonth>(ARCHIVED_MONTHS, [months])).rows;
	return { requestId, attempts: await Promise.all(attempts.map((row) => withPrice(database, linked(row, workflows)))), refusals, archivedMonths };
}

const ARCHIVED_MONTHS = `
	SELECT to_char(month, 'YYYY-MM') AS month, file FROM tollgate.archived_month
	WHERE $1::text[] IS NULL OR to_char(month, 'YYYY-MM') = ANY ($1) ORDER BY month`;
const ARCHIVED_KEY = `
	SELECT to_char(m.month, 'YYYY-MM') AS month, m.file
	FROM tollgate.entry_key k JOIN tollgate.archived_month m ON m.month = k.archived_month WHERE k.entry_key = $1`;

/** Attempt ids are remembered for ever, request ids leave with their month. */
async function whyNotFound(database: Queryable, id: string): Promise<string> {
	const inFile = ({ file }: ArchivedMonth): string => `npx tollgate ledger explain ${shellWord(file)} ${shellWord(id)}`;
	const [archived] = (await database.query<ArchivedMonth>(ARCHIVED_KEY, [id])).rows;
	if (archived !== undefined) return `Attempt ${id} is archived with ${archived.month}: ${inFile(archived)}`;
	const months = (await database.query<ArchivedMonth>(ARCHIVED_MONTHS, [null])).rows;
	const elsewhere = months.length === 0 ? "" : ` Or of an archived month. Archived: ${months.map((month) => `${month.month}: ${inFile(month)}`).join("; ")}`;
	return `The books hold no request ${id}: never sent, released without cost, younger than a second, or refused by a limit that refused more than ten in that second.${elsewhere}`;
}

/** Its run and its batch; a batch that booked something has a workflow. */
function linked({ requestId, runId, runHasWorkflow, batchId, isAlone, ...row }: AttemptRow, workflows: WorkflowLinks | undefined): LinkedRow {
	return {
		...row,
		run: runId === null ? null : { runId, workflow: (runHasWorkflow && workflows?.ofRun(runId)) || null },
		batch: batchId === null ? null : { batchId, deferredId: isAlone === true ? requestId : null, workflow: workflows?.ofBatch(batchId) ?? null },
	};
}

type LinkedRow = Omit<AttemptRow, "requestId" | "runId" | "runHasWorkflow" | "batchId" | "isAlone"> & Pick<AttemptExplanation, "run" | "batch">;

/** Priced again, by the rule it was booked by. */
async function withPrice(database: Queryable, { pricesAsOf, deployment, pricedModel, pricedTiers, ...row }: LinkedRow): Promise<AttemptExplanation> {
	if (row.usage["inputTokens"] === undefined) return { ...row, price: null };
	const book = await readPriceBookAt(database, row.priceVersion, pricesAsOf);
	const line = book.find(row.provider, pricedModel);
	if (line === undefined) return { ...row, price: null };
	const usage: Usage = { ...NO_USAGE, ...row.usage };
	const reported = { kind: "usable", usage, model: row.answeredModel ?? undefined, serviceTier: row.serviceTier ?? undefined } as const;
	return { ...row, price: explainPriced(priceAnswer(reported, { line, reach: { tiers: pricedTiers }, deployment }, book), row.priceVersion) };
}
