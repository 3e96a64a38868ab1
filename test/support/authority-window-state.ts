import type pg from "pg";

/** A window with all that hangs on it, as a model can say it too. */
export type WindowState = {
	granted: string;
	/** The running sum of the window's events, and what the last of them says. */
	events: string;
	lastEvent: string;
	isGapless: boolean;
	limit: string;
	isFrozen: boolean;
	/** gateway/epoch → "granted returned posted overrun". */
	leases: Record<string, string>;
	/** gateway/epoch → what its lump still holds here. */
	lumps: Record<string, string>;
	attempts: number;
};

const STATE = `
	SELECT w.id::text AS window_id, jsonb_build_object(
		'granted', w.granted::text,
		'events', coalesce((SELECT sum(CASE kind WHEN 'grant' THEN amount WHEN 'return' THEN -amount ELSE 0 END) FROM tollgate.window_event WHERE window_id = w.id), 0)::text,
		'lastEvent', (SELECT granted_after::text FROM tollgate.window_event WHERE window_id = w.id AND seq = w.event_seq),
		'isGapless', (SELECT count(*) = max(seq) AND max(seq) = w.event_seq AND bool_and(kind <> 'grant' OR (granted_after <= least(limit_amount, stop_amount) AND NOT is_frozen)) FROM tollgate.window_event WHERE window_id = w.id),
		'limit', least(w.limit_amount, w.stop_amount)::text,
		'isFrozen', w.is_frozen,
		'leases', coalesce((SELECT jsonb_object_agg(gateway_id || '/' || epoch, granted || ' ' || returned || ' ' || posted || ' ' || overrun) FROM tollgate.lease WHERE window_id = w.id AND (granted, overrun) <> (0, 0)), '{}'),
		'lumps', coalesce((SELECT jsonb_object_agg(gateway_id || '/' || epoch, held::text) FROM (
			SELECT e.gateway_id, e.epoch, sum((e.detail -> 'windows' ->> w.id::text)::bigint) AS held
			FROM tollgate.lease l CROSS JOIN LATERAL (
				SELECT * FROM tollgate.entry WHERE gateway_id = l.gateway_id AND epoch = l.epoch AND attempt_id IS NULL OFFSET 0) e
			WHERE l.window_id = w.id GROUP BY 1, 2) lump WHERE held > 0), '{}'),
		'attempts', (SELECT count(*) FROM tollgate.attempt WHERE w.id = ANY (window_ids) AND team_id = (SELECT team_id FROM tollgate.budget WHERE id = w.budget_id))
	) AS state
	FROM tollgate.budget_window w WHERE w.id = ANY ($1::bigint[])`;

/** By the id of the window. */
export async function readWindowStates(client: pg.Client, windowIds: readonly string[]): Promise<Map<string, WindowState>> {
	const { rows } = await client.query<{ window_id: string; state: WindowState }>({ name: "state", text: STATE, values: [windowIds] });
	return new Map(rows.map(({ window_id, state }) => [window_id, state]));
}
