import type { Queryable } from "#activities/keys/port.ts";
import { type Alert, type EndedAlert, statusOf } from "#domain/alerts/alert.ts";
import type { AlertSeverity } from "#domain/alerts/kinds.ts";
import { renderAlert } from "#domain/alerts/render.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** An alert as administrators see it. Times are ISO 8601, UTC. */
export type AlertView = {
	readonly id: string;
	readonly at: string;
	readonly teamId: string;
	readonly subject: string;
	readonly kind: string;
	readonly severity: AlertSeverity;
	/** "firing" lasts until another alert ends it; "ended" fired before; "over" is such an end; "notice" only happened. */
	readonly status: "firing" | "ended" | "over" | "notice";
	readonly endedAt: string | null;
	/** What people are told, in one sentence. */
	readonly title: string;
	/** Page of the project that says what to do. */
	readonly runbook: string;
	readonly detail: Readonly<Record<string, unknown>>;
	/** Empty: no route took it when it was made. */
	readonly deliveries: readonly AlertDeliveryView[];
};

export type AlertDeliveryView = {
	readonly channel: string;
	/** superseded: there was nothing left to tell, because the channel is gone or had been told of the end. */
	readonly state: "waiting" | "delivered" | "dead" | "superseded";
	readonly attempts: number;
	/** Of one that waits. */
	readonly nextAttemptAt: string | null;
	/** What went wrong last. */
	readonly lastError: string | null;
	/** What the receiver said when it took it. */
	readonly answer: string | null;
	readonly endedAt: string | null;
	readonly acknowledgedBy: string | null;
};

export type AlertQuestion = {
	readonly teamId?: string | undefined;
	/** Only what fires now. */
	readonly isFiring?: boolean | undefined;
	/** Only what could not be delivered to some channel and nobody has acknowledged. */
	readonly isDead?: boolean | undefined;
	readonly limit: number;
};

type AlertRow = Omit<AlertView, "at" | "endedAt" | "status" | "title" | "runbook"> & {
	readonly atMs: number;
	readonly isFiring: boolean;
	readonly endedAt: string | null;
	readonly ends: readonly EndedAlert[];
};

const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const ALERTS = `
	SELECT a.id, a.team_id AS "teamId", a.subject, a.kind, a.severity, a.is_firing AS "isFiring", a.detail, floor(extract(epoch FROM a.at) * 1000)::float8 AS "atMs",
		${iso("a.resolved_at")} AS "endedAt",
		coalesce((SELECT json_agg(json_build_object('id', e.id, 'kind', e.kind, 'severity', e.severity, 'atMs', floor(extract(epoch FROM e.at) * 1000)::float8) ORDER BY e.seq)
			FROM tollgate.alert e WHERE e.resolved_by = a.id), '[]') AS ends,
		coalesce((SELECT json_agg(json_build_object('channel', d.channel, 'state', d.state, 'attempts', d.attempts,
				'nextAttemptAt', CASE WHEN d.state = 'waiting' THEN ${iso("d.next_attempt_at")} END, 'lastError', d.last_error, 'answer', d.answer,
				'endedAt', ${iso("d.ended_at")}, 'acknowledgedBy', d.acknowledged_by) ORDER BY d.channel)
			FROM tollgate.alert_delivery d WHERE d.alert_seq = a.seq), '[]') AS deliveries
	FROM tollgate.alert a`;
const LIST = `${ALERTS}
	WHERE ($1::text IS NULL OR a.team_id = $1) AND (NOT $2 OR a.is_firing AND a.resolved_at IS NULL)
		AND (NOT $3 OR EXISTS (SELECT 1 FROM tollgate.alert_delivery x WHERE x.alert_seq = a.seq AND x.state = 'dead' AND x.acknowledged_at IS NULL))
	ORDER BY a.seq DESC LIMIT $4`;
const READ = `${ALERTS} WHERE a.id = $1`;

/** The newest first. */
export async function listAlerts(database: Queryable, question: AlertQuestion): Promise<AlertView[]> {
	const values = [question.teamId ?? null, question.isFiring ?? false, question.isDead ?? false, question.limit];
	return (await database.query<AlertRow>(LIST, values)).rows.map(toView);
}

/** @throws CostControlError "admin.not_found". */
export async function readAlert(database: Queryable, id: string): Promise<AlertView> {
	const row = (await database.query<AlertRow>(READ, [id])).rows[0];
	if (!row) throw new CostControlError("admin.not_found", `There is no alert ${id}. Those there are: npx tollgate alerts`);
	return toView(row);
}

const RETRY = "SELECT tollgate.retry_dead_alerts($1) AS waiting";

/** Sends what was given up again, of one alert or (undefined) of all; resolves with how many deliveries wait again. @throws CostControlError "admin.not_found". */
export async function retryDeadAlerts(database: Queryable, id: string | undefined): Promise<number> {
	if (id !== undefined) await readAlert(database, id);
	return Number((await database.query<{ waiting: string }>(RETRY, [id ?? null])).rows[0]?.waiting);
}

const ACKNOWLEDGE = `
	UPDATE tollgate.alert_delivery d SET acknowledged_at = clock_timestamp(), acknowledged_by = $2 FROM tollgate.alert a
	WHERE a.seq = d.alert_seq AND a.id = $1 AND d.state = 'dead' AND d.acknowledged_at IS NULL`;

/** A person has seen that it could not be delivered: it is no longer counted as dead, and forgotten in time. @throws CostControlError "admin.not_found". */
export async function acknowledgeAlert(database: Queryable, id: string, adminName: string): Promise<AlertView> {
	await database.query(ACKNOWLEDGE, [id, adminName]);
	return readAlert(database, id);
}

function toView({ atMs, isFiring, ends, ...row }: AlertRow): AlertView {
	const alert: Alert = { ...row, atMs, isFiring, ends };
	const { title, runbook } = renderAlert(alert, null);
	const status = isFiring && row.endedAt !== null ? "ended" : statusOf(alert);
	return { ...row, at: new Date(atMs).toISOString(), status, title, runbook };
}
