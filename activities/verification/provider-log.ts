import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { z } from "zod";
import { readJson } from "#domain/text/read-json.ts";
import type { Snapshot } from "./snapshot.ts";

/**
 * The provider's own call log, one JSON object per line: what was really billed. It is streamed into a
 * temporary table, so that matching is a join and a log of any size fits.
 */
const LogLine = z.object({
	attemptId: z.string().nullish(),
	providerRequestId: z.string().nullish(),
	/** ISO 8601, or epoch milliseconds. */
	at: z
		.union([z.string(), z.number()])
		.transform((at) => new Date(at))
		.refine((at) => !Number.isNaN(at.getTime()), "not a time"),
	protocol: z.string(),
	model: z.string(),
	serviceTier: z.string().nullish(),
	/** null: the provider billed nothing for this call. */
	usage: z.record(z.string(), z.unknown()).nullish(),
});

/** The log as it stood before the gateways were asked to flush: only those lines must be in the ledger. */
export type ProviderLog = { readonly path: string; readonly bytesBeforeFlush: number };

/** A log that cannot be judged; names the line. */
export class ProviderLogError extends Error {
	override readonly name = "ProviderLogError";
}

/** Remembers how long the log is now. @throws ProviderLogError when there is no such file. */
export async function openProviderLog(path: string): Promise<ProviderLog> {
	try {
		return { path, bytesBeforeFlush: (await stat(path)).size };
	} catch (error) {
		throw new ProviderLogError(`cannot read the provider log ${path}`, { cause: error });
	}
}

const CREATE_TABLE = `
	CREATE TEMPORARY TABLE verification_log (
		line integer, attempt_id text, gateway_id text, epoch bigint, at timestamptz, protocol text, model text, service_tier text, usage jsonb,
		is_late boolean
	) ON COMMIT DROP`;

const INSERT_LINES = `
	INSERT INTO verification_log
	SELECT x.line, x.attempt_id, substring(x.attempt_id FROM '^(.+)-[0-9]{1,18}-[0-9]{1,18}$'), substring(x.attempt_id FROM '^.+-([0-9]{1,18})-[0-9]{1,18}$')::bigint,
	       x.at, x.protocol, x.model, x.service_tier, x.usage, x.is_late
	FROM jsonb_to_recordset($1::jsonb) AS x (line integer, attempt_id text, at timestamptz, protocol text, model text, service_tier text, usage jsonb, is_late boolean)`;

const LINES_PER_INSERT = 2_000;

/** Loads the billed lines into `verification_log`; returns how many there are. @throws ProviderLogError naming a line it cannot read. */
export async function loadProviderLog(snapshot: Snapshot, log: ProviderLog, onTorn: (lineNumber: number) => void): Promise<number> {
	await snapshot.run(CREATE_TABLE);
	let [lineNumber, bytesRead, billed] = [0, 0, 0];
	let page: object[] = [];
	const flush = async () => {
		await snapshot.run(INSERT_LINES, [JSON.stringify(page)]);
		page = [];
	};
	const lines = createInterface({ input: createReadStream(log.path, { encoding: "utf8" }), crlfDelay: Number.POSITIVE_INFINITY });
	for await (const text of lines) {
		lineNumber += 1;
		bytesRead += Buffer.byteLength(text) + 1;
		// A log being written may end in half a line; it was not there before the flush.
		const isLate = bytesRead > log.bytesBeforeFlush + 1;
		const row = parseLine(text, lineNumber, { isLate, onTorn });
		if (!row) continue;
		billed += 1;
		page.push(row);
		if (page.length === LINES_PER_INSERT) await flush();
	}
	await flush();
	await snapshot.run("CREATE INDEX ON verification_log (attempt_id)");
	await snapshot.run("ANALYZE verification_log");
	return billed;
}

/** A line torn by a kill is one whose answer never left whole; the provider goes on in the next line. */
function readLogLine(text: string, lineNumber: number, reader: LineReader): unknown {
	try {
		return readJson(text);
	} catch (error) {
		if (!text.startsWith('{"')) throw new ProviderLogError(`line ${lineNumber} of the provider log is no JSON`, { cause: error });
		if (!reader.isLate) reader.onTorn(lineNumber);
		return undefined;
	}
}

type LineReader = { readonly isLate: boolean; readonly onTorn: (lineNumber: number) => void };

function parseLine(text: string, lineNumber: number, reader: LineReader): object | undefined {
	if (text.trim() === "") return undefined;
	const json = readLogLine(text, lineNumber, reader);
	if (json === undefined) return undefined;
	const parsed = LogLine.safeParse(json);
	if (!parsed.success)
		throw new ProviderLogError(
			`line ${lineNumber} of the provider log: ${parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join(", ")}`,
		);
	const { attemptId, at, protocol, model, serviceTier, usage } = parsed.data;
	if (!usage) return undefined;
	return {
		line: lineNumber,
		attempt_id: attemptId?.replaceAll("\u0000", "") ?? null,
		at: at.toISOString(),
		protocol,
		model,
		service_tier: serviceTier ?? null,
		usage,
		is_late: reader.isLate,
	};
}
