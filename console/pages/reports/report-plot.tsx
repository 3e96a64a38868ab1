import { Text } from "@mantine/core";
import { useMemo } from "react";
import type { Answer } from "../../api/client.ts";
import { BarChart } from "../../charts/bar-chart.tsx";
import { formatMoney } from "../../format/money.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";

type Plot = Answer<"/admin/v1/reports/{reportId}">["report"]["sections"][number]["plots"][number];
type Bar = Plot["bars"][number];

/** Bars over days, the period's own set apart; the same as a table for who does not see them, or wants them exact. */
export function ReportPlot({ plot }: { readonly plot: Plot }) {
	const { caption, bars, line } = plot;
	const drawn = useMemo(() => bars.map(({ label, nanoUsd, isMarked }) => ({ label, amount: BigInt(nanoUsd), isMarked })), [bars]);
	return (
		<div>
			<Text size="sm" c="dimmed" mb="xs">
				{caption}
				{line !== undefined && `; dashed: ${line.label}, ${formatMoney(BigInt(line.nanoUsd))}`}
			</Text>
			<BarChart label={describe(plot)} bars={drawn} level={line === undefined ? undefined : BigInt(line.nanoUsd)} />
			<details className="more">
				<summary>Amounts by day</summary>
				<DataTable<Bar>
					caption={caption}
					columns={[
						{ key: "day", head: "Day", cell: ({ label }) => label },
						{ key: "spent", head: "Spent", isNumber: true, cell: ({ nanoUsd }) => <Money nanoUsd={nanoUsd} /> },
					]}
					rows={bars}
					rowKey={({ label }) => label}
					minWidth={240}
				/>
			</details>
		</div>
	);
}

/** What a person who does not see it has to know. */
function describe({ caption, bars, line }: Plot): string {
	const [first] = bars;
	if (first === undefined) return `${caption}: nothing`;
	const most = bars.reduce((highest, bar) => (BigInt(bar.nanoUsd) > BigInt(highest.nanoUsd) ? bar : highest), first);
	const last = bars.at(-1) ?? first;
	const level = line === undefined ? "" : `; ${line.label}: ${formatMoney(BigInt(line.nanoUsd))}`;
	return `${caption}: highest ${formatMoney(BigInt(most.nanoUsd))} on ${most.label}, last ${formatMoney(BigInt(last.nanoUsd))} on ${last.label}${level}`;
}
