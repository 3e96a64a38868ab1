import { assert } from "#domain/assert.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { priceLineFromJson, priceLineToJson } from "#domain/pricing/line-codec.ts";
import { makePriceBook } from "#domain/pricing/make-price-book.ts";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";
import type { CurrentPriceBook, DatedPriceLine, LoadedPrices, PriceFile, PriceOrigin, Queryable } from "./port.ts";
import { checksumOf, readEffectiveFrom, readLine, refuseClaimedTwice } from "./price-file.ts";

/**
 * The price book in PostgreSQL: append-only lines, each under the version that wrote it. The book at
 * version v and time t holds, per provider and model, the line of the highest version ≤ v whose
 * effective date has come by t. A writer claims "newest version + 1"; who loses the race reads again.
 */

// `effective_from` is asked against the server's clock in the same statement that reads the version.
const READ_CURRENT = `
	WITH newest AS (SELECT coalesce(max(version), 0) AS version FROM tollgate.price_version)
	SELECT n.version::text AS version, floor(extract(epoch FROM statement_timestamp()) * 1000)::float8 AS "asOfMs",
	       (SELECT ceil(extract(epoch FROM min(l.effective_from) - statement_timestamp()) * 1000)::float8
	        FROM tollgate.price_line l WHERE l.version <= n.version AND l.effective_from > statement_timestamp()) AS "msUntilNextPrice",
	       (SELECT coalesce(jsonb_agg(c.line ORDER BY c.provider, c.model), '[]') FROM (
	          SELECT DISTINCT ON (l.provider, l.model) l.provider, l.model, l.line
	          FROM tollgate.price_line l
	          WHERE l.version <= n.version AND l.effective_from <= statement_timestamp()
	          ORDER BY l.provider, l.model, l.version DESC, l.effective_from DESC) c) AS lines
	FROM newest n`;

/** The book in force now. Without any loaded price it is version 0 and empty. */
export async function readCurrentPriceBook(database: Queryable): Promise<CurrentPriceBook> {
	const { rows } = await database.query<{ version: string; asOfMs: number; msUntilNextPrice: number | null; lines: unknown[] }>(READ_CURRENT);
	const row = rows[0];
	assert(row, "the current price book is one row");
	return { book: makePriceBook(Number(row.version), row.lines.map(decodeStored), row.asOfMs), msUntilNextPrice: row.msUntilNextPrice ?? undefined };
}

const READ_AT = `
	SELECT EXISTS (SELECT 1 FROM tollgate.price_version WHERE version = $1::bigint) AS "isKnown",
	       (SELECT coalesce(jsonb_agg(c.line ORDER BY c.provider, c.model), '[]') FROM (
	          SELECT DISTINCT ON (l.provider, l.model) l.provider, l.model, l.line
	          FROM tollgate.price_line l
	          WHERE l.version <= $1::bigint AND l.effective_from <= coalesce($2::timestamptz, statement_timestamp())
	          ORDER BY l.provider, l.model, l.version DESC, l.effective_from DESC) c) AS lines`;

/**
 * The book at the version frozen in a reservation. `at` is the `asOfMs` frozen beside it, as ISO 8601;
 * undefined = now, which differs only where a later date of that version has come since.
 * @throws CostControlError "admin.not_found" for a version that was never loaded.
 */
export async function readPriceBookAt(database: Queryable, version: number, at?: string): Promise<PriceBook> {
	const { rows } = await database.query<{ isKnown: boolean; lines: unknown[] }>(READ_AT, [version, at ?? null]);
	const row = rows[0];
	assert(row, "a price book is one row");
	if (!row.isKnown) throw new CostControlError("admin.not_found", `there is no price book version ${version}`);
	return makePriceBook(version, row.lines.map(decodeStored));
}

/**
 * Loads a file of prices: a new version when its content is not the last one loaded from that source,
 * nothing otherwise. A seed leaves alone what a person priced and gives up aliases others hold.
 * @throws CostControlError "admin.conflict" when an id would belong to two models.
 */
export async function loadPriceFile(database: Queryable, file: PriceFile, origin: "seed" | "file", adminName: string): Promise<LoadedPrices> {
	const source = `${origin}/${file.source}`;
	return retryLostRaces(async () => {
		const stored = await readStored(database, source);
		if (stored.checksum === file.checksum) return { kind: "unchanged", version: stored.version };
		const wanted = origin === "seed" ? yieldToOthers(file.lines, stored.rows) : file.lines;
		const changed = wanted.filter((line) => !stored.rows.some((row) => isSame(row, line)));
		refuseClaimedTwice(merge(stored.rows, changed), file.source);
		const written = await writeVersion(database, { expected: stored.version, source, checksum: file.checksum, adminName, subject: source, lines: changed });
		return written && { kind: "loaded", version: written.version, lineCount: changed.length, revision: written.revision };
	});
}

/**
 * Sets one price, on record under the administrator's name. `line` is the JSON form of a price line.
 * @throws CostControlError "admin.invalid" naming the field, "admin.conflict" when an id belongs to another model.
 */
export async function setPrice(
	database: Queryable,
	request: { readonly line: unknown; readonly effectiveFrom?: unknown },
	adminName: string,
): Promise<{ readonly version: number; readonly revision: string }> {
	const line = readLine(request.line, "price", "line");
	const dated: DatedPriceLine = { line, effectiveFrom: readEffectiveFrom(request.effectiveFrom, "price", "effectiveFrom") };
	return retryLostRaces(async () => {
		const stored = await readStored(database, "");
		refuseClaimedTwice(merge(stored.rows, [dated]), "price");
		return writeVersion(database, {
			expected: stored.version,
			source: `admin/${adminName}`,
			checksum: checksumOf([dated]),
			adminName,
			subject: `${line.provider}/${line.model}`,
			lines: [dated],
		});
	});
}

type StoredRow = DatedPriceLine & { readonly origin: PriceOrigin };
type Stored = { readonly version: number; readonly checksum: string | null; readonly rows: readonly StoredRow[] };

/** Newest version, last checksum of the source, and per model and date the newest line with its origin. */
const READ_STORED = `
	SELECT (SELECT coalesce(max(version), 0)::text FROM tollgate.price_version) AS version,
	       (SELECT checksum FROM tollgate.price_version WHERE source = $1 ORDER BY version DESC LIMIT 1) AS checksum,
	       (SELECT coalesce(jsonb_agg(jsonb_build_object('source', c.source, 'line', c.line,
	                 'effectiveFrom', CASE WHEN c.effective_from > '-infinity' THEN to_char(c.effective_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END)), '[]')
	        FROM (SELECT DISTINCT ON (provider, model, effective_from) source, line, effective_from
	              FROM tollgate.price_line ORDER BY provider, model, effective_from, version DESC) c) AS rows`;

async function readStored(database: Queryable, source: string): Promise<Stored> {
	const { rows } = await database.query<{ version: string; checksum: string | null; rows: { source: string; line: unknown; effectiveFrom: string | null }[] }>(
		READ_STORED,
		[source],
	);
	const row = rows[0];
	assert(row, "stored prices are one row");
	return {
		version: Number(row.version),
		checksum: row.checksum,
		rows: row.rows.map((stored) => ({ line: decodeStored(stored.line), effectiveFrom: stored.effectiveFrom ?? undefined, origin: originOf(stored.source) })),
	};
}

const WRITE_VERSION = `
	WITH created AS (
		INSERT INTO tollgate.price_version (version, source, checksum, created_by)
		VALUES ($1::bigint + 1, $2, $3, $4)
		ON CONFLICT DO NOTHING
		RETURNING version
	), written AS (
		INSERT INTO tollgate.price_line (version, provider, model, effective_from, line, source, created_by)
		SELECT c.version, l.line->>'provider', l.line->>'model', coalesce(l.effective_from, '-infinity'), l.line, $2, $4
		FROM created c, jsonb_to_recordset($5::jsonb) AS l(effective_from timestamptz, line jsonb)
	)
	SELECT version::text AS version,
	       tollgate.record_change('price', $6, $4, jsonb_build_object('version', version, 'source', $2::text, 'lines', jsonb_array_length($5::jsonb)))::text AS revision
	FROM created`;

type NewVersion = {
	readonly expected: number;
	readonly source: string;
	readonly checksum: string;
	readonly adminName: string;
	readonly subject: string;
	readonly lines: readonly DatedPriceLine[];
};

/** undefined when somebody else took the version first. */
async function writeVersion(database: Queryable, version: NewVersion): Promise<{ version: number; revision: string } | undefined> {
	const lines = version.lines.map(({ line, effectiveFrom }) => ({ effective_from: effectiveFrom ?? null, line: priceLineToJson(line) }));
	const { rows } = await database.query<{ version: string; revision: string }>(WRITE_VERSION, [
		version.expected,
		version.source,
		version.checksum,
		version.adminName,
		JSON.stringify(lines),
		version.subject,
	]);
	return rows[0] && { version: Number(rows[0].version), revision: rows[0].revision };
}

const MAX_RACES = 20;

/** A lost race means that somebody else's version is in: each round one of the contenders gets through. */
async function retryLostRaces<T>(attempt: () => Promise<T | undefined>): Promise<T> {
	for (let round = 0; round < MAX_RACES; round += 1) {
		const result = await attempt();
		if (result !== undefined) return result;
	}
	throw new CostControlError("admin.conflict", "prices are being changed by others at the same time; try again");
}

/** Seed lines without the models a person priced, and without aliases that another stored model holds. */
function yieldToOthers(seed: readonly DatedPriceLine[], rows: readonly StoredRow[]): readonly DatedPriceLine[] {
	const seedModels = new Set(seed.map(({ line }) => idKey(line.provider, line.model)));
	const kept = rows.filter(({ line, origin }) => origin !== "seed" || !seedModels.has(idKey(line.provider, line.model)));
	const priced = new Set(kept.map(({ line }) => idKey(line.provider, line.model)));
	const claimed = new Set(kept.flatMap(({ line }) => [line.model, ...line.aliases].map((id) => idKey(line.provider, id))));
	return seed
		.filter(({ line }) => !priced.has(idKey(line.provider, line.model)) && !claimed.has(idKey(line.provider, line.model)))
		.map(({ line, effectiveFrom }) => ({
			effectiveFrom,
			line: { ...line, aliases: line.aliases.filter((alias) => !claimed.has(idKey(line.provider, alias))) },
		}));
}

/** What would be stored: each changed line replaces the one of the same model and date. */
function merge(rows: readonly DatedPriceLine[], changed: readonly DatedPriceLine[]): readonly PriceLine[] {
	const isReplaced = (row: DatedPriceLine): boolean => changed.some((line) => isSameSlot(row, line));
	return [...rows.filter((row) => !isReplaced(row)), ...changed].map(({ line }) => line);
}

function isSame(row: DatedPriceLine, line: DatedPriceLine): boolean {
	return isSameSlot(row, line) && JSON.stringify(priceLineToJson(row.line)) === JSON.stringify(priceLineToJson(line.line));
}

function isSameSlot(left: DatedPriceLine, right: DatedPriceLine): boolean {
	return left.line.provider === right.line.provider && left.line.model === right.line.model && instantOf(left) === instantOf(right);
}

function instantOf({ effectiveFrom }: DatedPriceLine): number {
	return effectiveFrom === undefined ? Number.NEGATIVE_INFINITY : Date.parse(effectiveFrom);
}

function idKey(provider: string, id: string): string {
	return JSON.stringify([provider, id]);
}

function originOf(source: string): PriceOrigin {
	if (source.startsWith("seed/")) return "seed";
	return source.startsWith("file/") ? "file" : "admin";
}

function decodeStored(value: unknown): PriceLine {
	const decoded = priceLineFromJson(value);
	if (decoded.kind === "problem") assert(false, `stored price line: ${decoded.field} ${decoded.message}`);
	return decoded.line;
}
