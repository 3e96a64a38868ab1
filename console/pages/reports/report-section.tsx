import { Stack, Text } from "@mantine/core";
import { readableChange, readableShare } from "#domain/reports/figures.ts";
import { NOTHING, visibleText } from "#domain/reports/rendering/cell-words.ts";
import type { Answer } from "../../api/client.ts";
import { formatExactMoney } from "../../format/money.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Figures } from "../../frame/figures.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { ReportPlot } from "./report-plot.tsx";

type SectionData = Answer<"/admin/v1/reports/{reportId}">["report"]["sections"][number];
type Table = SectionData["tables"][number];
type Cell = Table["rows"][number][number];

/** Shown without knowing what it is about: figures, plots, tables, sentences. */
export function ReportSection({ section: { id, title, figures, plots, tables, notes } }: { readonly section: SectionData }) {
	return (
		<Section title={title}>
			<Stack gap="lg">
				{figures.length > 0 && (
					<Figures figures={figures.map(({ label, cell, note }) => ({ name: label, value: <CellValue cell={cell} />, ...(note !== undefined && { note }) }))} />
				)}
				{plots.map((plot) => (
					<ReportPlot key={plot.caption} plot={plot} />
				))}
				{tables.map((table) => (
					<ReportTable key={table.caption} table={table} isOfRequests={id === "dearest-calls"} />
				))}
				{notes.map((note) => (
					<Text key={note} size="sm" c="dimmed" className="name">
						{visibleText(note)}
					</Text>
				))}
			</Stack>
		</Section>
	);
}

type Line = { readonly key: string; readonly cells: readonly Cell[] };
const LEAST_COLUMN_PIXELS = 110;

function ReportTable({ table: { caption, columns, rows, total }, isOfRequests }: { readonly table: Table; readonly isOfRequests: boolean }) {
	const cellOf = (cell: Cell | undefined) => cell && <CellValue cell={cell} isRequest={isOfRequests} />;
	return (
		<div>
			<Text size="sm" c="dimmed" mb={4}>
				{caption}
			</Text>
			<DataTable<Line>
				caption={caption}
				columns={columns.map(({ label, isNumber }, index) => ({ key: label, head: label, isNumber, cell: ({ cells }) => cellOf(cells[index]) }))}
				rows={rows.map((cells, index) => ({ key: String(index), cells }))}
				rowKey={({ key }) => key}
				minWidth={columns.length * LEAST_COLUMN_PIXELS}
				foot={total?.map(cellOf)}
			/>
		</div>
	);
}

function CellValue({ cell, isRequest = false }: { readonly cell: Cell; readonly isRequest?: boolean }) {
	switch (cell.is) {
		case "text":
			return <bdi>{visibleText(cell.text)}</bdi>;
		case "code":
			return <Code text={cell.text} isRequest={isRequest} />;
		case "money":
			return <Money nanoUsd={cell.nanoUsd} />;
		case "count":
			return <Count count={cell.count} />;
		case "share":
			return readableShare(BigInt(cell.part), BigInt(cell.whole)) ?? NOTHING;
		case "change":
			return <Change now={BigInt(cell.nowNanoUsd)} before={cell.beforeNanoUsd === null ? null : BigInt(cell.beforeNanoUsd)} />;
		case "none":
			return NOTHING;
	}
}

function Code({ text, isRequest }: { readonly text: string; readonly isRequest: boolean }) {
	const words = <span className="code">{visibleText(text)}</span>;
	return isRequest ? (
		<TextLink to="/requests/$requestId" params={{ requestId: text }}>
			{words}
		</TextLink>
	) : (
		words
	);
}

function Change({ now, before }: { readonly now: bigint; readonly before: bigint | null }) {
	const shown = before === null ? undefined : readableChange(now, before);
	if (shown === undefined || before === null) return NOTHING;
	return <span title={`${formatExactMoney(now)} against ${formatExactMoney(before)}`}>{shown}</span>;
}
