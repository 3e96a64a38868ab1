import { open, rm } from "node:fs/promises";
import pg from "pg";
import { type ArchiveContent, type ArchivedChunk, ArchiveError, ArchiveTally, isChunkProven, readArchive } from "./archive-file.ts";

/**
 * Moves a past month of the ledger into a file (migrations/0012). First the file is written and proven, chunk by chunk,
 * against the hash chain; then one transaction takes out of the database exactly what the file holds, or nothing.
 */

const CHUNKS_PER_FETCH = 200;
/** Settling waits for the detaching of the partitions: rather than hold it up, the archiving is given up. */
const LOCK_TIMEOUT_MS = 1_000;

const CHUNKS = `
	SELECT c.gateway_id AS "gatewayId", c.epoch::text, c.chunk_seq::text AS "chunkSeq", c.entry_count AS "entryCount",
	       encode(c.previous_hash, 'hex') AS "previousHash", encode(c.hash, 'hex') AS hash, x.text, x.rows
	FROM tollgate.archivable_chunks($1::date) k
	JOIN tollgate.chunk c ON (c.gateway_id, c.epoch, c.chunk_seq) = (k.gateway_id, k.epoch, k.chunk_seq)
	CROSS JOIN LATERAL tollgate.chunk_content(c.gateway_id, c.epoch, c.chunk_seq) x
	ORDER BY c.gateway_id COLLATE "C", c.epoch, c.chunk_seq`;
const FINISH = "SELECT tollgate.archive_month($1::date, $2, $3, $4, $5, $6, $7)";
const PARTITION = "SELECT to_regclass('tollgate.entry_' || to_char($1::date, 'YYYY_MM')) IS NOT NULL AS exists";

export type ArchiveOptions = {
	readonly databaseUrl: string;
	/** Like "2026-10". */
	readonly month: string;
	/** Must not exist. An absolute path: the database keeps it for whoever looks for a call of the month. */
	readonly file: string;
	/** Stands beside the change. */
	readonly adminName: string;
};

/**
 * @returns what left the database. @throws ArchiveError for a month that is none, is not over, holds nothing to archive or is
 *   archived already, and for a chunk that the hash chain does not prove; the driver's and the file system's own errors.
 */
export async function archiveMonth(options: ArchiveOptions): Promise<ArchiveContent> {
	if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(options.month)) throw new ArchiveError(`${JSON.stringify(options.month)} is no month like 2026-10`);
	const client = new pg.Client({ connectionString: options.databaseUrl, application_name: "tollgate archive", connectionTimeoutMillis: 5_000 });
	await client.connect();
	try {
		await client.query("SET timezone = 'UTC'");
		await writeMonth(client, options);
		const content = await readArchive(options.file);
		await client.query("BEGIN");
		await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
		const { chunks, entries, digest, fileHash } = content;
		await client.query(FINISH, [firstDay(options.month), chunks, entries, digest, options.file, fileHash, options.adminName]);
		await client.query("COMMIT");
		return content;
	} finally {
		await client.end();
	}
}

function firstDay(month: string): string {
	return `${month}-01`;
}

/** Only a whole file stays: the last line says so. */
async function writeMonth(client: pg.Client, { month, file }: ArchiveOptions): Promise<void> {
	const partition = await client.query<{ exists: boolean }>(PARTITION, [firstDay(month)]);
	if (partition.rows[0]?.exists !== true) throw new ArchiveError(`there is no month ${month} in the ledger, or it is archived already`);
	const handle = await open(file, "wx", 0o600);
	try {
		const tally = new ArchiveTally();
		await handle.write(`${JSON.stringify({ type: "month", format: 1, month })}\n`);
		for await (const chunk of readChunks(client, month)) {
			if (!isChunkProven(chunk))
				throw new ArchiveError(`chunk ${chunk.gatewayId}/${chunk.epoch}/${chunk.chunkSeq} is not what its hash was taken of; run tollgate verify`);
			tally.add(chunk);
			await handle.write(`${JSON.stringify(chunk)}\n`);
		}
		if (tally.chunks === 0) throw new ArchiveError(`month ${month} is not over, or holds nothing that can be archived`);
		await handle.write(`${JSON.stringify({ type: "end", chunks: tally.chunks, entries: tally.entries, digest: tally.digest().toString("hex") })}\n`);
		await handle.sync();
		await handle.close();
	} catch (error) {
		await handle.close().catch(() => undefined); // already failing: the first error is the one to report
		await rm(file, { force: true });
		throw error;
	}
}

async function* readChunks(client: pg.Client, month: string): AsyncGenerator<ArchivedChunk> {
	await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
	try {
		await client.query(`DECLARE archive NO SCROLL CURSOR FOR ${CHUNKS}`, [firstDay(month)]);
		for (;;) {
			const { rows } = await client.query<Omit<ArchivedChunk, "type">>(`FETCH ${CHUNKS_PER_FETCH} FROM archive`);
			for (const row of rows) yield { type: "chunk", ...row };
			if (rows.length < CHUNKS_PER_FETCH) return;
		}
	} finally {
		await client.query("ROLLBACK");
	}
}

const ARCHIVED = "SELECT chunks::int, entries::int, digest FROM tollgate.archived_month WHERE month = $1::date";

/**
 * Whether a file proves what the database has archived: every chunk by its hash, all of them by the digest that the
 * database kept. @throws ArchiveError saying what does not fit.
 */
export async function proveArchive(databaseUrl: string, file: string): Promise<ArchiveContent> {
	const content = await readArchive(file);
	const client = new pg.Client({ connectionString: databaseUrl, application_name: "tollgate archive", connectionTimeoutMillis: 5_000 });
	await client.connect();
	try {
		const { rows } = await client.query<{ chunks: number; entries: number; digest: Buffer }>(ARCHIVED, [firstDay(content.month)]);
		const [kept] = rows;
		if (kept === undefined) throw new ArchiveError(`month ${content.month} is not archived in this ledger`);
		if (!kept.digest.equals(content.digest)) throw new ArchiveError(`the file of ${content.month} is whole, but not the one that this ledger was archived to`);
		return content;
	} finally {
		await client.end();
	}
}
