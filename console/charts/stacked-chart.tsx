import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { formatMoney } from "../format/money.ts";
import { drawStack } from "./draw-stack.ts";
import { nameOfPeriod, type Period } from "./periods.ts";
import { type Series, sum } from "./series.ts";
import { colorOf } from "./series-colors.ts";

export type StackedChartProps = {
	/** What it shows, for those who do not see it. */
	readonly label: string;
	readonly period: Period;
	/** Beginnings, in order. */
	readonly periods: readonly string[];
	readonly series: readonly Series[];
	/** In pixels; default 260. */
	readonly height?: number;
};

/** Spend over time, stacked. Amounts are told from the exact ones; only heights are rounded. */
export function StackedChart({ label, period, periods, series, height = 260 }: StackedChartProps) {
	const canvas = useRef<HTMLCanvasElement>(null);
	const scheme = useComputedColorScheme("light");
	useEffect(() => {
		if (canvas.current === null) return;
		return drawStack(canvas.current, { period, periods, series, scheme });
	}, [period, periods, series, scheme]);
	return (
		<figure className="chart">
			<div style={{ height }} className="chart-box">
				<canvas ref={canvas} role="img" aria-label={`${label}. ${summary({ period, periods, series })}`} />
			</div>
			{series.length > 1 && <Legend series={series} />}
		</figure>
	);
}

function Legend({ series }: { readonly series: readonly Series[] }) {
	return (
		<ul className="legend">
			{series.map(({ name, amounts }, index) => (
				<li key={name}>
					<span className="swatch" style={{ background: colorOf(name, index) }} aria-hidden="true" />
					<span className="name">{name}</span> <span className="dimmed">{formatMoney(sum(amounts))}</span>
				</li>
			))}
		</ul>
	);
}

function summary({ period, periods, series }: Pick<StackedChartProps, "period" | "periods" | "series">): string {
	const totals = periods.map((startsAt, index) => ({ startsAt, amount: sum(series.map(({ amounts }) => amounts[index] ?? 0n)) }));
	const highest = totals.reduce((most, one) => (one.amount > most.amount ? one : most), totals[0] ?? { startsAt: "", amount: 0n });
	const total = sum(totals.map(({ amount }) => amount));
	return `${formatMoney(total)} in ${periods.length} ${period}s${highest.amount > 0n ? `, the most on ${nameOfPeriod(period, highest.startsAt)} with ${formatMoney(highest.amount)}` : ""}.`;
}
