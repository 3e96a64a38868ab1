import pg from "pg";
import type { ClaimedDelivery } from "#activities/alerts/port.ts";
import { type OpenAlertOutbox, openAlertOutbox } from "#activities/alerts/postgres.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

type Raised = {
	readonly key: string;
	readonly teamId?: string;
	readonly subject?: string;
	readonly kind?: string;
	readonly isFiring?: boolean;
	readonly detail?: object;
};

/** Alerts in a database of its own, and time that a test can let pass there. */
export class AlertDatabase {
	readonly database: TestDatabase;
	readonly client: pg.Client;
	readonly outbox: OpenAlertOutbox;

	private constructor(database: TestDatabase, client: pg.Client) {
		this.database = database;
		this.client = client;
		this.outbox = openAlertOutbox(database.url, () => undefined);
	}

	static async open(): Promise<AlertDatabase> {
		const database = await createTestDatabase();
		const client = new pg.Client({ connectionString: database.url });
		await client.connect();
		return new AlertDatabase(database, client);
	}

	async close(): Promise<void> {
		await this.outbox.close();
		await this.client.end();
		await this.database.close();
	}

	async rows<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
		return (await this.client.query<Row>(text, values)).rows;
	}

	async addChannel(name: string, kind: string, config: object = {}): Promise<void> {
		await this.client.query("INSERT INTO tollgate.alert_channel (name, kind, config) VALUES ($1, $2, $3)", [name, kind, JSON.stringify(config)]);
	}

	async addRoute(teamId: string, channel: string, kinds: readonly string[] = []): Promise<void> {
		await this.client.query("INSERT INTO tollgate.alert_route (team_id, channel, kinds) VALUES ($1, $2, $3)", [teamId, channel, kinds]);
	}

	/** False: the key is known. */
	async raise({ key, teamId = "a", subject = "", kind = "budget.stopped", isFiring = true, detail = {} }: Raised): Promise<boolean> {
		const [row] = await this.rows<{ is_new: boolean }>("SELECT tollgate.raise_alert($1, $2, $3, $4, 'warning', $5, $6) AS is_new", [
			key,
			teamId,
			subject,
			kind,
			isFiring,
			JSON.stringify(detail),
		]);
		return row?.is_new === true;
	}

	/** "alert key > channel state" of every delivery, in order. */
	async deliveries(): Promise<string[]> {
		const rows = await this.rows<{ line: string }>(
			"SELECT a.alert_key || ' > ' || d.channel || ' ' || d.state AS line FROM tollgate.alert_delivery d JOIN tollgate.alert a ON a.seq = d.alert_seq ORDER BY a.seq, d.channel",
		);
		return rows.map(({ line }) => line);
	}

	/** Keys of the alerts that may be sent now, as "key > channel". */
	async claimed(limit = 8): Promise<{ readonly names: string[]; readonly deliveries: readonly ClaimedDelivery[] }> {
		const deliveries = await this.outbox.claim(limit);
		const keys = new Map(
			(await this.rows<{ seq: string; alert_key: string }>("SELECT seq, alert_key FROM tollgate.alert")).map((row) => [row.seq, row.alert_key]),
		);
		return { deliveries, names: deliveries.map(({ alertSeq, channelName }) => `${keys.get(alertSeq)} > ${channelName}`) };
	}

	/** Lets so much time pass for everything that waits for a time. */
	async pass(ms: number): Promise<void> {
		const earlier = (column: string) => `${column} = ${column} - $1 * interval '1 millisecond'`;
		await this.client.query(`UPDATE tollgate.alert_delivery SET ${["next_attempt_at", "busy_until", "first_tried_at"].map(earlier).join(", ")}`, [ms]);
		await this.client.query(`UPDATE tollgate.alert_channel SET ${["free_at", "resent_at", "resending_until"].map(earlier).join(", ")}`, [ms]);
	}
}
