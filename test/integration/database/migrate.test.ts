import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MigrationError, migrateDatabase, readMigrations } from "#activities/database/migrate.ts";
import { createTestDatabase, type TestDatabase } from "#test/support/postgres.ts";

let database: TestDatabase;
let folder: string;

beforeEach(async () => {
	database = await createTestDatabase();
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-migrations-"));
	await cp(path.join(import.meta.dirname, "../../../migrations"), folder, { recursive: true });
});
afterEach(async () => {
	await database.close();
	await rm(folder, { recursive: true, force: true });
});

async function query(sql: string): Promise<Record<string, unknown>[]> {
	const client = new pg.Client({ connectionString: database.url });
	await client.connect();
	try {
		return (await client.query(sql)).rows;
	} finally {
		await client.end();
	}
}

test("a test database is migrated with every file there is, and a second run applies nothing", async () => {
	const files = (await readMigrations()).map((migration) => migration.name);
	const rows = await query("SELECT name FROM tollgate.schema_migration ORDER BY number");
	expect(rows.map((row) => row["name"])).toEqual(files);
	expect((await migrateDatabase(database.url)).applied).toEqual([]);
});

test("of two runners at once one applies the new file and the other finds it applied", async () => {
	await writeFile(path.join(folder, "9001_probe.sql"), "CREATE TABLE tollgate.probe (id integer);");
	const results = await Promise.all([migrateDatabase(database.url, folder), migrateDatabase(database.url, folder)]);
	expect(results.flatMap((result) => result.applied)).toEqual(["9001_probe.sql"]);
});

test("a file that fails leaves nothing of itself behind", async () => {
	await writeFile(path.join(folder, "9001_probe.sql"), "CREATE TABLE tollgate.probe (id integer); SELECT 1 / 0;");
	await expect(migrateDatabase(database.url, folder)).rejects.toThrow(/9001_probe\.sql.*division by zero/);
	expect(await query("SELECT to_regclass('tollgate.probe') AS table")).toEqual([{ table: null }]);
	expect(await query("SELECT FROM tollgate.schema_migration WHERE number = 9001")).toHaveLength(0);
});

test("a database of a newer release is refused with what to do", async () => {
	await query("INSERT INTO tollgate.schema_migration (number, name, checksum) VALUES (9999, '9999_future.sql', 'x')");
	await expect(migrateDatabase(database.url)).rejects.toThrow(/schema 9999.*run that newer release/);
	await expect(migrateDatabase(database.url)).rejects.toBeInstanceOf(MigrationError);
});

test("an applied file that was edited is refused by name", async () => {
	await writeFile(path.join(folder, "0001_authority.sql"), "-- edited");
	await expect(migrateDatabase(database.url, folder)).rejects.toThrow(/0001_authority\.sql.*changed or removed/);
});

test("a file numbered below what is applied is refused", async () => {
	await writeFile(path.join(folder, "9002_second.sql"), "SELECT 1;");
	await migrateDatabase(database.url, folder);
	await writeFile(path.join(folder, "9001_first.sql"), "SELECT 1;");
	await expect(migrateDatabase(database.url, folder)).rejects.toThrow(/9001_first\.sql.*next free number/);
});
