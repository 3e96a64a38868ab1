import type { Queryable } from "#activities/keys/port.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { FocusCharge } from "#domain/focus/charge.ts";
import { readJson } from "#domain/text/read-json.ts";
import { countForAnswer } from "./count-spend.ts";

export type ChargesQuestion = {
	/** Of UTC, like "2026-10-05". */
	readonly day: string;
	readonly hasRuns: boolean;
	/** `next` of the page before. */
	readonly after?: string | undefined;
	readonly limit: number;
};

export type ChargesPage = { readonly charges: readonly FocusCharge[]; readonly next: string | null };

// A correction is counted in the slice of its call (0032), so that whatever was booked for an earlier month is taken out of that page's own rows.
const CHARGES = `
	WITH adjusted AS MATERIALIZED (
		SELECT s.id AS slice_id, c.user_id, CASE WHEN $2 THEN c.run_number ELSE 0 END AS run_number, sum(e.amount_nano_usd) AS amount
		FROM tollgate.entry e
		CROSS JOIN LATERAL (SELECT x.at FROM tollgate.entry x WHERE x.entry_key = e.detail ->> 'resolves' ORDER BY x.at LIMIT 1) o
		CROSS JOIN LATERAL tollgate.counted_entry(e) c
		JOIN tollgate.spend_slice s ON s.dimension = '' AND (s.debit_account, s.credit_account, s.model, s.asked_model, s.feature, s.key_id, s.environment)
			= (e.debit_account, e.credit_account, c.model, c.asked_model, c.feature, c.key_id, c.environment)
		WHERE e.kind = 'adjustment' AND e.at >= $1::timestamptz AND e.at < $1::timestamptz + interval '24 hours' AND o.at < date_trunc('month', $1::timestamptz, 'UTC')
		GROUP BY 1, 2, 3
	), spent AS MATERIALIZED (
		SELECT t.slice_id, t.user_id, CASE WHEN $2 THEN t.run_number ELSE 0 END AS run_number, sum(t.calls) AS calls, sum(t.input_tokens) AS input_tokens,
		       sum(t.output_tokens) AS output_tokens, sum(t.amount_nano_usd) AS amount
		FROM tollgate.spend_detail_hour t
		WHERE t.starts_at >= $1::timestamptz AND t.starts_at < $1::timestamptz + interval '24 hours'
			AND (t.slice_id, t.user_id, CASE WHEN $2 THEN t.run_number ELSE 0 END) > ($3::integer, $4::text, $5::bigint)
		GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $6
	), line AS (
		SELECT 'usage' AS kind, p.slice_id, p.user_id, p.run_number, p.calls, p.input_tokens, p.output_tokens, p.amount - coalesce(a.amount, 0) AS amount
		FROM spent p LEFT JOIN adjusted a USING (slice_id, user_id, run_number)
		UNION ALL
		SELECT 'adjustment', a.slice_id, a.user_id, a.run_number, 0, 0, 0, a.amount FROM spent p JOIN adjusted a USING (slice_id, user_id, run_number)
	)
	SELECT l.kind, CASE WHEN starts_with(s.debit_account, 'team/') AND s.debit_account <> 'team/@unknown' THEN substr(s.debit_account, 6) END AS "teamId",
	       regexp_replace(s.credit_account, '^provider/', '') AS provider, nullif(s.model, '') AS model, nullif(s.asked_model, '') AS "askedModel", nullif(s.feature, '') AS feature,
	       nullif(l.user_id, '') AS "userId", nullif(s.key_id, '') AS "keyId", nullif(s.environment, '') AS environment,
	       (SELECT r.id FROM tollgate.run r WHERE r.number = nullif(l.run_number, 0)) AS "runId", l.calls::text AS calls, l.input_tokens::text AS "inputTokens",
	       l.output_tokens::text AS "outputTokens", l.amount::text AS "amountNanoUsd", l.slice_id AS "sliceId", l.run_number::text AS "runNumber", l.user_id AS "rawUserId"
	FROM line l JOIN tollgate.spend_slice s ON s.id = l.slice_id
	ORDER BY l.slice_id, l.user_id, l.run_number, l.kind DESC`;

type ChargeRow = FocusCharge & { readonly sliceId: number; readonly runNumber: string; readonly rawUserId: string };

const FIRST = JSON.stringify([0, "", "-1"]);

/**
 * What was spent on a day, as finely as it is kept, page by page; what the ledger booked last is counted before the first.
 * @throws CostControlError "admin.invalid" for an `after` that no page gave.
 */
export async function readCharges(database: Queryable, { day, hasRuns, after, limit }: ChargesQuestion): Promise<ChargesPage> {
	if (after === undefined) await countForAnswer(database);
	const { rows } = await database.query<ChargeRow>(CHARGES, [`${day}T00:00:00Z`, hasRuns, ...readPlace(after ?? FIRST), limit]);
	const last = rows.at(-1);
	const groups = rows.filter(({ kind }) => kind === "usage").length;
	const next = last !== undefined && groups === limit ? JSON.stringify([last.sliceId, last.rawUserId, last.runNumber]) : null;
	const charges = rows.map(({ sliceId: _slice, runNumber: _run, rawUserId: _user, ...charge }) => charge);
	// Of hours in which nothing but corrections of earlier months was booked, nothing is left.
	return { charges: charges.filter((charge) => charge.kind === "adjustment" || !isNothing(charge)), next };
}

function isNothing({ calls, inputTokens, outputTokens, amountNanoUsd }: FocusCharge): boolean {
	return [calls, inputTokens, outputTokens, amountNanoUsd].every((figure) => figure === "0");
}

function readPlace(after: string): [number, string, string] {
	try {
		const [slice, user, run] = readJson(after) as unknown[];
		if (Number.isInteger(slice) && typeof user === "string" && typeof run === "string" && /^-?\d{1,18}$/.test(run)) return [slice as number, user, run];
	} catch (error) {
		if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
	}
	throw new CostControlError("admin.invalid", 'after: is not what a page gave as "next"', { details: { field: "after" } });
}
