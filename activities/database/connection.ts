import pg from "pg";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

export type ConnectionOptions = {
	readonly url: string;
	readonly applicationName: string;
	/** Default 2,000 ms. */
	readonly statementTimeoutMs?: number;
	/**
	 * Statements are planned once per connection, not at every call. For grants and heartbeats, whose planning takes longer than they
	 * do, and under their locks; not for statements whose best plan depends on their values, like a chunk of few or of many rows. Default false.
	 */
	readonly plansOnce?: boolean;
	/** Runs on each new connection, before any statement. */
	readonly onOpen?: (client: pg.Client) => Promise<void>;
};

const PLANS_ONCE = " -c plan_cache_mode=force_generic_plan";

/**
 * One PostgreSQL connection that opens itself when it is needed and again after it was lost.
 * Statements are bounded on both sides (money-path §1): the server gives up a lock after 250 ms (a place in the line of grants
 * after 1 s) and a statement after 2 s, the client stops waiting after 2.5 s, so that a paused server never hangs a call.
 */
export class Connection {
	private readonly config: pg.ClientConfig;
	private client: pg.Client | undefined;
	private opening: Promise<pg.Client> | undefined;
	private isClosed = false;
	/** The statement under way: one at a time, in the order asked. */
	private tail: Promise<unknown> = Promise.resolve();
	private readonly onOpen: ((client: pg.Client) => Promise<void>) | undefined;
	statements = 0;

	constructor(input: ConnectionOptions) {
		const statementTimeoutMs = input.statementTimeoutMs ?? 2_000;
		this.onOpen = input.onOpen;
		this.config = {
			connectionString: input.url,
			application_name: input.applicationName,
			connectionTimeoutMillis: 2_000,
			query_timeout: statementTimeoutMs + 500,
			keepAlive: true,
			options: `-c lock_timeout=250 -c statement_timeout=${statementTimeoutMs} -c idle_in_transaction_session_timeout=1000${input.plansOnce ? PLANS_ONCE : ""}`,
		};
	}

	/** Runs one prepared statement. Throws CostControlError "authority.unreachable" when PostgreSQL does not answer, the database's own error otherwise. */
	query<Row extends pg.QueryResultRow>(name: string | undefined, text: string, values: readonly unknown[]): Promise<Row[]> {
		const result = this.tail.then(() => this.run<Row>(name, text, values));
		this.tail = result.catch(() => undefined); // the asker sees the error; the next statement does not depend on it
		return result;
	}

	/** The same for rare statements that are not worth preparing. */
	readonly unprepared = {
		query: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<{ readonly rows: Row[] }> => ({
			rows: await this.query<Row>(undefined, text, values),
		}),
	};

	private async run<Row extends pg.QueryResultRow>(name: string | undefined, text: string, values: readonly unknown[]): Promise<Row[]> {
		const client = await this.open();
		this.statements++;
		const sent = [...values];
		try {
			return (await client.query<Row>({ ...(name !== undefined && { name }), text, values: sent })).rows;
		} catch (error) {
			if (isDatabaseAnswer(error)) throw error;
			if (!isLimit(error)) this.drop(client);
			throw unreachable(error);
		} finally {
			// The client's query outlives its answer by several collections of the young generation; with its values that was half a megabyte of garbage
			// a second in the old generation of a busy gateway.
			sent.length = 0;
		}
	}

	/** Opens the connection now, so that `onOpen` (LISTEN) is in force. */
	async open(): Promise<pg.Client> {
		if (this.isClosed) throw unreachable(new Error("connection closed"));
		if (this.client) return this.client;
		this.opening ??= this.connect().finally(() => {
			this.opening = undefined;
		});
		return this.opening;
	}

	async close(): Promise<void> {
		this.isClosed = true;
		await this.tail;
		const client = this.client;
		this.client = undefined;
		if (client) await client.end();
	}

	private async connect(): Promise<pg.Client> {
		const client = new pg.Client(this.config);
		client.on("error", () => this.drop(client));
		client.on("end", () => this.drop(client));
		try {
			await client.connect();
			await this.onOpen?.(client);
		} catch (error) {
			client.end().catch(() => undefined); // already failing: the first error is the one to report
			throw unreachable(error);
		}
		this.client = client;
		return client;
	}

	private drop(client: pg.Client): void {
		if (this.client !== client) return;
		this.client = undefined;
		client.end().catch(() => undefined); // the socket is gone or hung; nothing is left to report
	}
}

/** Answers of the database about the statement itself, as against a connection that failed or a limit that ran out. */
function isDatabaseAnswer(error: unknown): boolean {
	const state = (error as { code?: unknown }).code;
	if (typeof state !== "string" || !/^[0-9A-Z]{5}$/.test(state)) return false;
	return !["08", "53", "57", "58"].includes(state.slice(0, 2)) && state !== "25P03" && !isLimit(error);
}

/** The server gave up a lock (55P03) or the statement (57014) in time, as asked: the connection is as good as before. */
function isLimit(error: unknown): boolean {
	return ["55P03", "57014"].includes((error as { code?: string }).code ?? "");
}

function unreachable(cause: unknown): CostControlError {
	return new CostControlError("authority.unreachable", "the budget authority does not answer", { cause });
}
