import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Connection } from "#activities/database/connection.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let sql: Connection;

beforeAll(async () => {
	database = await createTestDatabase();
	sql = new Connection({ url: database.url, applicationName: "test connection" });
});
afterAll(async () => {
	await sql.close();
	await database.close();
});

test("a statement that ended, well or not, keeps none of its values: they filled the old generation of a busy gateway", async () => {
	const asked = vi.spyOn(pg.Client.prototype, "query");
	const values = ["a long text"];
	expect(await sql.query("echo", "SELECT $1::text AS text", values)).toEqual([{ text: "a long text" }]);
	await expect(sql.query("broken", "SELECT $1::integer", values)).rejects.toMatchObject({ code: "22P02" });
	const kept = asked.mock.calls.map(([query]) => (query as unknown as pg.QueryConfig).values);
	expect(kept).toEqual([[], []]);
	expect(values).toEqual(["a long text"]);
});
