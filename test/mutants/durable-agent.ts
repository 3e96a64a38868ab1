import type { Mutant } from "./mutant.ts";

const TOOL_TEST = "test/unit/clients/durable-agent/tool-run.test.ts";
const ANSWERS_TEST = "test/unit/clients/durable-agent/gateway-answers.test.ts";
const TRANSCRIPTS_TEST = "test/unit/clients/transcripts.test.ts";
const WAITING_TEST = "test/unit/workflows/durable-agent/waiting.test.ts";
const CALL_TEST = "test/unit/clients/durable-agent/model-call.test.ts";

export const DURABLE_AGENT_MUTANTS: readonly Mutant[] = [
	{
		rule: "a tool of which nobody knows how it ended is not run twice",
		file: "clients/durable-agent/tool-run.ts",
		from: "if (before.isOneOpen && !isIdempotent)",
		to: "if (false)",
		test: TOOL_TEST,
		titles: ["is not made again, and the model is told that nobody knows", "counts however many failed before it and after it"],
	},
	{
		rule: "a tool notes that it begins before it does anything",
		file: "clients/durable-agent/tool-run.ts",
		from: "if ((await writeOnce(store, keys.begun(runId, step, index, attempt), token)) !== token)",
		to: 'if (token === "")',
		test: TOOL_TEST,
		titles: ["that fails is tried again, as often as may be, and then the model is told why", "is what a cancelled one is: how far it came is not known"],
	},
	{
		rule: "a tool whose result is written down is not run again",
		file: "clients/durable-agent/tool-run.ts",
		from: "if (known !== undefined) return { end: parseResult(known).end };",
		to: "",
		test: TOOL_TEST,
		titles: ["is not run again where its result is there: the completion of its activity was lost"],
	},
	{
		rule: "a tool that was cut off by us is not noted as failed",
		file: "clients/durable-agent/tool-run.ts",
		from: "		signal.throwIfAborted();\n",
		to: "",
		test: TOOL_TEST,
		titles: ["is what a cancelled one is: how far it came is not known"],
	},
	{
		rule: "a step is asked under its own name, at every attempt",
		file: "clients/durable-agent/model-call.ts",
		from: '"Idempotency-Key": attempt === 1 ?',
		to: '"Idempotency-Key": attempt === 0 ?',
		test: CALL_TEST,
		titles: ["is asked once, under its own name, and read from the transcript from then on"],
	},
	{
		rule: "a step that is in the transcript is not asked again",
		file: "clients/durable-agent/model-call.ts",
		from: "if (known !== undefined) return answered(",
		to: 'if (known === "") return answered(',
		test: CALL_TEST,
		titles: ["is asked once, under its own name, and read from the transcript from then on"],
	},
	{
		rule: "a call that may have been served is not asked again under its key for ever",
		file: "clients/durable-agent/gateway-answers.ts",
		from: 'if (OUTCOME_UNKNOWN.has(code)) return { kind: "unknown", code };',
		to: "",
		test: ANSWERS_TEST,
		titles: ["what may have been served is told, and not tried again under the same key"],
		redBy: "ApplicationFailure: who knows",
	},
	{
		rule: "the first text of a transcript stands",
		file: "clients/transcripts.ts",
		from: "await link(draft, file);",
		to: 'await (await import("node:fs/promises")).rename(draft, file);',
		test: TRANSCRIPTS_TEST,
		titles: ["of many writers at once the first stands, whole, and each of them reads the same"],
	},
	{
		rule: "looks at a paused run become rarer",
		file: "workflows/durable-agent/waiting.ts",
		from: "FIRST_CHECK_MS * 2 ** Math.min(checks, DOUBLINGS_MAX)",
		to: "FIRST_CHECK_MS",
		test: WAITING_TEST,
		titles: ["is ever later where nobody can say, or what is said is wrong each time"],
	},
	{
		rule: "arguments of a tool with a key in escapes are not read by the runtime's parser",
		file: "clients/durable-agent/tool-run.ts",
		from: "readJson(argsText)",
		to: "(JSON.parse(argsText) as unknown)",
		test: "test/unit/clients/durable-agent/tool-run.test.ts",
		titles: ["gets an argument in escapes by the name it has, whatever the runtime's parser takes it for"],
	},
];
