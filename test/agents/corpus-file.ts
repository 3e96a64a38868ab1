import type { CorpusEvent, CorpusRun } from "./corpus-run.ts";

/** A mistake of a corpus file: line from 1, and the field, such as `events[3].tokens`; "" = the line as a whole. */
export type CorpusProblem = { readonly line: number; readonly field: string; readonly problem: string };
export type ReadCorpus =
	| { readonly kind: "read"; readonly runs: readonly CorpusRun[] }
	| { readonly kind: "invalid"; readonly problems: readonly CorpusProblem[] };

/** Told at most; a file of another kind has as many as lines. */
const PROBLEMS_MAX = 100;
const EVENTS_MAX = 10_000;
const TEXT_CHARS_MAX = 4_000_000;
const LABEL = /^(?:loop|legitimate):[\w.-]{1,64}$/;
const RUN_ID = /^[\x21-\x7e]{1,128}$/;
const COST_MAX = 10n ** 15n;
const TOKENS_MAX = 2 ** 31;
const RUN_FIELDS = ["runId", "label", "onsetStep", "events"];
const EVENT_FIELDS = ["tool", "args", "observation", "isError", "costNanoUsd", "tokens"];

/** One JSON object a line, as `npm run check:agents -- --corpus FILE` takes it. */
export function writeCorpus(runs: readonly CorpusRun[]): string {
	return runs.map((run) => `${JSON.stringify(run)}\n`).join("");
}

/** Reads a corpus file; blank lines are left out. Every mistake is told, and with one no run is read. */
export function readCorpus(text: string): ReadCorpus {
	const problems: CorpusProblem[] = [];
	const runs: CorpusRun[] = [];
	const lineOfRun = new Map<string, number>();
	for (const [index, lineText] of text
		.replace(/^\uFEFF/, "")
		.split(/\r?\n/)
		.entries()) {
		if (lineText.trim() === "") continue;
		const line = index + 1;
		const found: Problem[] = [];
		const run = readLine(lineText, found);
		const twin = run && lineOfRun.get(run.runId);
		if (twin !== undefined) found.push({ field: "runId", problem: `stands in line ${twin} already` });
		if (run !== undefined) {
			lineOfRun.set(run.runId, twin ?? line);
			runs.push(run);
		}
		problems.push(...found.map((problem) => ({ line, ...problem })));
	}
	if (problems.length === 0 && runs.length === 0) problems.push({ line: 1, field: "", problem: "the file holds no run" });
	return problems.length > 0 ? { kind: "invalid", problems: problems.slice(0, PROBLEMS_MAX) } : { kind: "read", runs };
}

/** `line 3, events[2].tokens: must be …`, one a line. */
export function renderProblems(problems: readonly CorpusProblem[]): string {
	return problems.map(({ line, field, problem }) => `line ${line}${field === "" ? "" : `, ${field}`}: ${problem}`).join("\n");
}

type Problem = Omit<CorpusProblem, "line">;
type Fields = Readonly<Record<string, unknown>>;

function readLine(text: string, problems: Problem[]): CorpusRun | undefined {
	const run = parseObject(text);
	if (run === undefined) {
		problems.push({ field: "", problem: "is not a JSON object" });
		return undefined;
	}
	const { runId, label, onsetStep = null } = run;
	refuseUnknown(run, RUN_FIELDS, "", problems);
	const events = readEvents(run["events"], problems);
	if (typeof runId !== "string" || !RUN_ID.test(runId))
		problems.push({ field: "runId", problem: "must be 1 to 128 printable ASCII characters without blanks" });
	if (typeof label !== "string" || !LABEL.test(label)) problems.push({ field: "label", problem: "must be loop:KIND or legitimate:KIND" });
	else problems.push(...checkOnset(label, onsetStep, events.length));
	return problems.length > 0 ? undefined : { runId: runId as string, label: label as string, onsetStep: onsetStep as number | null, events };
}

function checkOnset(label: string, onsetStep: unknown, steps: number): Problem[] {
	const field = "onsetStep";
	if (!label.startsWith("loop:")) return onsetStep === null ? [] : [{ field, problem: "must be null for a legitimate run" }];
	const isStep = typeof onsetStep === "number" && Number.isInteger(onsetStep) && onsetStep >= 1 && onsetStep <= steps;
	return isStep ? [] : [{ field, problem: `must be a step of the run, from 1 to ${steps}` }];
}

function readEvents(input: unknown, problems: Problem[]): readonly CorpusEvent[] {
	if (!Array.isArray(input) || input.length === 0 || input.length > EVENTS_MAX) {
		problems.push({ field: "events", problem: `must be a list of 1 to ${EVENTS_MAX} events` });
		return [];
	}
	return input.map((event, index) => readEvent(event, `events[${index}]`, problems));
}

const NO_EVENT: CorpusEvent = { tool: "", args: {}, observation: null, isError: false, costNanoUsd: "0", tokens: 0 };

function readEvent(input: unknown, at: string, problems: Problem[]): CorpusEvent {
	if (!isFields(input)) {
		problems.push({ field: at, problem: "must be an object" });
		return NO_EVENT;
	}
	refuseUnknown(input, EVENT_FIELDS, `${at}.`, problems);
	const { tool, args, observation, isError, costNanoUsd, tokens } = input;
	const demand = (holds: boolean, field: string, problem: string): void => {
		if (!holds) problems.push({ field: `${at}.${field}`, problem });
	};
	demand(typeof tool === "string" && tool !== "" && tool.length <= 128, "tool", "must be text of 1 to 128 characters");
	demand(typeof args === "string" || isFields(args), "args", "must be an object or text");
	demand(
		observation === null || (typeof observation === "string" && observation.length <= TEXT_CHARS_MAX),
		"observation",
		`must be text of at most ${TEXT_CHARS_MAX} characters, or null`,
	);
	demand(typeof isError === "boolean", "isError", "must be true or false");
	const cost = readCost(costNanoUsd);
	demand(cost !== undefined, "costNanoUsd", `must be a whole number from 0 to ${COST_MAX}, as a decimal string or a number`);
	demand(Number.isInteger(tokens) && (tokens as number) >= 0 && (tokens as number) <= TOKENS_MAX, "tokens", `must be a whole number from 0 to ${TOKENS_MAX}`);
	return { tool, args, observation, isError, costNanoUsd: cost ?? "0", tokens } as CorpusEvent;
}

function readCost(input: unknown): string | undefined {
	const text = typeof input === "number" && Number.isSafeInteger(input) ? String(input) : input;
	if (typeof text !== "string" || !/^(?:0|[1-9]\d{0,15})$/.test(text)) return undefined;
	return BigInt(text) <= COST_MAX ? text : undefined;
}

function refuseUnknown(fields: Fields, known: readonly string[], at: string, problems: Problem[]): void {
	for (const name of Object.keys(fields))
		if (!known.includes(name)) problems.push({ field: `${at}${name.slice(0, 64)}`, problem: `is not one of ${known.join(", ")}` });
}

function parseObject(text: string): Fields | undefined {
	try {
		const value: unknown = JSON.parse(text);
		return isFields(value) ? value : undefined;
	} catch {
		// Told to whoever wrote the line, like any other mistake.
		return undefined;
	}
}

function isFields(value: unknown): value is Fields {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
