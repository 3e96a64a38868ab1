import pg from "pg";
import { Connection } from "#activities/database/connection.ts";

/**
 * Statements at which a process of a test stands still until it is killed: `statement` is part of the text, `value` of one of its values; "before": it is not
 * sent, "after": it is done and nobody is told. Each holds the first statement that it fits.
 */
export type HeldStatement = { readonly at: "before" | "after"; readonly statement: string; readonly value: string };

/** What a process of a test says on its standard output when it stands at the one with this number. */
export const heldLine = (index: number): string => `held ${index}`;

/** From now on, in every connection of this process. */
export function holdStatements(held: readonly HeldStatement[]): void {
	const left = new Map(held.entries());
	const holding = async <Result>(text: unknown, values: unknown, send: () => Promise<Result>): Promise<Result> => {
		const words = String(text);
		const given = JSON.stringify(values ?? []);
		const found = [...left].find(([, one]) => words.includes(one.statement) && given.includes(one.value));
		if (found === undefined) return send();
		const [index, { at }] = found;
		left.delete(index);
		if (at === "after") await send();
		process.stdout.write(`${heldLine(index)}\n`);
		return new Promise<never>(() => undefined);
	};
	const ofConnection = Connection.prototype.query;
	Connection.prototype.query = function query<Row extends pg.QueryResultRow>(this: Connection, ...given: Parameters<typeof ofConnection>): Promise<Row[]> {
		return holding(given[1], given[2], () => ofConnection.call(this, ...given) as Promise<Row[]>);
	};
	const ofPool = pg.Pool.prototype.query as (this: pg.Pool, ...given: unknown[]) => Promise<pg.QueryResult>;
	pg.Pool.prototype.query = function query(this: pg.Pool, ...given: unknown[]) {
		return holding(given[0], given[1], () => ofPool.call(this, ...given));
	} as typeof pg.Pool.prototype.query;
}
