import type { Plot } from "../report.ts";
import { cellWords } from "./cell-words.ts";

/** What a person who does not see a plot has to know of it. */
export function describePlot({ caption, bars, line }: Plot): string {
	const [first] = bars;
	if (first === undefined) return `${caption}: nothing.`;
	const words = (nanoUsd: bigint): string => cellWords({ is: "money", nanoUsd }).shown;
	const most = bars.reduce((highest, bar) => (bar.nanoUsd > highest.nanoUsd ? bar : highest), first);
	const least = bars.reduce((lowest, bar) => (bar.nanoUsd < lowest.nanoUsd ? bar : lowest), first);
	const last = bars.at(-1) ?? first;
	const level = line === undefined ? "" : ` ${line.label}: ${words(line.nanoUsd)}.`;
	return `${caption}: highest ${words(most.nanoUsd)} on ${most.label}, lowest ${words(least.nanoUsd)} on ${least.label}, last ${words(last.nanoUsd)} on ${last.label}.${level}`;
}
