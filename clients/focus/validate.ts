import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { parse } from "csv-parse";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { type FocusProblem, type FocusRow, type FocusValue, judgeColumns, judgeRow } from "#domain/focus/judge.ts";

/** Reads a CSV or Parquet file as FOCUS 1.2 and says what is wrong with it, in whatever it was written by. In memory are some thousand rows. */
export type FoundProblem = FocusProblem & { /** From 1, the names not counted; null: of the file as a whole. */ readonly row: number | null };

export type FocusJudgement = {
	readonly format: "csv" | "parquet";
	readonly rows: number;
	/** All of them; `problems` has the first. */
	readonly problemCount: number;
	readonly problems: readonly FoundProblem[];
};

/** Neither of both, or a file that ends in its middle. */
export class UnreadableFocusFile extends Error {
	override readonly name = "UnreadableFocusFile";
}

const PARQUET_MAGIC = "PAR1";
const ROWS_AT_ONCE = 5_000;
/** A text of a cell; larger ones are a mistake of quotes. */
const CELL_BYTES_MAX = 16 * 1024 * 1024;

/** `most`: problems that are kept; all are counted. @throws UnreadableFocusFile */
export async function validateFocusFile(file: string, most: number): Promise<FocusJudgement> {
	return (await isParquet(file)) ? validateParquet(file, most) : validateCsv(file, most);
}

class Findings {
	readonly problems: FoundProblem[] = [];
	rows = 0;
	count = 0;
	private readonly most: number;

	constructor(most: number) {
		this.most = most;
	}

	add(row: number | null, problems: readonly FocusProblem[]): void {
		this.count += problems.length;
		for (const problem of problems) if (this.problems.length < this.most) this.problems.push({ row, ...problem });
	}

	judge(row: FocusRow): void {
		this.add(++this.rows, judgeRow(row));
	}

	judgement(format: FocusJudgement["format"]): FocusJudgement {
		return { format, rows: this.rows, problemCount: this.count, problems: this.problems };
	}
}

async function isParquet(file: string): Promise<boolean> {
	const handle = await open(file).catch((error: unknown) => {
		throw new UnreadableFocusFile(error instanceof Error ? error.message : String(error), { cause: error });
	});
	try {
		const { buffer } = await handle.read({ buffer: Buffer.alloc(PARQUET_MAGIC.length), position: 0 });
		return buffer.toString("latin1") === PARQUET_MAGIC;
	} catch (error) {
		throw new UnreadableFocusFile(error instanceof Error ? error.message : String(error), { cause: error });
	} finally {
		await handle.close();
	}
}

async function validateCsv(file: string, most: number): Promise<FocusJudgement> {
	const findings = new Findings(most);
	const rows = createReadStream(file).pipe(parse({ bom: true, relax_column_count: true, skip_empty_lines: true, max_record_size: CELL_BYTES_MAX }));
	let columns: readonly string[] | undefined;
	try {
		for await (const cells of rows as AsyncIterable<string[]>) {
			if (columns === undefined) {
				columns = cells.map((name) => name.trim());
				findings.add(null, judgeColumns(columns));
			} else judgeCells(findings, columns, cells);
		}
	} catch (error) {
		throw new UnreadableFocusFile(`it cannot be read as CSV after ${findings.rows} rows: ${error instanceof Error ? error.message : String(error)}`, {
			cause: error,
		});
	}
	if (columns === undefined) throw new UnreadableFocusFile("it is empty: a FOCUS file begins with the names of its columns");
	return findings.judgement("csv");
}

function judgeCells(findings: Findings, columns: readonly string[], cells: readonly string[]): void {
	if (cells.length === columns.length)
		return findings.judge(Object.fromEntries(columns.map((name, index) => [name, cells[index] === "" ? null : cells[index]])));
	findings.add(++findings.rows, [
		{ column: columns[Math.min(cells.length, columns.length - 1)] ?? "", problem: `the row has ${cells.length} cells in place of ${columns.length}` },
	]);
}

async function validateParquet(file: string, most: number): Promise<FocusJudgement> {
	const findings = new Findings(most);
	try {
		const buffer = await asyncBufferFromFile(file);
		const metadata = await parquetMetadataAsync(buffer);
		findings.add(null, judgeColumns(parquetSchema(metadata).children.map(({ element }) => element.name)));
		const total = Number(metadata.num_rows);
		for (let rowStart = 0; rowStart < total; rowStart += ROWS_AT_ONCE) {
			const rows = await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd: Math.min(rowStart + ROWS_AT_ONCE, total) });
			for (const row of rows as Record<string, FocusValue>[]) findings.judge(row);
		}
	} catch (error) {
		throw new UnreadableFocusFile(`it cannot be read as Parquet after ${findings.rows} rows: ${error instanceof Error ? error.message : String(error)}`, {
			cause: error,
		});
	}
	return findings.judgement("parquet");
}
