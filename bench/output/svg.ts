/** Plots without a library: lines over two axes, one file each, readable by any browser and by a repository's front page. */
export type Series = { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[]; readonly isVoid?: boolean };

export type Plot = {
	readonly title: string;
	readonly xTitle: string;
	readonly yTitle: string;
	/** Marks of the x axis, in its own unit; their texts. */
	readonly xMarks: readonly (readonly [x: number, text: string])[];
	readonly series: readonly Series[];
};

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 170;
const TOP = 46;
const BOTTOM = 56;
const COLOURS = ["#888888", "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9c6b4e"];

/** y is logarithmic: values at or below 0 are left out. A void series is dashed. */
export function drawPlot(plot: Plot): string {
	const points = plot.series.flatMap((series) => series.points).filter(([, y]) => y > 0);
	const xs = [...points.map(([x]) => x), ...plot.xMarks.map(([x]) => x)];
	const [xLeast, xMost] = [Math.min(...xs), Math.max(...xs)];
	const exponents = points.map(([, y]) => Math.log10(y));
	const [yLeast, yMost] =
		points.length === 0 ? [0, 1] : [Math.floor(Math.min(...exponents)), Math.max(Math.ceil(Math.max(...exponents)), Math.floor(Math.min(...exponents)) + 1)];
	const toX = (x: number) => LEFT + ((x - xLeast) / (xMost - xLeast || 1)) * (WIDTH - LEFT - RIGHT);
	const toY = (y: number) => HEIGHT - BOTTOM - ((Math.log10(y) - yLeast) / (yMost - yLeast)) * (HEIGHT - TOP - BOTTOM);
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
		`<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
		text({ x: LEFT, y: 24, size: 15 }, plot.title),
		...yLines(yLeast, yMost).map(({ y, label }) => gridLine(toY(y), label)),
		...plot.xMarks.map(([x, label]) => text({ x: toX(x), y: HEIGHT - BOTTOM + 18, anchor: "middle" }, label)),
		text({ x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 12, anchor: "middle" }, plot.xTitle),
		`<text transform="translate(16 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" fill="#333">${escapeXml(plot.yTitle)}</text>`,
		...plot.series.flatMap((series, index) => drawSeries(series, { index, toX, toY })),
		"</svg>",
		"",
	].join("\n");
}

type Place = { readonly index: number; readonly toX: (x: number) => number; readonly toY: (y: number) => number };

function drawSeries({ name, points, isVoid = false }: Series, { index, toX, toY }: Place): string[] {
	const colour = COLOURS[index % COLOURS.length];
	const path = points
		.filter(([, y]) => y > 0)
		.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`)
		.join(" ");
	const dash = isVoid ? ' stroke-dasharray="5 4"' : "";
	const legendY = TOP + 14 + index * 20;
	return [
		`<polyline fill="none" stroke="${colour}" stroke-width="2"${dash} points="${path}"/>`,
		`<line x1="${WIDTH - RIGHT + 16}" x2="${WIDTH - RIGHT + 40}" y1="${legendY - 4}" y2="${legendY - 4}" stroke="${colour}" stroke-width="2"${dash}/>`,
		text({ x: WIDTH - RIGHT + 46, y: legendY }, isVoid ? `${name} (void)` : name),
	];
}

function yLines(least: number, most: number): { y: number; label: string }[] {
	return Array.from({ length: most - least + 1 }, (_, step) => 10 ** (least + step)).map((y) => ({ y, label: y >= 1 ? String(y) : y.toPrecision(1) }));
}

function gridLine(y: number, label: string): string {
	return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="#dddddd"/>${text({ x: LEFT - 8, y: y + 4, anchor: "end" }, label)}`;
}

function text({ x, y, anchor = "start", size = 12 }: { x: number; y: number; anchor?: string; size?: number }, words: string): string {
	return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" fill="#333">${escapeXml(words)}</text>`;
}

export function escapeXml(words: string): string {
	return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
