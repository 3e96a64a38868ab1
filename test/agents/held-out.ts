import { createRandom, type Random } from "#test/faults/random.ts";
import type { CorpusRun } from "./corpus-run.ts";
import { Trace } from "./trace.ts";
import { hex, momentAt, paragraph, sentence, uuid } from "./words.ts";

/** Loops and look-alikes in another hand than the corpus: tools, answers and noise that no threshold was chosen on. They are judged alike. */

type Step = { readonly tool: string; readonly args: unknown; readonly observation: string | null; readonly isError?: boolean; readonly tokens?: number };
/** Steps that complete the repeats, counted from the first, and what each step is. */
type HeldOutLoop = readonly [repeatsCompleteAt: number, (random: Random, step: number) => Step];

const STEPS = 40;
const DOCUMENTS = ["Doc A: shipping takes three days", "Doc B: returns are free for members", "Doc C: contact support by phone"];

const refund = (random: Random): string =>
	`${random.pick(["refund", "money back", "return", "get money"])} ${random.pick(["policy", "rules", "terms", "conditions"])} ${random.pick(["", "please", "online", "store"])}`;

const LOOPS: Readonly<Record<string, HeldOutLoop>> = {
	"test-run": [4, (random) => ({ tool: "pytest", args: { args: "-x" }, observation: `1 failed in ${random.integer(0, 3)}.${random.integer(10, 99)}s` })],
	"command-in-text": [4, () => ({ tool: "shell", args: "ls -la", observation: "total 0" })],
	"long-file": [4, () => ({ tool: "read", args: { path: "a.py", offset: 0 }, observation: "x = 1\n".repeat(2_000) })],
	"no-answer": [3, () => ({ tool: "shell", args: "make", observation: null, isError: true })],
	restarts: [
		6,
		(_, step) => ({ tool: step % 2 === 0 ? "start_service" : "stop_service", args: { name: "db" }, observation: `done at ${momentAt(step).toISOString()}` }),
	],
	"hand-over": [
		6,
		(_, step) =>
			step % 2 === 0
				? { tool: "transfer_to_sales", args: {}, observation: "Transferred" }
				: { tool: "transfer_to_support", args: {}, observation: "Transferred" },
	],
	"noisy-round": [
		9,
		(random, step) =>
			[
				{ tool: "plan", args: { goal: "ship", request_id: uuid(random) }, observation: "planned" },
				{ tool: "check_inbox", args: { ts: momentAt(step).getTime() }, observation: "0 new messages" },
				{ tool: "summarize", args: { requestId: `x${step}` }, observation: "nothing to do" },
			][step % 3] as Step,
	],
	"ever-more-results": [9, (random) => ({ tool: "retrieve", args: { query: refund(random), top_k: random.integer(3, 10) }, observation: '{"documents":[]}' })],
	"results-in-no-order": [
		9,
		(random) => {
			const first = random.integer(0, 2);
			const order = random.share() < 0.5 ? [first, (first + 1) % 3, (first + 2) % 3] : [first, (first + 2) % 3, (first + 1) % 3];
			return { tool: "retrieve", args: { query: refund(random) }, observation: order.map((index) => DOCUMENTS[index]).join("\n") };
		},
	],
	"in-other-languages": [
		9,
		(random) => ({
			tool: "search",
			args: {
				q:
					random.pick(["wetter paris", "weather paris", "météo paris", "tiempo en paris", "how warm is paris", "rain in paris"]) +
					random.pick(["", "?", " today"]),
			},
			observation: "Paris: 12 degrees, light rain.",
		}),
	],
	"noise-in-an-address": [
		4,
		(random) => ({ tool: "http_get", args: { url: `https://api.example.com/v1/items?rid=${uuid(random)}` }, observation: '{"items":[],"more":false}' }),
	],
	"noise-below": [
		4,
		(random, step) => ({ tool: "call", args: { method: "list", meta: { timestamp: momentAt(step).getTime(), traceId: hex(random, 16) } }, observation: "[]" }),
	],
	"stack-trace": [
		3,
		(random) => ({
			tool: "run",
			args: { file: "a.py" },
			observation: `Traceback (most recent call last):\n  File "/tmp/${random.text(8)}/a.py", line 3\nValueError: bad`,
			isError: true,
		}),
	],
	compounding: [9, (_, step) => ({ tool: "agent_step", args: { step }, observation: "ok", tokens: Math.round(3_000 * 1.04 ** step) })],
};

const many = (random: Random): number => random.integer(15, 50);

const LEGITIMATE: Readonly<Record<string, (trace: Trace, random: Random) => void>> = {
	queue(trace, random) {
		for (let step = many(random); step > 0; step -= 1) trace.add("next_task", {}, JSON.stringify({ task: uuid(random) }));
	},
	"queue-with-receipts"(trace, random) {
		for (let task = many(random); task > 0; task -= 1) {
			trace.add("next_task", {}, `t-${task}`);
			trace.add("complete_task", { id: `t-${task}` }, "ok");
		}
	},
	"state-by-address"(trace, random) {
		for (const state of ["pending", "running", "finishing", "done"])
			for (let polls = random.integer(1, 7); polls > 0; polls -= 1) trace.add("http_get", { url: "https://api.example.com/job/7" }, JSON.stringify({ state }));
	},
	"build-log"(trace, random) {
		for (let step = 0; step < many(random); step += 1) {
			trace.add("bash", { command: "sleep 20" }, "");
			trace.add("bash", { command: "tail -1 build.log" }, `[${Math.floor(step / 6)}/9] compiling`);
		}
	},
	"time-left"(trace, random) {
		for (let step = many(random); step > 0; step -= 1) trace.add("job_info", { id: 3 }, `state running, eta ${step * 10} seconds`);
	},
	"stuck-for-a-while"(trace, random) {
		const rounds = random.integer(8, 14);
		for (let round = 0; round <= rounds; round += 1) {
			trace.add("str_replace", { path: "/repo/a.py", old: sentence(random), new: sentence(random) }, "Edited.");
			trace.add("bash", { command: "make test" }, round < rounds ? "FAIL test_login" : "PASS", { isError: round < rounds });
		}
	},
	classification(trace, random) {
		for (let step = many(random); step > 0; step -= 1) trace.add("classify", { text: sentence(random) }, random.pick(["positive", "negative"]));
	},
	"questions-to-a-model"(trace, random) {
		for (let step = many(random); step > 0; step -= 1)
			trace.add("ask_model", { prompt: `Is the following mail spam? Answer yes or no. ${paragraph(random, 5)}` }, random.pick(["no", "no", "no", "yes"]));
	},
	"empty-tables"(trace, random) {
		for (let step = many(random); step > 0; step -= 1) trace.add("query_db", { sql: `SELECT count(*) FROM t_${step} WHERE x > 3` }, "count: 0");
	},
	"quiet-days"(trace, random) {
		for (let step = random.integer(15, 28); step > 0; step -= 1) trace.add("get_report", { date: `2026-02-${String(step).padStart(2, "0")}` }, "no incidents");
	},
	rows(trace, random) {
		for (let step = many(random); step > 0; step -= 1) trace.add("insert_row", { table: "t", values: [step, sentence(random)] }, "INSERT 0 1");
	},
	sections(trace, random) {
		for (let step = random.integer(15, 30); step > 0; step -= 1) trace.add("append_section", { doc: "report", text: paragraph(random, 3) }, "Section added.");
	},
};

export function generateHeldOut({ seed, variants }: { readonly seed: number; readonly variants: number }): CorpusRun[] {
	const random = createRandom(seed);
	const begun = (): Trace => {
		const trace = new Trace(random.fork());
		trace.productive(random.integer(0, 8));
		return trace;
	};
	return Array.from({ length: variants }, (_, variant) => [
		...Object.entries(LOOPS).map(([kind, [repeatsCompleteAt, stepOf]]): CorpusRun => {
			const trace = begun();
			const onsetStep = trace.length + repeatsCompleteAt;
			for (let step = 0; step < STEPS; step += 1) {
				const { tool, args, observation, ...beside } = stepOf(trace.random, step);
				trace.add(tool, args, observation, beside);
			}
			return { runId: `held-out-${kind}-${variant}`, label: `loop:${kind}`, onsetStep, events: trace.events };
		}),
		...Object.entries(LEGITIMATE).map(([kind, write]): CorpusRun => {
			const trace = begun();
			write(trace, trace.random);
			return { runId: `held-out-${kind}-${variant}`, label: `legitimate:${kind}`, onsetStep: null, events: trace.events };
		}),
	]).flat();
}
