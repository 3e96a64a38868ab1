import { BarController, BarElement, CategoryScale, Chart, type ChartConfiguration, LinearScale, type Plugin, Tooltip } from "chart.js";
import { formatAxisUsd, formatMoney, toChartUsd } from "../format/money.ts";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

/** `isMarked`: it is one of those that it is about. */
export type Bar = { readonly label: string; readonly amount: bigint; readonly isMarked: boolean };
export type Bars = {
	readonly bars: readonly Bar[];
	/** To compare with, like what was expected. */
	readonly level: bigint | undefined;
	readonly scheme: "light" | "dark";
};

const INKS = {
	light: { text: "#555e68", grid: "#e9ecef", bar: "#bac8ff", marked: "#4263eb", level: "#d9480f" },
	dark: { text: "#a3abb5", grid: "#2c3138", bar: "#3d4c85", marked: "#748ffc", level: "#ffa94d" },
} as const;

/** Draws into the canvas; the answer takes the drawing away. */
export function drawBars(canvas: HTMLCanvasElement, drawn: Bars): () => void {
	const chart = new Chart(canvas, configure(drawn));
	return () => chart.destroy();
}

function configure({ bars, level, scheme }: Bars): ChartConfiguration<"bar"> {
	const ink = INKS[scheme];
	return {
		type: "bar",
		data: {
			labels: bars.map(({ label }) => label),
			datasets: [
				{
					data: bars.map(({ amount }) => toChartUsd(amount)),
					backgroundColor: bars.map(({ isMarked }) => (isMarked ? ink.marked : ink.bar)),
					maxBarThickness: 48,
				},
			],
		},
		plugins: level === undefined ? [] : [levelLine(toChartUsd(level), ink.level)],
		options: {
			animation: false,
			maintainAspectRatio: false,
			interaction: { mode: "index", intersect: false },
			scales: {
				x: { grid: { display: false }, border: { color: ink.grid }, ticks: { color: ink.text, maxRotation: 0, autoSkipPadding: 16 } },
				y: {
					beginAtZero: true,
					border: { display: false },
					grid: { color: ink.grid },
					ticks: { color: ink.text, maxTicksLimit: 6, callback: (value) => formatAxisUsd(Number(value)) },
					...(level !== undefined && { suggestedMax: toChartUsd(level) * 1.05 }),
				},
			},
			plugins: { tooltip: { displayColors: false, callbacks: { label: ({ dataIndex }) => formatMoney(bars[dataIndex]?.amount ?? 0n) } } },
		},
	};
}

/** Drawn over the bars, from side to side. */
function levelLine(usd: number, color: string): Plugin<"bar"> {
	return {
		id: "level",
		afterDatasetsDraw({ ctx, chartArea: { left, right }, scales: { y } }) {
			if (y === undefined) return;
			const height = y.getPixelForValue(usd);
			ctx.save();
			ctx.strokeStyle = color;
			ctx.lineWidth = 2;
			ctx.setLineDash([6, 4]);
			ctx.beginPath();
			ctx.moveTo(left, height);
			ctx.lineTo(right, height);
			ctx.stroke();
			ctx.restore();
		},
	};
}
