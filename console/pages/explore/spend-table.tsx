import { Anchor, Button, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Answer } from "../../api/client.ts";
import { formatMoney, formatShare } from "../../format/money.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { DIMENSION_WORDS, DIMENSIONS, type Dimension, type ExploreSearch, type ExploreView, FILTERS, type FilterName, type Span } from "./view.ts";

type Report = Answer<"/admin/v1/spend">;
type Row = Report["rows"][number];

type SpendTableProps = {
	readonly view: ExploreView;
	readonly span: Span;
	readonly team: string | undefined;
	readonly report: Report;
	readonly onChange: (changed: ExploreSearch & { readonly team?: string | undefined }) => void;
};

const ROWS_AT_ONCE = 100;
const UNNAMED = "not attributed";

export function SpendTable({ view, span, team, report, onChange }: SpendTableProps) {
	const [shown, setShown] = useState(ROWS_AT_ONCE);
	const total = BigInt(report.totalNanoUsd);
	const by = view.by.filter((dimension) => report.by.includes(dimension));
	const columns: Column<Row>[] = [
		...by.map((dimension) =>
			sortable(view, onChange, {
				key: dimension,
				head: DIMENSION_WORDS[dimension],
				cell: (row: Row) => <Group dimension={dimension} row={row} view={view} onChange={onChange} />,
			}),
		),
		sortable(view, onChange, { key: "calls", head: "Calls", isNumber: true, cell: ({ calls }: Row) => <Count count={calls} /> }),
		sortable(view, onChange, { key: "input", head: "Tokens in", isNumber: true, cell: ({ inputTokens }: Row) => <Count count={inputTokens} /> }),
		sortable(view, onChange, { key: "output", head: "Tokens out", isNumber: true, cell: ({ outputTokens }: Row) => <Count count={outputTokens} /> }),
		sortable(view, onChange, { key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }: Row) => <Money nanoUsd={costNanoUsd} /> }),
		{ key: "share", head: "Share", isNumber: true, cell: ({ costNanoUsd }: Row) => formatShare(BigInt(costNanoUsd), total) ?? "–" },
		{ key: "requests", head: "Requests", cell: (row: Row) => <RequestsLink row={row} view={view} span={span} team={team} /> },
	];
	const rows = sortRows(report.rows, view);
	return (
		<>
			<Text size="sm" mb="xs">
				<strong>{formatMoney(total)}</strong> in {report.rows.length} groups{report.isComplete ? "" : "; some of the newest calls are not counted yet"}
			</Text>
			<DataTable caption="Spend by group" columns={columns} rows={rows.slice(0, shown)} rowKey={({ groups }) => JSON.stringify(groups)} minWidth={620} />
			{rows.length > shown && (
				<Button mt="sm" variant="default" onClick={() => setShown(shown + ROWS_AT_ONCE)}>
					Show {Math.min(ROWS_AT_ONCE, rows.length - shown)} more of {rows.length - shown}
				</Button>
			)}
		</>
	);
}

type GroupProps = Pick<SpendTableProps, "view" | "onChange"> & { readonly dimension: Dimension; readonly row: Row };

/** Narrows to this value, and goes on with the next dimension. */
function Group({ dimension, row, view, onChange }: GroupProps) {
	const value = row.groups[dimension] ?? null;
	if (value === null || value === "")
		return (
			<Text span size="sm" c="dimmed">
				{UNNAMED}
			</Text>
		);
	const name = dimension === "user" ? (row.userName ?? value) : value;
	const rest = view.by.filter((other) => other !== dimension);
	const by = rest.length > 0 ? rest : [nextDimension(dimension)];
	const narrowed = dimension === "team" ? { team: value } : { [FILTERS[dimension]]: value };
	return (
		<Anchor component="button" type="button" size="sm" ta="left" className="name" onClick={() => onChange({ ...narrowed, by: by.join(","), sort: undefined })}>
			{name}
		</Anchor>
	);
}

function nextDimension(dimension: Dimension): Dimension {
	return dimension === "model" ? "feature" : (DIMENSIONS.find((other) => other === "model") ?? "model");
}

const LISTED: readonly Dimension[] = ["feature", "user", "model", "provider", "key", "environment"];

/** The calls themselves are listed for one team and by what each of them carries. */
function RequestsLink({ row, view, span, team }: Pick<SpendTableProps, "view" | "span" | "team"> & { readonly row: Row }) {
	const ofTeam = team ?? row.groups["team"] ?? undefined;
	const isListed = view.by.every((dimension) => dimension === "team" || (LISTED.includes(dimension) && row.groups[dimension]));
	const isNarrowed = (["askedModel", "runId", "batchId"] as const).every((name) => view.filters[name] === undefined);
	if (ofTeam === undefined || !isListed || !isNarrowed) return <>–</>;
	const filters = Object.fromEntries(
		view.by.flatMap((dimension): [FilterName, string][] => {
			const value = row.groups[dimension];
			return dimension === "team" || value === null || value === undefined ? [] : [[FILTERS[dimension], value]];
		}),
	);
	const times = { from: new Date(span.fromMs).toISOString(), ...(span.toMs !== undefined && { to: new Date(span.toMs).toISOString() }) };
	return (
		<Link to="/requests" search={{ team: ofTeam, ...view.filters, ...filters, ...times }}>
			Show
		</Link>
	);
}

function sortable(view: ExploreView, onChange: SpendTableProps["onChange"], column: Column<Row>): Column<Row> {
	const isSorted = view.sort.column === column.key;
	const direction = isSorted ? view.sort.direction : "none";
	const next = direction === "descending" ? "ascending" : "descending";
	return { ...column, sort: { direction, onChange: () => onChange({ sort: `${column.key}.${next}` }) } };
}

function sortRows(rows: readonly Row[], { sort: { column, direction } }: ExploreView): Row[] {
	const sign = direction === "ascending" ? 1 : -1;
	return [...rows].sort((one, other) => sign * compare(sortValue(one, column), sortValue(other, column)));
}

function sortValue(row: Row, column: string): bigint | string {
	if (column === "calls") return BigInt(row.calls);
	if (column === "input") return BigInt(row.inputTokens);
	if (column === "output") return BigInt(row.outputTokens);
	if (DIMENSIONS.some((dimension) => dimension === column)) return row.groups[column as Dimension] ?? "";
	return BigInt(row.costNanoUsd);
}

function compare(one: bigint | string, other: bigint | string): number {
	if (typeof one === "string" && typeof other === "string") return one.localeCompare(other);
	return one === other ? 0 : one > other ? 1 : -1;
}
