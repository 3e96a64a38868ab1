import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";

/** The database and this release disagree about the schema. The message says what to do. */
export class MigrationError extends Error {
	override readonly name = "MigrationError";
}

export type Migration = { readonly number: number; readonly name: string; readonly checksum: string; readonly sql: string };
export type MigrationResult = { readonly applied: readonly string[]; readonly schemaNumber: number };
type AppliedMigration = { readonly number: number; readonly name: string; readonly checksum: string };

const MIGRATIONS_FOLDER = path.join(import.meta.dirname, "../../migrations");
const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;
// Any constant does, as long as nothing else in the database takes the same advisory lock.
const LOCK_ID = 7_011_550_001n;

/**
 * Brings a database to the schema of this release: forward only, in number order, each file in one transaction,
 * one runner at a time (a session advisory lock; others wait).
 *
 * @returns names of the files applied now, and the number the schema is at.
 * @throws MigrationError when the database is newer than this release or an applied file was edited;
 *   the driver's own error when the database cannot be reached or a file fails.
 */
export async function migrateDatabase(databaseUrl: string, folder: string = MIGRATIONS_FOLDER): Promise<MigrationResult> {
	const migrations = await readMigrations(folder);
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		await client.query("SELECT pg_advisory_lock($1)", [LOCK_ID.toString()]);
		return await applyPending(client, migrations);
	} finally {
		await client.end();
	}
}

/** The migration files of a folder, in number order. @throws MigrationError on a badly named file or a number used twice. */
export async function readMigrations(folder: string = MIGRATIONS_FOLDER): Promise<Migration[]> {
	const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
	const migrations = await Promise.all(names.map((name) => readMigration(folder, name)));
	for (const [index, migration] of migrations.entries()) {
		if (index > 0 && migrations[index - 1]?.number === migration.number) {
			throw new MigrationError(`Two migrations carry the number ${migration.number}; the later one needs the next free number.`);
		}
	}
	return migrations;
}

async function readMigration(folder: string, name: string): Promise<Migration> {
	const number = Number(FILE_NAME.exec(name)?.[1]);
	if (!Number.isInteger(number)) throw new MigrationError(`migrations/${name} is not named like 0001_name.sql.`);
	const sql = await readFile(path.join(folder, name), "utf8");
	return { number, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

async function applyPending(client: pg.Client, migrations: readonly Migration[]): Promise<MigrationResult> {
	const applied = await readApplied(client);
	rejectDisagreement(applied, migrations);
	const known = new Set(applied.map((row) => row.number));
	const pending = migrations.filter((migration) => !known.has(migration.number));
	for (const migration of pending) await applyOne(client, migration);
	return { applied: pending.map((migration) => migration.name), schemaNumber: migrations.at(-1)?.number ?? 0 };
}

async function readApplied(client: pg.Client): Promise<AppliedMigration[]> {
	await client.query("CREATE SCHEMA IF NOT EXISTS tollgate");
	await client.query(`CREATE TABLE IF NOT EXISTS tollgate.schema_migration (
		number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`);
	const result = await client.query<AppliedMigration>("SELECT number, name, checksum FROM tollgate.schema_migration ORDER BY number");
	return result.rows;
}

function rejectDisagreement(applied: readonly AppliedMigration[], migrations: readonly Migration[]): void {
	const newestFile = migrations.at(-1)?.number ?? 0;
	const newestApplied = applied.at(-1)?.number ?? 0;
	if (newestApplied > newestFile) {
		throw new MigrationError(
			`This database has schema ${newestApplied}, this release knows schemas up to ${newestFile}: a newer release has used it. ` +
				"Schemas only move forward, so run that newer release, or point DATABASE_URL (or TOLLGATE_HOME) at another database.",
		);
	}
	const files = new Map(migrations.map((migration) => [migration.number, migration]));
	for (const row of applied) {
		if (files.get(row.number)?.checksum === row.checksum) continue;
		throw new MigrationError(
			`The database was migrated with ${row.name}, but that file has been changed or removed since. An applied migration is never edited: ` +
				"restore the file and put the change into a new migration with the next number; a throw-away database can be deleted and made anew.",
		);
	}
	const late = migrations.find((migration) => migration.number < newestApplied && !applied.some((row) => row.number === migration.number));
	if (late !== undefined) {
		throw new MigrationError(
			`The database is at schema ${newestApplied} without ${late.name}. Give that file the next free number, so that every database takes the same way.`,
		);
	}
}

async function applyOne(client: pg.Client, migration: Migration): Promise<void> {
	await client.query("BEGIN");
	try {
		await client.query(migration.sql);
		await client.query("INSERT INTO tollgate.schema_migration (number, name, checksum) VALUES ($1, $2, $3)", [
			migration.number,
			migration.name,
			migration.checksum,
		]);
		await client.query("COMMIT");
	} catch (error) {
		await client.query("ROLLBACK");
		throw new Error(`migrations/${migration.name}${describePlace(error, migration.sql)}: ${error instanceof Error ? error.message : String(error)}`, {
			cause: error,
		});
	}
}

/** ` line 12`, from the character position PostgreSQL reports (field P of its error message). */
function describePlace(error: unknown, sql: string): string {
	const position = Number((error as { position?: string }).position);
	return position > 0 ? ` line ${sql.slice(0, position).split("\n").length}` : "";
}
