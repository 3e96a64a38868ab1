import type { Queryable } from "#activities/keys/port.ts";

/** A webhook of an ended item as administrators see it. Times are ISO 8601, UTC. */
export type WebhookView = {
	readonly deferredId: string;
	readonly teamId: string;
	readonly channel: string;
	readonly state: "waiting" | "delivered" | "dead";
	readonly attempts: number;
	/** Of one that waits. */
	readonly nextAttemptAt: string | null;
	/** What went wrong last. */
	readonly lastError: string | null;
	/** What the receiver said when it took it. */
	readonly answer: string | null;
	readonly endedAt: string | null;
};

export type WebhookQuestion = {
	readonly state: WebhookView["state"];
	readonly teamId?: string | undefined;
	readonly channel?: string | undefined;
	readonly limit: number;
};

const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const LIST = `
	SELECT deferred_id AS "deferredId", team_id AS "teamId", channel, state, attempts, CASE WHEN state = 'waiting' THEN ${iso("next_attempt_at")} END AS "nextAttemptAt",
		last_error AS "lastError", answer, ${iso("ended_at")} AS "endedAt"
	FROM tollgate.deferred_webhook WHERE state = $1 AND ($2::text IS NULL OR team_id = $2) AND ($3::text IS NULL OR channel = $3)
	ORDER BY at DESC, deferred_id LIMIT $4`;
const RETRY = "SELECT tollgate.retry_dead_webhooks($1, $2) AS waiting";

/** The newest end first. */
export async function listWebhooks(database: Queryable, { state, teamId, channel, limit }: WebhookQuestion): Promise<WebhookView[]> {
	return (await database.query<WebhookView>(LIST, [state, teamId ?? null, channel ?? null, limit])).rows;
}

/** Sends again what was given up, of one item, of a channel, or of all; resolves with how many wait again. */
export async function retryDeadWebhooks(
	database: Queryable,
	of: { readonly deferredId?: string | undefined; readonly channel?: string | undefined },
): Promise<number> {
	return Number((await database.query<{ waiting: string }>(RETRY, [of.deferredId ?? null, of.channel ?? null])).rows[0]?.waiting);
}
