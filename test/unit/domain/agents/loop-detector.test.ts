import { describe, expect, test } from "vitest";
import { observeExchange } from "#domain/agents/loop-detector.ts";
import { AT, createLoopMemory, forgiveLoops } from "#domain/agents/loop-memory.ts";
import type { ToolExchange } from "#domain/agents/run-event.ts";
import type { GuardVerdict } from "#domain/agents/verdict.ts";

type Step = Partial<Omit<ToolExchange, "argsText">> & { readonly args?: unknown };

function exchange({ args = {}, ...step }: Step): ToolExchange {
	const argsText = typeof args === "string" ? args : JSON.stringify(args);
	return { agent: "", tool: "search", argsText, observation: "No results found.", isError: false, costNanoUsd: 0n, tokens: 0, ...step };
}

/** Verdicts of a run; `memory` goes on where it is given. */
function observe(steps: readonly Step[], memory = createLoopMemory()): GuardVerdict[] {
	return steps.flatMap((step) => observeExchange(memory, exchange(step)));
}

function firstStop(steps: readonly Step[]): GuardVerdict | undefined {
	return observe(steps).find(({ severity }) => severity === "stop");
}

function times<Item>(count: number, make: (index: number) => Item): Item[] {
	return Array.from({ length: count }, (_, index) => make(index));
}

describe("a call on its own", () => {
	test("warns with the fourth same result and stops with the ninth, and says what it saw", () => {
		const verdicts = observe(times(9, () => ({ args: { query: "solar" } })));
		expect(verdicts).toEqual([
			{
				guard: "loop.repetition",
				severity: "warn",
				evidence: 'the call `search({"query":"solar"})` and its result repeated 4 times in 4 steps',
				measured: 4,
				threshold: 4,
				atEvent: 4,
			},
			{
				guard: "loop.repetition",
				severity: "stop",
				evidence: 'the call `search({"query":"solar"})` and its result repeated 9 times in 9 steps',
				measured: 9,
				threshold: 9,
				atEvent: 9,
			},
		]);
	});

	test("a warning is told once, and again after the run has recovered", () => {
		const memory = createLoopMemory();
		const told = (steps: readonly Step[]) => observe(steps, memory).filter(({ guard }) => guard === "loop.repetition").length;
		const four = times(4, () => ({ args: { query: "solar" } }));
		expect(told(four)).toBe(1);
		expect(told(four.slice(0, 2))).toBe(0);
		expect(told([{ args: { query: "wind" }, observation: "Wind farms by country" }, ...four])).toBe(1);
	});

	test("a stop is told as long as it holds", () => {
		expect(observe(times(11, () => ({}))).filter(({ severity }) => severity === "stop")).toHaveLength(3);
	});

	test.each([
		["order of keys", (index: number) => (index % 2 === 0 ? { a: 1, query: "x" } : { query: "x", a: 1 })],
		["moments and ids of requests", (index: number) => ({ query: "x", ts: 1_790_000_000_000 + index, requestId: `r-${index}`, trace: { span_id: index } })],
		["pages that bring the same", (index: number) => ({ query: "x", page: index })],
		["letter case and blanks", (index: number) => ({ query: index % 2 === 0 ? "  Solar   storage" : "solar STORAGE " })],
		["invisible characters", (index: number) => ({ query: `so${"\u200b".repeat(index)}lar` })],
		["wide letters", (index: number) => ({ query: index % 2 === 0 ? "solar" : "ｓｏｌａｒ" })],
		["numbers of attempts in words", (index: number) => ({ query: `weather in Paris (attempt ${index})` })],
	])("%s do not make a call another one", (_, args) => {
		expect(firstStop(times(12, (index) => ({ args: args(index) })))).toMatchObject({ guard: "loop.repetition", atEvent: 9 });
	});

	test.each([
		["times", (index: number) => `nothing at 2026-11-26T08:19:${10 + index}Z`],
		["durations", (index: number) => `nothing found, took ${index + 3} ms`],
		["ids of requests", (index: number) => `{"results":[],"request_id":"req-${index}x"}`],
	])("%s do not make a result another one", (_, observation) => {
		expect(firstStop(times(12, (index) => ({ args: { query: "x" }, observation: observation(index) })))).toMatchObject({ atEvent: 9 });
	});

	test("a tool that brings nothing back has failed", () => {
		expect(firstStop(times(9, () => ({ observation: undefined })))).toMatchObject({ guard: "loop.error_retry", atEvent: 8 });
	});

	test("a failure in changing words is one failure", () => {
		const words = ["timeout", "connection reset", "service unavailable"];
		const stop = firstStop(times(12, (index) => ({ tool: "deploy", observation: words[index % 3], isError: true })));
		expect(stop).toMatchObject({ guard: "loop.error_retry", threshold: 8, atEvent: 8 });
	});

	test("errors that become fewer are progress", () => {
		expect(firstStop(times(20, (index) => ({ tool: "run_tests", observation: `${20 - index} failed`, isError: true })))).toBeUndefined();
	});
});

describe("cycles", () => {
	test.each([2, 3, 4, 5, 6, 7, 8])("of %i calls are stopped two periods, or six steps, less one after the third time", (period) => {
		const steps = times(period * 8, (index) => ({ tool: `tool${index % period}`, observation: `state ${index % period}` }));
		expect(firstStop(steps)).toMatchObject({ guard: "loop.cycle", atEvent: 3 * period + Math.max(5, 2 * period - 1) });
	});

	test("between agents are told as such", () => {
		const steps = times(12, (index) => ({
			agent: index % 2 === 0 ? "planner" : "critic",
			tool: "hand_over",
			args: { to: index % 2 },
			observation: "please revise",
		}));
		expect(firstStop(steps)).toMatchObject({ guard: "loop.ping_pong", atEvent: 11 });
	});

	test("with a tool that waits are given three times as long", () => {
		const steps = times(60, (index) =>
			index % 2 === 0 ? { tool: "sleep", args: { seconds: 30 }, observation: "ok" } : { tool: "get_job", observation: "queued" },
		);
		expect(firstStop(steps)).toMatchObject({ guard: "loop.cycle", atEvent: 33 });
	});
});

test("a poll that lets time pass is given three times as long", () => {
	const poll = { tool: "get_job_status", observation: "queued" };
	expect(firstStop(times(40, () => ({ ...poll, sinceLastMs: 30_000 })))).toMatchObject({ atEvent: 30 });
	expect(firstStop(times(40, () => ({ ...poll, sinceLastMs: 500 })))).toMatchObject({ atEvent: 10 });
	expect(firstStop(times(40, () => ({ observation: "none", sinceLastMs: 30_000 })))).toMatchObject({ atEvent: 9 });
});

describe("no progress", () => {
	test("a question in ever other words that is answered alike is stopped", () => {
		const words = ["cheap", "low cost", "affordable", "budget", "inexpensive", "discount", "best price", "lowest", "bargain", "economical", "saver", "value"];
		const stop = firstStop(words.map((word, index) => ({ args: { query: `${word} flights to Paris` }, observation: index % 2 === 0 ? "No results." : "[]" })));
		expect(stop).toMatchObject({ guard: "loop.no_progress", measured: 9, threshold: 9, atEvent: 10 });
		expect(stop?.evidence).toContain("brought nothing new");
	});

	test("agents that hand the same to each other in other words are told as such", () => {
		const words = ["revise", "rework", "improve", "adjust", "rethink", "redo", "refine", "amend", "correct", "change", "update"];
		const steps = words.map((word, index) => ({ agent: `a${index % 2}`, tool: "message", args: { message: `please ${word} this` }, observation: "you first" }));
		expect(firstStop(steps)).toMatchObject({ guard: "loop.ping_pong" });
	});

	test("repeats in no order are stopped", () => {
		const order = [0, 1, 2, 0, 2, 1, 1, 0, 2, 2, 1, 0, 0, 2];
		expect(firstStop(order.map((index) => ({ tool: "read_file", args: { path: `f${index}.ts` }, observation: `content ${index}` })))).toMatchObject({
			guard: "loop.no_progress",
		});
	});
});

describe("context growth", () => {
	test("a text that is carried again and again with a little more is stopped", () => {
		const lines = times(20, (index) => `line ${index} says something of its own, ${"abcdefghijklmnopqrst"[index]}`);
		const steps = times(16, (index) => ({
			tool: "merge",
			args: { section: index },
			observation: lines.slice(0, index + 2).join("\n"),
			tokens: 1_000 + 60 * index,
		}));
		const stop = firstStop(steps);
		expect(stop).toMatchObject({ guard: "loop.context_growth", threshold: 12 });
		expect(stop?.evidence).toContain("and all of that one again");
	});

	test("context that grows ever faster is stopped, whatever it holds", () => {
		const steps = times(16, (index) => ({
			tool: "expand",
			args: { part: `p${index}` },
			observation: `part ${index * 7919}`,
			tokens: Math.floor(1_500 * 1.06 ** index),
		}));
		expect(firstStop(steps)?.evidence).toContain("added more than that one had added");
	});

	test("a conversation that adds up is none, nor a poll that grows", () => {
		const pages = times(40, (index) => ({
			tool: "list_rows",
			args: { page: index },
			observation: `rows ${index * 50} to ${index * 50 + 49}`,
			tokens: 1_000 + 120 * index,
		}));
		const log = times(40, (index) => ({
			tool: "get_job_status",
			observation: times(index + 1, (line) => `step ${line}`).join("\n"),
			tokens: 1_000 + 120 * index,
		}));
		expect(firstStop(pages)).toBeUndefined();
		expect(firstStop(log)).toBeUndefined();
	});
});

describe("cost velocity", () => {
	const steps = (count: number, costNanoUsd: bigint): Step[] =>
		times(count, (index) => ({ args: { query: `q${costNanoUsd}-${index}` }, observation: `r${index}`, costNanoUsd }));

	test("costs that leave the run's own history are told, and stop nothing", () => {
		const verdicts = observe([...steps(30, 1_000_000n), ...steps(6, 20_000_000n)]);
		expect(verdicts).toMatchObject([{ guard: "loop.cost_velocity", severity: "warn", threshold: 6 }]);
		expect(verdicts[0]?.evidence).toMatch(/times what the \d+ before them did/);
	});

	test("a run without a history, or with one dear step, has none", () => {
		expect(observe([...steps(10, 1_000_000n), ...steps(6, 20_000_000n)])).toEqual([]);
		expect(observe([...steps(30, 1_000_000n), ...steps(1, 8_000_000n), ...steps(10, 1_000_001n)])).toEqual([]);
	});
});

describe("what is none", () => {
	test.each<[string, Step[]]>([
		[
			"pages of ids",
			times(30, (page) => ({ tool: "list_users", args: { page }, observation: JSON.stringify([`${page}f3b2a1c-0000-4000-8000-00000000000${page % 10}`]) })),
		],
		["pages of moments", times(30, (page) => ({ tool: "get_events", args: { page }, observation: `["2026-06-01T08:00:${10 + page}Z"]` }))],
		["a job that counts up", times(40, (index) => ({ tool: "get_job", observation: `running ${index} %` }))],
		[
			"a job that takes its time in each state",
			["queued", "running", "packing", "done"].flatMap((state) => times(8, () => ({ tool: "kubectl", observation: state }))),
		],
		[
			"ten jobs asked for in turn",
			times(60, (index) => ({ tool: "get_job_status", args: { job: index % 10 }, observation: index % 10 < index / 8 ? "done" : "running" })),
		],
		[
			"two jobs asked for in turn",
			times(40, (index) => ({ tool: "get_job_status", args: { job: index % 2 }, observation: `phase ${Math.floor(index / 18)}` })),
		],
		[
			"messages that are sent",
			times(30, (index) => ({
				tool: "send_message",
				args: { channel: "general", message: `${"abcdefghij"[index % 10]}${"klmno"[Math.floor(index / 10)]}lpha beta` },
				observation: "Message sent.",
			})),
		],
		["a bar that fills", times(30, (index) => ({ tool: "get_job", observation: `[${"#".repeat(index)}]` }))],
		["files without a finding", times(40, (index) => ({ tool: "lint", args: { path: `src/${index}.ts` }, observation: "No problems found." }))],
		["records by id", times(40, (index) => ({ tool: "update_record", args: { id: index }, observation: "ok" }))],
		[
			"edits in one file",
			times(40, (index) => ({ tool: "edit_file", args: { path: "a.ts", text: `${"abcdefgh"[index % 8]} = ${index}` }, observation: "The file was updated." })),
		],
		["seven failures and a success", [...times(7, () => ({ tool: "fetch", observation: "503", isError: true })), { tool: "fetch", observation: "hello" }]],
		[
			"files of ever longer names without a finding",
			times(20, (index) => ({
				tool: "lint",
				args: { path: `src/part-${"a".repeat(index)}.ts` },
				observation: "No problems found.",
				tokens: 1_000 + index * 90,
			})),
		],
	])("%s", (_, steps) => {
		expect(firstStop(steps)).toBeUndefined();
	});
});

test("an exchange that only seems to be one of seven failures does not count as the eighth", () => {
	const request = { tool: "http_request", args: { url: "https://api.example.com/5" }, observation: "deadlock detected", isError: true };
	// Found by trying: what is remembered of the two in 16 bits is equal.
	const other = { tool: "http_request", args: { url: "https://api.example.com/orders/38985" }, observation: "three orders are open" };
	const [one, another] = [request, other].map((step) => {
		const memory = createLoopMemory();
		observe([step], memory);
		return memory[AT.pairs];
	});
	expect(one).toBe(another);
	expect(firstStop([other, ...times(7, () => request)])).toBeUndefined();
	expect(firstStop([other, ...times(8, () => request)])).toMatchObject({ atEvent: 9 });
});

test("a run that a person lets go on begins anew, and keeps its usual cost", () => {
	const memory = createLoopMemory();
	const same = times(9, () => ({ args: { query: "solar" }, costNanoUsd: 1_000_000n }));
	expect(observe(same, memory).at(-1)?.severity).toBe("stop");
	forgiveLoops(memory);
	expect(observe(same.slice(0, 3), memory)).toEqual([]);
	const others = times(20, (index) => ({ args: { query: `q${index}` }, observation: `r${index}`, costNanoUsd: 1_000_000n }));
	const dear = times(6, (index) => ({ args: { query: `d${index}` }, observation: `s${index}`, costNanoUsd: 40_000_000n }));
	expect(observe([...others, ...dear], memory)).toMatchObject([{ guard: "loop.cost_velocity" }]);
});

test.each([
	["nest too deeply", `${"[".repeat(20_000)}${"]".repeat(20_000)}`],
	["have too many fields", JSON.stringify(Array.from({ length: 2_000 }, (_, index) => index))],
	["are long", JSON.stringify({ text: "solar storage ".repeat(20_000) })],
	["are broken", '{"query": "solar'],
])("arguments that %s are compared all the same", (_, args) => {
	expect(firstStop(times(12, () => ({ args })))).toMatchObject({ guard: "loop.repetition", atEvent: 9 });
	expect(firstStop(times(12, (index) => ({ tool: "edit", args: `${args} ${index}`, observation: "ok" })))).toBeUndefined();
});

test("evidence is short and fit to be stored, whatever the call was", () => {
	const [verdict] = observe(times(4, () => ({ tool: `t\u0000${"x".repeat(500)}`, args: `\ud800${"y".repeat(5_000)}` })));
	expect(verdict?.evidence).not.toMatch(/[\p{Cc}\p{Cs}]/u);
	expect(verdict?.evidence.length).toBeLessThan(300);
});
