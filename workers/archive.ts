import path from "node:path";
import { parseArgs } from "node:util";
import { archiveMonth, proveArchive } from "#activities/ledger/archive.ts";
import { loadSettings, requireDatabaseUrl } from "#config/load.ts";

// The process behind `tollgate ledger archive` and `tollgate ledger prove`: reads DATABASE_URL, exits 0 when done or proven, 1 when not.

try {
	const { values } = parseArgs({
		options: { month: { type: "string" }, to: { type: "string" }, prove: { type: "string" }, json: { type: "boolean" }, "admin-name": { type: "string" } },
	});
	const databaseUrl = requireDatabaseUrl(loadSettings());
	const file = path.resolve(values.prove ?? values.to ?? "");
	const { month, chunks, entries, digest, fileHash } =
		values.prove === undefined
			? await archiveMonth({ databaseUrl, month: values.month ?? "", file, adminName: values["admin-name"] ?? "archive" })
			: await proveArchive(databaseUrl, file);
	const said = { month, file, chunks, entries, digest: digest.toString("hex"), fileHash: fileHash.toString("hex") };
	const verb = values.prove === undefined ? "is archived in" : "is proven by";
	process.stdout.write(
		values.json ? `${JSON.stringify(said)}\n` : `Month ${month} ${verb} ${file}: ${entries} entries in ${chunks} chunks, sha256 ${said.fileHash}.\n`,
	);
} catch (error) {
	process.stderr.write(`tollgate ledger: ${error instanceof Error ? error.message : String(error)}\n`);
	process.exitCode = 1;
}
