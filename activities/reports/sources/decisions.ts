import type { DecisionFacts } from "#domain/reports/facts.ts";
import type { ReportSource } from "./source.ts";

/** What waits for a person now, whatever the period. */
type WireDecisions = {
	readonly increases: readonly (Omit<DecisionFacts["increases"][number], "askedAmount"> & { readonly askedAmount: string })[];
	readonly overruns: readonly { readonly teamId: string; readonly budget: string; readonly sinceMs: number; readonly amount: string | null }[];
	readonly unresolved: readonly { readonly gateway: string; readonly charges: string; readonly nanoUsd: string | null; readonly sinceMs: number }[];
};

const SHOWN_MAX = 50;

export const DECISIONS: ReportSource<"decisions"> = {
	name: "decisions",
	isFor: ({ period }) => period.kind !== "daily",
	sql({ teamId }, put) {
		const only = teamId === null ? "true" : `x.team_id = ${put(teamId)}`;
		const standing = (kind: string) =>
			`FROM tollgate.alert x WHERE x.kind = '${kind}' AND x.is_firing AND x.resolved_at IS NULL AND ${only} ORDER BY x.seq LIMIT ${SHOWN_MAX}`;
		return `(SELECT jsonb_build_object(
			'increases', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', q.id, 'teamId', q.team_id, 'askedAmount', q.asked_amount::text, 'isMoney', b.unit = 'nano_usd',
					'requestedBy', q.requested_by, 'reason', q.reason, 'expiresAtMs', tollgate.to_ms(q.expires_at)) ORDER BY q.requested_at, q.id), '[]')
				FROM (SELECT x.* FROM tollgate.limit_increase x WHERE x.status = 'pending' AND ${only} ORDER BY x.requested_at, x.id LIMIT ${SHOWN_MAX}) q
				JOIN tollgate.declared_budget b ON b.id = q.budget_id),
			'overruns', (SELECT coalesce(jsonb_agg(jsonb_build_object('teamId', o.team_id, 'budget', o.subject, 'sinceMs', tollgate.to_ms(o.at), 'amount', o.detail ->> 'amount') ORDER BY o.seq), '[]')
				FROM (SELECT x.* ${standing("budget.overrun")}) o),
			'unresolved', (SELECT coalesce(jsonb_agg(jsonb_build_object('gateway', u.subject, 'charges', coalesce(u.detail ->> 'charges', ''), 'nanoUsd', u.detail ->> 'amountNanoUsd',
					'sinceMs', tollgate.to_ms(u.at)) ORDER BY u.seq), '[]')
				FROM (SELECT x.* ${standing("charges.unresolved")}) u)))`;
	},
	read(wire) {
		const { increases, overruns, unresolved } = wire as WireDecisions;
		return {
			increases: increases.map((one) => ({ ...one, askedAmount: BigInt(one.askedAmount) })),
			overruns: overruns.map((one) => ({ ...one, amount: amountOf(one.amount) })),
			unresolved: unresolved.map((one) => ({ ...one, nanoUsd: amountOf(one.nanoUsd) })),
		};
	},
};

/** Of an alert of another release it may be absent. */
function amountOf(text: string | null): bigint | null {
	return text !== null && /^-?\d{1,30}$/.test(text) ? BigInt(text) : null;
}
