import type { Trace } from "./trace.ts";
import { filePath, hex, momentAt, noun, paragraph, SUBJECTS, sentence, uuid } from "./words.ts";

/** Writes a loop of `steps` steps behind what the trace holds already. Returns the steps of it that complete its repeats, counted from its first. */
export type LoopScript = (trace: Trace, steps: number) => number;

const IDENTICAL_REPEATS = 4;
const ERROR_REPEATS = 3;
const CYCLE_REPEATS = 3;
/** For loops that never repeat exactly: so many steps after the first. */
const GRADUAL_STEPS = 9;

type Written = { readonly tool: string; readonly args: unknown; readonly observation: string };

function someCall(trace: Trace): Written {
	const { random } = trace;
	const calls: (() => Written)[] = [
		() => ({ tool: "search", args: { query: sentence(random) }, observation: paragraph(random, random.integer(1, 6)) }),
		() => ({ tool: "read_file", args: { path: filePath(random, random.integer(1, 99)) }, observation: paragraph(random, random.integer(2, 30)) }),
		() => ({ tool: "lookup_customer", args: { customer: `C-${random.integer(100, 999)}` }, observation: "No customer found." }),
		() => ({ tool: "bash", args: { command: `ls -la ${filePath(random, 1)}` }, observation: "" }),
		() => ({ tool: "getWeather", args: { city: noun(random), unit: "celsius" }, observation: `{"temperature":${random.integer(-5, 35)},"sky":"clear"}` }),
		() => ({ tool: "write_file", args: { path: filePath(random, 7), content: sentence(random) }, observation: "File written." }),
		() => ({ tool: "query_database", args: { sql: `SELECT * FROM ${noun(random)} WHERE id = ${random.integer(1, 500)}` }, observation: "[]" }),
	];
	return random.pick(calls)();
}

/** The same JSON with its keys in another order, as models write it. */
function shuffled(trace: Trace, args: unknown): unknown {
	if (typeof args !== "object" || args === null || trace.random.share() < 0.5) return args;
	return Object.fromEntries(Object.entries(args).reverse());
}

const exact: LoopScript = (trace, steps) => {
	const { tool, args, observation } = someCall(trace);
	for (let step = 0; step < steps; step += 1) trace.add(tool, args, observation);
	return IDENTICAL_REPEATS;
};

function cycle(trace: Trace, steps: number, period: number): number {
	const calls: Written[] = [];
	while (calls.length < period) {
		const call = someCall(trace);
		if (!calls.some(({ args }) => JSON.stringify(args) === JSON.stringify(call.args))) calls.push(call);
	}
	for (let step = 0; step < steps; step += 1) {
		const call = calls[step % period];
		if (call !== undefined) trace.add(call.tool, call.args, call.observation);
	}
	return CYCLE_REPEATS * period;
}

const alternating: LoopScript = (trace, steps) => cycle(trace, steps, 2);
const period: LoopScript = (trace, steps) => cycle(trace, steps, trace.random.integer(3, 8));

/** One question in ever other words; the tool finds nothing, or the same. */
const paraphrased: LoopScript = (trace, steps) => {
	const { random } = trace;
	const [subject, place] = [random.pick(SUBJECTS), noun(random)];
	const openings = [
		"",
		"please find",
		"latest",
		"tell me about",
		"information on",
		"what is known about",
		"details of",
		"reports about",
		"overview:",
		"any news on",
	];
	const closings = ["", `in ${place}`, `near the ${place}`, "today", "in detail", "with sources", "figures", "and its causes", "for beginners", "?"];
	const nothing = random.pick([
		["No results found."],
		["[]"],
		['{"results":[],"total":0}'],
		["Nothing matched.", "No matches.", "No results."],
		[paragraph(random, 4)],
		[sentence(random), sentence(random)],
	]);
	const tool = random.pick(["search", "web_search", "knowledge_lookup"]);
	for (let step = 0; step < steps; step += 1) {
		const words = `${random.pick(openings)} ${random.share() < 0.5 ? subject : subject.split(" ").reverse().join(" ")} ${random.pick(closings)}`;
		trace.add(
			tool,
			{ query: `${words} ${random.share() < 0.5 ? random.pick(["analysis", "study", "summary", "facts", "data"]) : ""}`.trim() },
			random.pick(nothing),
		);
	}
	return GRADUAL_STEPS;
};

/** The same call with something beside it that changes by itself, and the same result. */
const noisyArguments: LoopScript = (trace, steps) => {
	const { random } = trace;
	const question = sentence(random);
	const result = random.pick(["No results found.", paragraph(random, 3), '{"items":[]}', "The service has no data for this question."]);
	const noises: ((step: number) => Record<string, unknown>)[] = [
		(step) => ({ timestamp: momentAt(step).toISOString() }),
		(step) => ({ ts: momentAt(step).getTime() }),
		() => ({ requestId: uuid(random) }),
		() => ({ request_id: `req_${hex(random, 10)}`, trace: { traceId: hex(random, 32) } }),
		(step) => ({ page: step + 1 }),
		(step) => ({ attempt: step + 1, nonce: random.integer(1, 1_000_000) }),
		(step) => ({ offset: step * 20, limit: 20 }),
		(step) => ({ context: { now: momentAt(step).toISOString(), correlation_id: uuid(random) } }),
	];
	const noise = random.pick(noises);
	const isInText = random.share() < 0.2;
	const hasNoisyResult = random.share() < 0.3;
	for (let step = 0; step < steps; step += 1) {
		const args = isInText ? { query: `${question} (attempt ${step + 1}, ${momentAt(step).toISOString()})` } : { query: question, ...noise(step) };
		trace.add("search", shuffled(trace, args), hasNoisyResult ? `${result} (request id: ${hex(random, 12)}, took ${random.integer(3, 900)} ms)` : result);
	}
	return IDENTICAL_REPEATS;
};

const errorRetry: LoopScript = (trace, steps) => {
	const { random } = trace;
	const failures: (() => string)[] = [
		() => "Error: ENOENT: no such file or directory",
		() => `503 Service Unavailable (request ${uuid(random)})`,
		() => `Timeout after ${random.integer(29_000, 31_000)} ms`,
		() => `{"error":{"code":"rate_limited","request_id":"${hex(random, 16)}"}}`,
		() => `Permission denied (pid ${random.integer(1_000, 9_999)})`,
	];
	const failure = random.pick(failures);
	const { tool, args } = someCall(trace);
	const isMissing = random.share() < 0.1;
	for (let step = 0; step < steps; step += 1) trace.add(tool, shuffled(trace, args), isMissing ? null : failure(), { isError: true });
	return ERROR_REPEATS;
};

/** Every step carries all before it and adds a little. */
const contextGrowth: LoopScript = (trace, steps) => {
	const { random } = trace;
	const share = 1 + random.integer(20, 90) / 1_000;
	let tokens = random.integer(2_000, 8_000);
	const notes = [sentence(random), sentence(random)];
	const style = random.integer(0, trace.hasVaried ? 4 : 3);
	for (let step = 0; step < steps; step += 1) {
		tokens = Math.ceil(tokens * share) + 1;
		notes.push(sentence(random));
		const all = notes.join("\n");
		if (style === 0) trace.add("read_notes", { file: "notes.md" }, all, { tokens });
		else if (style === 1) trace.add("update_summary", { summary: all }, "ok", { tokens });
		else if (style === 2) trace.add("merge_context", { section: step + 1, text: all }, `merged; ${all}`, { tokens });
		else if (style === 3) trace.add("read_file", { path: "plan.md" }, notes[0] ?? "", { tokens });
		else trace.add("append_chunk", { chunk: step + 1 }, `chunk ${step + 1} appended`, { tokens });
	}
	return style === 3 ? IDENTICAL_REPEATS : GRADUAL_STEPS;
};

export const LOOPS: Readonly<Record<string, LoopScript>> = {
	exact,
	alternating,
	period,
	paraphrased,
	"noisy-arguments": noisyArguments,
	"error-retry": errorRetry,
	"context-growth": contextGrowth,
};
