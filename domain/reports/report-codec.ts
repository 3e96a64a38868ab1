import { assert } from "../assert.ts";
import type { Cell, Figure, Plot, Report, ReportSection, ReportTable } from "./report.ts";

/** A report as JSON: every bigint is a decimal string. */
type Wired<Value> = Value extends bigint
	? string
	: Value extends readonly (infer Item)[]
		? readonly Wired<Item>[]
		: Value extends object
			? { readonly [Key in keyof Value]: Wired<Value[Key]> }
			: Value;
export type WireReport = Wired<Report>;

export function reportToWire(report: Report): WireReport {
	return toWire(report) as WireReport;
}

export function reportFromWire(wire: WireReport): Report {
	assert(wire.schemaVersion === 1, `unknown version of a report: ${String(wire.schemaVersion)}`);
	return { ...wire, sections: wire.sections.map(sectionFromWire) };
}

function toWire(value: unknown): unknown {
	if (typeof value === "bigint") return value.toString();
	if (Array.isArray(value)) return value.map(toWire);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toWire(item)]));
}

function sectionFromWire(wire: Wired<ReportSection>): ReportSection {
	return { ...wire, figures: wire.figures.map(figureFromWire), plots: wire.plots.map(plotFromWire), tables: wire.tables.map(tableFromWire) };
}

function figureFromWire(wire: Wired<Figure>): Figure {
	return { ...wire, cell: cellFromWire(wire.cell) };
}

function plotFromWire({ caption, bars, line }: Wired<Plot>): Plot {
	return {
		caption,
		bars: bars.map((bar) => ({ ...bar, nanoUsd: BigInt(bar.nanoUsd) })),
		...(line !== undefined && { line: { ...line, nanoUsd: BigInt(line.nanoUsd) } }),
	};
}

function tableFromWire({ caption, columns, rows, total }: Wired<ReportTable>): ReportTable {
	return { caption, columns, rows: rows.map((row) => row.map(cellFromWire)), ...(total !== undefined && { total: total.map(cellFromWire) }) };
}

function cellFromWire(wire: Wired<Cell>): Cell {
	switch (wire.is) {
		case "text":
		case "code":
		case "none":
			return wire;
		case "money":
			return { is: "money", nanoUsd: BigInt(wire.nanoUsd) };
		case "count":
			return { is: "count", count: BigInt(wire.count) };
		case "change":
			return { is: "change", nowNanoUsd: BigInt(wire.nowNanoUsd), beforeNanoUsd: wire.beforeNanoUsd === null ? null : BigInt(wire.beforeNanoUsd) };
		case "share":
			return { is: "share", part: BigInt(wire.part), whole: BigInt(wire.whole) };
	}
}
