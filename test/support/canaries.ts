import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";

/** Secrets that stand nowhere by chance, and the search for them in whatever form something could have let them out. */
export type Canary = { readonly name: string; readonly secret: string };
export type Source = { readonly name: string; readonly content: string };

/** Long enough that a hit is no accident; a shortened key ("sk-abc…xyz") is found by either end. */
const PART = 12;

/** As it is, its beginning and its end; in JSON, in a URL, in base64 at any place, and in PostgreSQL's text form of bytes. */
function formsOf(secret: string): string[] {
	const bytes = Buffer.from(secret);
	const json = JSON.stringify(secret).slice(1, -1);
	const base64 = [0, 1, 2].flatMap((shift) => {
		const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
		const inner = text.slice(Math.ceil((shift * 8) / 6), Math.floor(((bytes.length + shift) * 8) / 6));
		return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
	});
	const whole = [secret, json, json.replaceAll("/", "\\/"), encodeURIComponent(secret), bytes.toString("hex"), ...base64];
	return [...new Set([...whole, secret.slice(0, PART), secret.slice(-PART)])];
}

/** `<canary> in <source>` for each that is found. Binary content is searched as latin1. */
export function findLeaks(canaries: readonly Canary[], sources: readonly Source[]): string[] {
	return canaries.flatMap(({ name, secret }) => {
		const forms = formsOf(secret).map((form) => Buffer.from(form).toString("latin1"));
		return sources.flatMap((source) => {
			const found = forms.find((form) => source.content.includes(form));
			return found === undefined ? [] : [`${name} in ${source.name}: ${around(source.content, found)}`];
		});
	});
}

function around(content: string, found: string): string {
	const at = content.indexOf(found);
	return JSON.stringify(content.slice(Math.max(0, at - 80), at + found.length + 20));
}

/** Every file below a folder but those named. */
export function readFolder(folder: string, except: ReadonlySet<string>): Source[] {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
		.filter((name) => !except.has(name))
		.flatMap((name) => {
			const content = readStanding(path.join(folder, name));
			return content === undefined ? [] : [{ name, content }];
		});
}

/** A file may be gone since it was listed, as the rollback journal of a database is. */
function readStanding(file: string): string | undefined {
	try {
		return readFileSync(file, "latin1");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}

/** Every row of every table of the schema in PostgreSQL's text form, as a dump would hold it, and the text of statements that run. */
export async function readDatabase(client: pg.Client): Promise<Source[]> {
	const { rows: tables } = await client.query<{ name: string }>(
		"SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'tollgate' ORDER BY 1",
	);
	const sources: Source[] = [];
	for (const { name } of tables) {
		const { rows } = await client.query<{ line: string }>(`SELECT t::text AS line FROM ${name} t`);
		sources.push({ name: `table ${name}`, content: Buffer.from(rows.map((row) => row.line).join("\n")).toString("latin1") });
	}
	const { rows: statements } = await client.query<{ query: string }>("SELECT coalesce(query, '') AS query FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
	return [...sources, { name: "statements", content: statements.map((row) => row.query).join("\n") }];
}
