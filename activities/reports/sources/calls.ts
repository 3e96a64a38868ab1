import type { DearCall } from "#domain/reports/facts.ts";
import { instant, type ReportSource } from "./source.ts";

/** Single calls: the dearest, and those that were refused. */
const DEAREST = 10;
const REFUSALS_MAX = 1_000_000;

type WireCall = {
	readonly nanoUsd: string;
	readonly teamId: string;
	readonly atMs: number;
	readonly requestId: string | null;
	readonly model: string;
	readonly feature: string | null;
	readonly inputTokens: string;
	readonly outputTokens: string;
};

export const DEAREST_CALLS: ReportSource<"dearestCalls"> = {
	name: "dearestCalls",
	sql({ period, teamId }, put) {
		const hours = `generate_series(${put(instant(period.fromMs))}::timestamptz, ${put(instant(period.toMs))}::timestamptz - interval '1 hour', interval '1 hour')`;
		const only = teamId === null ? "" : `AND c.team_id = ${put(teamId)}`;
		return `(SELECT coalesce(jsonb_agg(jsonb_build_object('nanoUsd', d.amount_nano_usd::text, 'teamId', d.team_id, 'atMs', tollgate.to_ms(d.at), 'requestId', a.request_id,
				'model', a.model, 'feature', a.feature, 'inputTokens', coalesce(a.input_tokens, 0)::text, 'outputTokens', coalesce(a.output_tokens, 0)::text)
				ORDER BY d.amount_nano_usd DESC, d.attempt_id), '[]')
			FROM (
				SELECT x.* FROM ${hours} h CROSS JOIN LATERAL (
					SELECT c.* FROM tollgate.dear_call c WHERE c.starts_at = h ${only} ORDER BY c.amount_nano_usd DESC, c.attempt_id LIMIT ${DEAREST}
				) x ORDER BY x.amount_nano_usd DESC, x.attempt_id LIMIT ${DEAREST}
			) d LEFT JOIN LATERAL (SELECT y.* FROM tollgate.attempt y WHERE y.attempt_id = d.attempt_id AND y.at = d.at) a ON true)`;
	},
	read: (wire) =>
		(wire as readonly WireCall[]).map(({ nanoUsd, teamId, atMs, requestId, model, feature, inputTokens, outputTokens }): DearCall => {
			const call = requestId === null ? undefined : { requestId, model, feature, inputTokens: BigInt(inputTokens), outputTokens: BigInt(outputTokens) };
			return { nanoUsd: BigInt(nanoUsd), teamId, atMs, ...(call !== undefined && { call }) };
		}),
};

export const REFUSALS: ReportSource<"refusals"> = {
	name: "refusals",
	sql({ period, teamId }, put) {
		const times = `r.at >= ${put(instant(period.fromMs))}::timestamptz AND r.at < ${put(instant(period.toMs))}::timestamptz`;
		const only = teamId === null ? "" : `AND r.team_id = ${put(teamId)}`;
		return `(SELECT coalesce(jsonb_agg(jsonb_build_object('teamId', g.team_id, 'code', g.code, 'rows', g.n::text, 'calls', g.calls::text)), '[]') FROM (
			SELECT team_id, code, count(*) AS n, sum(1 + unrecorded_before) AS calls FROM (
				SELECT r.team_id, r.code, r.unrecorded_before FROM tollgate.refusal r WHERE ${times} AND NOT r.is_observed ${only} LIMIT ${REFUSALS_MAX + 1}
			) capped GROUP BY 1, 2) g)`;
	},
	read(wire) {
		const rows = wire as readonly { readonly teamId: string; readonly code: string; readonly rows: string; readonly calls: string }[];
		const isCapped = rows.reduce((sum, row) => sum + Number(row.rows), 0) > REFUSALS_MAX;
		// Which of them were counted is up to chance: then none is told.
		return { isCapped, rows: isCapped ? [] : rows.map(({ teamId, code, calls }) => ({ teamId, code, calls: BigInt(calls) })) };
	},
};
