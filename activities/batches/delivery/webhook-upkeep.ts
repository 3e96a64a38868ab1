import type { Connection } from "#activities/database/connection.ts";

/** What keeps the outbox of webhooks small. Each may be run by several workers at once. */
type Sql = Pick<Connection, "query">;

const GIVEN_UP_AT_ONCE = 1_000;
/** What was delivered is kept so that people can see that it was; what was given up, so that it can be sent again. */
const DELIVERED_KEPT_DAYS = 7;
const DEAD_KEPT_DAYS = 30;

const GIVE_UP = "SELECT tollgate.give_up_orphans($1) AS webhooks";
const FORGET = "SELECT tollgate.forget_deferred_webhooks(make_interval(days => $1), make_interval(days => $2)) AS webhooks";

/** Gives up what waits for a channel that was removed. Returns how many. */
export async function giveUpOrphans(sql: Sql): Promise<number> {
	return Number((await sql.query<{ webhooks: string }>("give_up_orphans", GIVE_UP, [GIVEN_UP_AT_ONCE]))[0]?.webhooks ?? 0);
}

/** Forgets old webhooks, a thousand at most. Returns how many. */
export async function forgetOldWebhooks(sql: Sql): Promise<number> {
	return Number((await sql.query<{ webhooks: string }>("forget_deferred_webhooks", FORGET, [DELIVERED_KEPT_DAYS, DEAD_KEPT_DAYS]))[0]?.webhooks ?? 0);
}
