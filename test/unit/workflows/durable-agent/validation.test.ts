import { expect, test } from "vitest";
import { agentInput, SEARCH_TOOL } from "#test/support/agent-transcripts.ts";
import type { DurableAgentInput } from "#workflows/durable-agent/messages.ts";
import { checkAgentInput } from "#workflows/durable-agent/validation.ts";

const fieldsOf = (more: object): string[] => checkAgentInput({ ...agentInput("r"), ...more } as DurableAgentInput).map(({ field }) => field);

test("an input as it should be has no problem", () => {
	expect(checkAgentInput(agentInput("r-1", { parentRunId: "r-0", agent: "planner", maxSteps: 5, protocol: "messages", prompt: { ref: "prompts/1" } }))).toEqual(
		[],
	);
	expect(checkAgentInput(agentInput("r-1", { tools: [] }))).toEqual([]);
});

test("every mistake is told at once, each with its field", () => {
	const tools = [
		SEARCH_TOOL,
		{ ...SEARCH_TOOL, timeoutMs: 0 },
		{ name: "callModel", description: 1, parameters: [], attemptsMax: 1.5, isIdempotent: "yes" },
		null,
	];
	const wrong = {
		runId: "-r",
		parentRunId: "a b",
		agent: "a,b",
		model: "",
		protocol: "smtp",
		prompt: {},
		maxSteps: 0,
		stepsPerRun: 1e9,
		toolTimeoutMs: "5",
		tools,
	};
	expect(fieldsOf(wrong)).toEqual([
		"runId",
		"parentRunId",
		"agent",
		"model",
		"protocol",
		"prompt",
		"maxSteps",
		"stepsPerRun",
		"toolTimeoutMs",
		"tools[1].name",
		"tools[1].timeoutMs",
		"tools[2].name",
		"tools[2].description",
		"tools[2].parameters",
		"tools[2].attemptsMax",
		"tools[2].isIdempotent",
		"tools[3]",
	]);
});

test.each([
	[{ runId: "x".repeat(129) }, "runId"],
	[{ parentRunId: "r" }, "parentRunId"],
	[{ prompt: { user: "" } }, "prompt"],
	[{ prompt: { ref: "../etc" } }, "prompt"],
	[{ prompt: { ref: "a", user: "b" } }, "prompt"],
	[{ prompt: null }, "prompt"],
	[{ tools: "search" }, "tools"],
	[{ tools: [{ ...SEARCH_TOOL, name: "__temporal_x" }] }, "tools[0].name"],
	[{ tools: [{ ...SEARCH_TOOL, name: "a b" }] }, "tools[0].name"],
	[{ unknownOutcomeRetries: -1 }, "unknownOutcomeRetries"],
	[{ heartbeatTimeoutMs: Number.NaN }, "heartbeatTimeoutMs"],
])("%j is refused for %s", (more, field) => {
	expect(fieldsOf(more)).toEqual([field]);
});

test("what is no input at all is refused", () => {
	expect(checkAgentInput(undefined as unknown as DurableAgentInput)).toEqual([{ field: "input", problem: "must be an object" }]);
});
