import { BarController, BarElement, CategoryScale, Chart, type ChartConfiguration, LinearScale, Tooltip } from "chart.js";
import { formatAxisUsd, formatMoney, toChartUsd } from "../format/money.ts";
import { nameOfPeriod, type Period } from "./periods.ts";
import { type Series, sum } from "./series.ts";
import { colorOf } from "./series-colors.ts";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

export type Stack = { readonly period: Period; readonly periods: readonly string[]; readonly series: readonly Series[]; readonly scheme: "light" | "dark" };

const INKS = { light: { text: "#555e68", grid: "#e9ecef" }, dark: { text: "#a3abb5", grid: "#2c3138" } } as const;

/** Draws into the canvas; the answer takes the drawing away. */
export function drawStack(canvas: HTMLCanvasElement, stack: Stack): () => void {
	const chart = new Chart(canvas, configure(stack));
	return () => chart.destroy();
}

function configure({ period, periods, series, scheme }: Stack): ChartConfiguration<"bar"> {
	const { text, grid } = INKS[scheme];
	const exactly = (place: number, index: number): bigint => series[place]?.amounts[index] ?? 0n;
	return {
		type: "bar",
		data: {
			labels: periods.map((startsAt) => nameOfPeriod(period, startsAt)),
			datasets: series.map(({ name, amounts }, index) => ({
				label: name,
				data: amounts.map(toChartUsd),
				backgroundColor: colorOf(name, index),
				maxBarThickness: 48,
				categoryPercentage: 0.86,
				barPercentage: 1,
			})),
		},
		options: {
			animation: false,
			maintainAspectRatio: false,
			interaction: { mode: "index", intersect: false },
			scales: {
				x: { stacked: true, grid: { display: false }, border: { color: grid }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 16 } },
				y: {
					stacked: true,
					beginAtZero: true,
					border: { display: false },
					grid: { color: grid },
					ticks: { color: text, maxTicksLimit: 6, callback: (value) => formatAxisUsd(Number(value)) },
				},
			},
			plugins: {
				tooltip: {
					filter: ({ datasetIndex, dataIndex }) => exactly(datasetIndex, dataIndex) !== 0n,
					callbacks: {
						label: ({ dataset, datasetIndex, dataIndex }) => `${dataset.label}: ${formatMoney(exactly(datasetIndex, dataIndex))}`,
						footer: ([first]) => (first === undefined ? "" : `Together ${formatMoney(sum(series.map(({ amounts }) => amounts[first.dataIndex] ?? 0n)))}`),
					},
				},
			},
		},
	};
}
