import { DAY_MS, type Fault, type FaultKind, type JudgedSeries, WORLDS } from "./series.ts";

/**
 * Reads series from CSV: a line of names, then one line for each series and day, in any order. Columns `series`, `day` (2026-11-01, or a whole number from 0),
 * `amountNanoUsd` (whole), and where anything was planted `planted`; others are left alone.
 */
export class MalformedFile extends Error {
	constructor(line: number, problem: string) {
		super(`line ${line}: ${problem}`);
		this.name = "MalformedFile";
	}
}

const DAYS_MAX = 4_000;
const LATEST_DAY = 100_000;
/** 2024-01-01: where days that are numbered from 0 on begin. */
const FIRST_NUMBERED = 19_723;
/** Smaller numbers are counted from the start of a series of its own, larger ones from 1970-01-01. */
const COUNTED_MAX = 10_000;

type Row = { readonly day: number; readonly amountNanoUsd: bigint; readonly mark: string | undefined };

/** @throws MalformedFile naming the line. */
export function readSeriesFile(text: string): JudgedSeries[] {
	const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
	const columns = readColumns(lines[0] ?? "");
	const bySeries = new Map<string, Map<number, Row>>();
	for (const [index, line] of lines.entries()) {
		if (index === 0 || line.trim() === "") continue;
		const { name, row } = readRow(line, columns, index + 1);
		const rows = bySeries.get(name) ?? new Map<number, Row>();
		if (rows.has(row.day)) throw new MalformedFile(index + 1, `a second amount of series ${JSON.stringify(name)} on that day`);
		bySeries.set(name, rows.set(row.day, row));
		const first = rows.keys().next().value ?? row.day;
		if (Math.abs(row.day - first) > DAYS_MAX)
			throw new MalformedFile(index + 1, `day: more than ${DAYS_MAX} days from another of series ${JSON.stringify(name)}`);
	}
	if (bySeries.size === 0) throw new MalformedFile(2, "there is no line of a series");
	return [...bySeries].map(([name, rows]) =>
		toSeries(
			name,
			[...rows.values()].sort((left, right) => left.day - right.day),
		),
	);
}

type Columns = { readonly series: number; readonly day: number; readonly amount: number; readonly planted: number; readonly count: number };

function readColumns(line: string): Columns {
	const names = cellsOf(line, 1).map((name) => name.trim());
	const at = (name: string): number => names.indexOf(name);
	for (const name of ["series", "day", "amountNanoUsd"])
		if (at(name) < 0) throw new MalformedFile(1, `no column ${name}: the first line names series,day,amountNanoUsd,planted`);
	return { series: at("series"), day: at("day"), amount: at("amountNanoUsd"), planted: at("planted"), count: names.length };
}

function readRow(line: string, columns: Columns, number: number): { readonly name: string; readonly row: Row } {
	const cells = cellsOf(line, number).map((cell) => cell.trim());
	if (cells.length !== columns.count) throw new MalformedFile(number, `${cells.length} fields, and the first line names ${columns.count}`);
	const name = cells[columns.series] ?? "";
	if (name === "") throw new MalformedFile(number, "series: empty");
	const amount = /^([+-]?\d{1,30})(?:\.0*)?$/.exec(cells[columns.amount] ?? "")?.[1];
	if (amount === undefined) throw new MalformedFile(number, `amountNanoUsd: ${JSON.stringify(cells[columns.amount])} is no whole number of nano-USD`);
	return { name, row: { day: readDay(cells[columns.day] ?? "", number), amountNanoUsd: BigInt(amount), mark: markOf(cells[columns.planted] ?? "") } };
}

function readDay(text: string, number: number): number {
	if (/^\d{1,6}$/.test(text)) {
		const day = Number(text);
		if (day <= LATEST_DAY) return day < COUNTED_MAX ? FIRST_NUMBERED + day : day;
	}
	const date = /^\d{4}-\d{2}-\d{2}(?=$|T00:00)/.exec(text)?.[0];
	const ms = date === undefined ? Number.NaN : Date.parse(`${date}T00:00:00Z`);
	// 2026-02-30 is read as a day of March by Date.parse in some engines.
	if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== date)
		throw new MalformedFile(number, `day: ${JSON.stringify(text)} is no day like 2026-11-01, and no number of one`);
	return ms / DAY_MS;
}

/** undefined: nothing was planted on that day. */
function markOf(text: string): string | undefined {
	const mark = text.toLowerCase();
	return /^(|0+(\.0*)?|-|no|n|none|null|nan|false|f|normal|ok)$/.test(mark) ? undefined : mark;
}

function kindOf(mark: string): FaultKind {
	if (/spike|burst|outlier|point/.test(mark)) return "spike";
	if (/step|shift|level|change/.test(mark)) return "step";
	return /ramp|drift|trend|creep|leak/.test(mark) ? "ramp" : "unknown";
}

function toSeries(name: string, rows: readonly Row[]): JudgedSeries {
	const firstDay = rows[0]?.day ?? 0;
	const days = (rows.at(-1)?.day ?? firstDay) - firstDay + 1;
	const amounts = Array<bigint>(days).fill(0n);
	for (const { day, amountNanoUsd } of rows) amounts[day - firstDay] = amountNanoUsd;
	const world = WORLDS.find((one) => name.toLowerCase().startsWith(one));
	return { name, world, firstDay, amountsNanoUsd: amounts, faults: faultsOf(rows, firstDay) };
}

/** Days of one mark, one after the other, are one fault. */
function faultsOf(rows: readonly Row[], firstDay: number): Fault[] {
	const faults: (Fault & { readonly mark: string })[] = [];
	for (const { day, mark } of rows) {
		if (mark === undefined) continue;
		const index = day - firstDay;
		const last = faults.at(-1);
		if (last?.mark === mark && last.last === index - 1 && last.kind !== "spike") faults[faults.length - 1] = { ...last, last: index };
		else faults.push({ kind: kindOf(mark), first: index, last: index, mark });
	}
	return faults.map(({ kind, first, last }) => ({ kind, first, last }));
}

/** Fields of a line of CSV (RFC 4180); a quoted one may hold commas and doubled quotes, but no line break. */
function cellsOf(line: string, number: number): string[] {
	const cells: string[] = [];
	let rest = line;
	for (;;) {
		const cell = /^(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/.exec(rest);
		if (cell === null) throw new MalformedFile(number, "a quote that does not fit");
		cells.push(cell[1]?.replaceAll('""', '"') ?? cell[2] ?? "");
		if (cell[3] === "") return cells;
		rest = rest.slice(cell[0].length);
	}
}
