import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { stringify } from "csv-stringify";
import type { SchemaElement } from "hyparquet";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { EXPORTED_COLUMNS, type ExportedColumn } from "#domain/focus/charge.ts";
import { FOCUS_COLUMNS, type FocusType } from "#domain/focus/columns.ts";
import { parseUsd } from "#domain/money/wire.ts";
import { readJson } from "#domain/text/read-json.ts";
import { csvText } from "../csv-text.ts";

/** Rows of FOCUS as files. Each is written beside its name first, so that one that is cut is never taken for the whole; in memory is one row group at most. */
export type ExportedRow = Readonly<Record<ExportedColumn, string | null>>;

export const ROWS_PER_GROUP = 5_000;
const NANO_DIGITS = 9;
const COUNTS: ReadonlySet<string> = new Set(["x_Calls", "x_InputTokens", "x_OutputTokens"]);
const QUANTITIES: ReadonlySet<string> = new Set(["ConsumedQuantity", "PricingQuantity"]);

/** Answers how many rows it has. Texts that a spreadsheet would take for formulas have an apostrophe in front. */
export function writeCsv(file: string, rows: AsyncIterable<ExportedRow>): Promise<number> {
	return writeWhole(file, async (draft) => {
		let count = 0;
		async function* records(): AsyncGenerator<(string | null)[]> {
			for await (const row of rows) {
				count++;
				yield EXPORTED_COLUMNS.map((column) => (typeOf(column) === "String" ? csvText(row[column]) : row[column]));
			}
		}
		await pipeline(Readable.from(records()), stringify({ header: true, columns: [...EXPORTED_COLUMNS] }), createWriteStream(draft));
		return count;
	});
}

/** Costs are decimals with nine places, quantities whole, times instants of UTC in milliseconds, tags JSON. */
export function writeParquet(file: string, rows: AsyncIterable<ExportedRow>): Promise<number> {
	return writeWhole(file, async (draft) => {
		const parquet = new ParquetWriter({ writer: fileWriter(draft), schema: SCHEMA, createdBy: "Tollgate" });
		let count = 0;
		for await (const group of grouped(rows)) {
			await parquet.write({
				columnData: EXPORTED_COLUMNS.map((name) => ({ name, data: group.map((row) => toParquet(name, row[name])) })),
				rowGroupSize: group.length,
			});
			count += group.length;
		}
		await parquet.finish();
		return count;
	});
}

const SCHEMA: SchemaElement[] = [{ name: "root", num_children: EXPORTED_COLUMNS.length }, ...EXPORTED_COLUMNS.map(schemaOf)];

function schemaOf(name: string): SchemaElement {
	const of = { name, repetition_type: FOCUS_COLUMNS[name]?.allowsNull === false ? "REQUIRED" : "OPTIONAL" } as const;
	switch (typeOf(name)) {
		case "Decimal":
			return { ...of, type: "INT64", converted_type: "DECIMAL", precision: 18, scale: isWhole(name) ? 0 : NANO_DIGITS };
		case "Date/Time":
			return { ...of, type: "INT64", logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MILLIS" } };
		case "JSON":
			return { ...of, type: "BYTE_ARRAY", converted_type: "JSON" };
		case "String":
			return { ...of, type: "BYTE_ARRAY", converted_type: "UTF8" };
	}
}

/** Decimals as the integer that stands for them, so that no float is between. */
function toParquet(name: string, value: string | null): unknown {
	if (value === null) return null;
	switch (typeOf(name)) {
		case "Decimal":
			return isWhole(name) ? BigInt(value) : unscaled(value);
		case "Date/Time":
			return new Date(value);
		case "JSON":
			return readJson(value);
		case "String":
			return value;
	}
}

function unscaled(value: string): bigint {
	const amount = parseUsd(value);
	if (amount === undefined) throw new RangeError(`${value} is no amount with at most ${NANO_DIGITS} decimals`);
	return amount;
}

function isWhole(name: string): boolean {
	return COUNTS.has(name) || QUANTITIES.has(name);
}

async function* grouped(rows: AsyncIterable<ExportedRow>): AsyncGenerator<readonly ExportedRow[]> {
	let group: ExportedRow[] = [];
	for await (const row of rows) {
		group.push(row);
		if (group.length < ROWS_PER_GROUP) continue;
		yield group;
		group = [];
	}
	if (group.length > 0) yield group;
}

async function writeWhole(file: string, write: (draft: string) => Promise<number>): Promise<number> {
	const draft = `${file}.part`;
	try {
		const count = await write(draft);
		await rename(draft, file);
		return count;
	} catch (error) {
		await rm(draft, { force: true });
		throw error;
	}
}

function typeOf(column: string): FocusType {
	return FOCUS_COLUMNS[column]?.type ?? (COUNTS.has(column) ? "Decimal" : "String");
}
