import { describeProblems } from "#activities/batches/lines/check-file.ts";
import { describeLineProblem, type LineForm, type LineProblem, type LineProblems } from "#domain/batching/line-problem.ts";
import type { Problem } from "../problem.ts";

/** Told at once; how many more there are is said in words. */
const TOLD_MAX = 20;

/** What is wrong with the requests of a batch: the first in words, with its line and field, and up to twenty in a list. */
export function lineProblem(problems: LineProblems, form: LineForm): Problem {
	const [first] = problems.listed;
	const place = first === undefined ? undefined : fieldOf(first, form);
	return {
		code: first?.code ?? "batch.line_invalid",
		message: `${describeProblems(problems, form)}. Nothing was kept and nothing is charged.`,
		...(place !== undefined && { field: place }),
		...(form === "openai" && first !== undefined && first.line !== null && { line: first.line }),
		problems: problems.listed.slice(0, TOLD_MAX).map((problem) => ({ field: placeOf(problem, form), problem: wordsOf(problem, form) })),
	};
}

/** As the protocol names a parameter: `body.model` of the line that stands beside it, `requests.2.params.model`. */
function fieldOf({ line, field }: LineProblem, form: LineForm): string | undefined {
	if (form === "openai" || line === null) return field ?? undefined;
	return field === null ? `requests.${line - 1}` : `requests.${line - 1}.${field}`;
}

/** The same with its line, where several stand in one list. */
function placeOf(problem: LineProblem, form: LineForm): string {
	const field = fieldOf(problem, form);
	if (form === "anthropic") return field ?? "requests";
	if (problem.line === null) return field ?? "file";
	return field === undefined ? `line ${problem.line}` : `line ${problem.line}: ${field}`;
}

function wordsOf(problem: LineProblem, form: LineForm): string {
	return describeLineProblem({ ...problem, line: null, field: null }, form);
}
