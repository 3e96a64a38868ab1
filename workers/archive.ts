import path from "node:path";
import { parseArgs } from "node:util";
import { archiveMonth, proveArchive } from "#activities/ledger/archive.ts";
import { type ArchiveContent, type ArchivedRow, ArchiveError, findArchived } from "#activities/ledger/archive-file.ts";
import { loadSettings, requireDatabaseUrl } from "#config/load.ts";

// The process behind `tollgate ledger archive`, `prove` and `explain`: exits 0 when done, proven or found, 1 when not. The first two read DATABASE_URL.

const { values } = parseArgs({
	options: {
		month: { type: "string" },
		to: { type: "string" },
		prove: { type: "string" },
		explain: { type: "string" },
		request: { type: "string" },
		json: { type: "boolean" },
		"admin-name": { type: "string" },
	},
});

try {
	const lines = values.explain === undefined ? await archiveOrProve() : await explain(path.resolve(values.explain), values.request ?? "");
	process.stdout.write(`${lines}\n`);
} catch (error) {
	process.stderr.write(`tollgate ledger: ${error instanceof Error ? error.message : String(error)}\n`);
	process.exitCode = 1;
}

async function archiveOrProve(): Promise<string> {
	const databaseUrl = requireDatabaseUrl(loadSettings());
	const file = path.resolve(values.prove ?? values.to ?? "");
	const { month, chunks, entries, digest, fileHash }: ArchiveContent =
		values.prove === undefined
			? await archiveMonth({ databaseUrl, month: values.month ?? "", file, adminName: values["admin-name"] ?? "archive" })
			: await proveArchive(databaseUrl, file);
	const said = { month, file, chunks, entries, digest: digest.toString("hex"), fileHash: fileHash.toString("hex") };
	const verb = values.prove === undefined ? "is archived in" : "is proven by";
	return values.json ? JSON.stringify(said) : `Month ${month} ${verb} ${file}: ${entries} entries in ${chunks} chunks, sha256 ${said.fileHash}.`;
}

async function explain(file: string, id: string): Promise<string> {
	const { month, rows } = await findArchived(file, id);
	if (rows.length === 0) throw new ArchiveError(`${file} holds no request ${id}; it holds ${month}`);
	return values.json ? JSON.stringify({ month, file, rows }) : rows.map(describe).join("\n\n");
}

/** Every column that says something, by its name in the ledger. */
function describe({ entry, attempt }: ArchivedRow): string {
	const columns = Object.entries({ ...attempt, ...entry }).filter(([, value]) => value !== null && JSON.stringify(value) !== "{}");
	const width = Math.max(...columns.map(([name]) => name.length));
	return columns.map(([name, value]) => `${name.padEnd(width)}  ${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join("\n");
}
