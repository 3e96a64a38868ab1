import { axisUsd, exactUsd } from "../figures.ts";
import type { Plot } from "../report.ts";
import { describePlot } from "./describe-plot.ts";
import { escapeHtml } from "./escape.ts";

/**
 * Bars over days as inline SVG. Colours are classes, so that the page's own style serves light, dark and print. Places are whole hundredths, made of
 * integers: the same report draws the same picture on any machine.
 */
const WIDTH = 760;
const HEIGHT = 230;
const LEFT = 68;
const RIGHT = 28;
const TOP = 14;
const BOTTOM = 30;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const PLOT_HEIGHT = HEIGHT - TOP - BOTTOM;
const LABELS_MAX = 8;

export function drawBars(plot: Plot, id: string): string {
	const { bars, line } = plot;
	const top = niceTop([...bars.map(({ nanoUsd }) => nanoUsd), line?.nanoUsd ?? 0n]);
	const heightOf = (nanoUsd: bigint): number => (nanoUsd <= 0n ? 0 : Number((nanoUsd * BigInt(PLOT_HEIGHT) * 100n) / top) / 100);
	const slot = PLOT_WIDTH / Math.max(bars.length, 1);
	const every = Math.ceil(bars.length / LABELS_MAX);
	const floor = HEIGHT - BOTTOM;
	const marks = [0n, 1n, 2n, 3n, 4n].map((step) => (top * step) / 4n);
	return [
		`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-title ${id}-text" preserveAspectRatio="xMinYMin meet">`,
		`<title id="${id}-title">${escapeHtml(plot.caption)}</title><desc id="${id}-text">${escapeHtml(describePlot(plot))}</desc>`,
		...marks.map((mark) => {
			const y = place(floor - heightOf(mark));
			return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text class="mark" x="${LEFT - 8}" y="${place(Number(y) + 4)}" text-anchor="end">${escapeHtml(axisUsd(mark))}</text>`;
		}),
		...bars.map(({ label, nanoUsd, isMarked }, index) => {
			const height = heightOf(nanoUsd);
			const at = `x="${place(LEFT + slot * index + slot * 0.14)}" y="${place(floor - height)}" width="${place(slot * 0.72)}" height="${place(height)}"`;
			return `<rect class="${isMarked ? "bar marked" : "bar"}" ${at}><title>${escapeHtml(`${label}: ${exactUsd(nanoUsd)}`)}</title></rect>`;
		}),
		// Counted from the last one, which is the one that is looked for.
		...bars.flatMap(({ label }, index) =>
			(bars.length - 1 - index) % every === 0
				? [`<text class="mark" x="${place(LEFT + slot * (index + 0.5))}" y="${HEIGHT - 10}" text-anchor="middle">${escapeHtml(shortLabel(label))}</text>`]
				: [],
		),
		...(line === undefined ? [] : [levelLine(line.label, line.nanoUsd, place(floor - heightOf(line.nanoUsd)))]),
		"</svg>",
	].join("\n");
}

function levelLine(label: string, nanoUsd: bigint, y: string): string {
	return `<line class="level" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"><title>${escapeHtml(`${label}: ${exactUsd(nanoUsd)}`)}</title></line>`;
}

/** "Thu 26 Nov" → "26 Nov". */
function shortLabel(label: string): string {
	return label.replace(/^\p{L}+ (?=\d)/u, "");
}

function place(value: number): string {
	return (Math.round(value * 100) / 100).toString();
}

/** The next of 1, 2, 4, 5 or 8 times a power of ten, so that its quarters are short numbers too. */
function niceTop(amounts: readonly bigint[]): bigint {
	const most = amounts.reduce((highest, amount) => (amount > highest ? amount : highest), 1n);
	for (let unit = 1_000n; ; unit *= 10n) for (const step of [1n, 2n, 4n, 5n, 8n]) if (step * unit >= most) return step * unit;
}
