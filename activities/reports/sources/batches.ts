import { instant, type ReportSource } from "./source.ts";

/** Of batches that ended in the period, the items whose cost in real time is known. */
export const BATCHES: ReportSource<"batches"> = {
	name: "batches",
	sql({ period, teamId }, put) {
		const times = `b.ended_at >= ${put(instant(period.fromMs))}::timestamptz AND b.ended_at < ${put(instant(period.toMs))}::timestamptz`;
		const only = teamId === null ? "" : `AND b.team_id = ${put(teamId)}`;
		return `(SELECT jsonb_build_object('items', count(*)::text, 'cost', coalesce(sum(i.cost_nano_usd), 0)::text, 'realTime', coalesce(sum(i.real_time_nano_usd), 0)::text)
			FROM tollgate.batch b JOIN tollgate.batch_item i ON i.batch_number = b.number
			WHERE ${times} ${only} AND i.cost_nano_usd IS NOT NULL AND i.real_time_nano_usd IS NOT NULL)`;
	},
	read(wire) {
		const { items, cost, realTime } = wire as { readonly items: string; readonly cost: string; readonly realTime: string };
		return { items: BigInt(items), costNanoUsd: BigInt(cost), realTimeNanoUsd: BigInt(realTime) };
	},
};
