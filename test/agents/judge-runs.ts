import { type CorpusRun, deadlineStep, isLoop } from "./corpus-run.ts";
import { upperBound } from "./upper-bound.ts";

/** How a run ended: the step with which it was stopped, and by what; undefined: it came to its own end. */
export type RunEnd = { readonly atStep: number; readonly guard: string } | undefined;

export type KindResult = {
	readonly label: string;
	readonly runs: number;
	/** Loops that ran to their end. */
	missed: number;
	/** Loops stopped after their deadline. */
	late: number;
	/** Legitimate runs that were stopped. */
	falseStops: number;
	/** Steps from the onset to the stop, of each loop that was stopped. */
	readonly lateness: number[];
	readonly guards: Map<string, number>;
};

export type Judgement = {
	readonly kinds: readonly KindResult[];
	readonly loops: number;
	readonly legitimate: number;
	readonly missed: number;
	readonly late: number;
	readonly falseStops: number;
	/** At 95 %. */
	readonly falseStopShareMax: number;
	/** Ids of the runs that were judged wrong, the first few. */
	readonly wrong: readonly string[];
};

const WRONG_TOLD = 20;

/** Compares how runs ended with what they are; the one place that reads labels. */
export function judgeRuns(runs: readonly CorpusRun[], endOf: (run: CorpusRun) => RunEnd): Judgement {
	const kinds = new Map<string, KindResult>();
	const wrong: string[] = [];
	for (const run of runs) {
		const known = kinds.get(run.label) ?? { label: run.label, runs: 0, missed: 0, late: 0, falseStops: 0, lateness: [], guards: new Map() };
		const kind = { ...known, runs: known.runs + 1 };
		kinds.set(run.label, kind);
		if (!judgeRun(run, endOf(run), kind)) wrong.push(run.runId);
	}
	const results = [...kinds.values()];
	const sum = (measure: (kind: KindResult) => number): number => results.reduce((total, kind) => total + measure(kind), 0);
	const loops = runs.filter(isLoop).length;
	const legitimate = runs.length - loops;
	const falseStops = sum((kind) => kind.falseStops);
	return {
		kinds: results,
		loops,
		legitimate,
		missed: sum((kind) => kind.missed),
		late: sum((kind) => kind.late),
		falseStops,
		falseStopShareMax: legitimate === 0 ? 1 : upperBound(falseStops, legitimate),
		wrong: wrong.slice(0, WRONG_TOLD),
	};
}

/** Whether the run ended as it should. */
function judgeRun(run: CorpusRun, end: RunEnd, kind: KindResult): boolean {
	if (end !== undefined) kind.guards.set(end.guard, (kind.guards.get(end.guard) ?? 0) + 1);
	if (run.onsetStep === null) {
		if (end !== undefined) kind.falseStops += 1;
		return end === undefined;
	}
	if (end === undefined) {
		kind.missed += 1;
		return false;
	}
	kind.lateness.push(end.atStep - run.onsetStep);
	if (end.atStep <= deadlineStep(run)) return true;
	kind.late += 1;
	return false;
}

/** One row a kind, for people. */
export function renderJudgement({ kinds, falseStops, legitimate, falseStopShareMax }: Judgement): string {
	const rows = kinds.map(({ label, runs, missed, late, falseStops: stops, lateness, guards }) => {
		const sorted = lateness.toSorted((left, right) => left - right);
		const spread = sorted.length === 0 ? "" : `${sorted[0]} / ${sorted[sorted.length >> 1]} / ${sorted.at(-1)}`;
		return [label, String(runs), String(missed), String(late), String(stops), spread, [...guards].map(([guard, count]) => `${guard} ${count}`).join(", ")];
	});
	const table = [["kind", "runs", "missed", "late", "false stops", "stop after onset: least / median / most", "stopped by"], ...rows];
	const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
	const lines = table.map((row) =>
		row
			.map((cell, column) => cell.padEnd(widths[column] ?? 0))
			.join("  ")
			.trimEnd(),
	);
	return `${lines.join("\n")}\nfalse stops: ${falseStops} of ${legitimate} legitimate runs; at 95 % confidence below ${(falseStopShareMax * 100).toFixed(2)} % of such runs\n`;
}
