import { RUN_ID_PATTERN } from "#domain/agents/run.ts";
import type { FieldProblem } from "#domain/budget/scope.ts";
import { AGENT_ACTIVITY_NAMES, AGENT_PROTOCOLS, type DurableAgentInput, type ToolDefinition } from "./messages.ts";

/** Every mistake of an agent's input at once, each with its field. Limits are the gateway's to check. */

const TOOL_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const TRANSCRIPT_KEY = /^[A-Za-z0-9][A-Za-z0-9._:-]*(\/[A-Za-z0-9][A-Za-z0-9._:-]*)*$/;
/** Printable ASCII without a comma: it travels as a header. */
const AGENT_NAME = /^(?!.*,)[ -~]{1,64}$/;
const RESERVED_PREFIX = "__";
const TOOLS_MAX = 128;
const DAY_MS = 86_400_000;

const NUMBERS: readonly (readonly [keyof DurableAgentInput & string, min: number, max: number])[] = [
	["maxSteps", 1, 1_000_000],
	["outputTokensMax", 1, 10_000_000],
	["stepsPerRun", 1, 1_000],
	["modelTimeoutMs", 1_000, DAY_MS],
	["toolTimeoutMs", 1, DAY_MS * 30],
	["heartbeatTimeoutMs", 1_000, DAY_MS],
	["unknownOutcomeRetries", 0, 10],
];

export function checkAgentInput(input: DurableAgentInput): readonly FieldProblem[] {
	if (typeof input !== "object" || input === null) return [{ field: "input", problem: "must be an object" }];
	const problems: FieldProblem[] = [];
	const expect = (field: string, isRight: boolean, problem: string): void => {
		if (!isRight) problems.push({ field, problem });
	};
	const isRunId = (value: unknown): boolean => typeof value === "string" && RUN_ID_PATTERN.test(value);
	expect("runId", isRunId(input.runId), "must be 1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit");
	if (input.parentRunId !== undefined) {
		expect("parentRunId", isRunId(input.parentRunId), "must be the id of a run");
		expect("parentRunId", input.parentRunId !== input.runId, "must be another run than runId");
	}
	if (input.agent !== undefined) expect("agent", AGENT_NAME.test(input.agent), "must be 1 to 64 printable ASCII characters without a comma");
	expect("model", typeof input.model === "string" && input.model.length > 0, "must name a model");
	if (input.protocol !== undefined) expect("protocol", AGENT_PROTOCOLS.includes(input.protocol), `must be one of ${AGENT_PROTOCOLS.join(", ")}`);
	expect("prompt", isPrompt(input.prompt), "must have either user (and system), as text, or ref, a key of the transcript store");
	for (const [field, min, max] of NUMBERS) {
		if (input[field] !== undefined) expect(field, isWhole(input[field], min, max), `must be a whole number from ${min} to ${max}`);
	}
	return [...problems, ...checkTools(input.tools)];
}

function isPrompt(prompt: unknown): boolean {
	if (typeof prompt !== "object" || prompt === null) return false;
	const { ref, user, system } = prompt as { readonly ref?: unknown; readonly user?: unknown; readonly system?: unknown };
	if (ref !== undefined) return typeof ref === "string" && TRANSCRIPT_KEY.test(ref) && user === undefined && system === undefined;
	return typeof user === "string" && user.length > 0 && (system === undefined || typeof system === "string");
}

function checkTools(tools: readonly ToolDefinition[]): readonly FieldProblem[] {
	if (!Array.isArray(tools)) return [{ field: "tools", problem: "must be a list" }];
	if (tools.length > TOOLS_MAX) return [{ field: "tools", problem: `must be at most ${TOOLS_MAX}` }];
	const reserved: readonly string[] = AGENT_ACTIVITY_NAMES;
	return tools.flatMap((tool: ToolDefinition, at) => {
		const field = `tools[${at}]`;
		if (typeof tool !== "object" || tool === null) return [{ field, problem: "must be an object" }];
		const problems: FieldProblem[] = [];
		const expect = (part: keyof ToolDefinition, isRight: boolean, problem: string): void => {
			if (!isRight) problems.push({ field: `${field}.${part}`, problem });
		};
		expect("name", typeof tool.name === "string" && TOOL_NAME.test(tool.name), "must be 1 to 64 of A-Z a-z 0-9 _ -");
		expect("name", !reserved.includes(tool.name) && !String(tool.name).startsWith(RESERVED_PREFIX), "is taken by the agent itself or by Temporal");
		expect("name", tools.findIndex((other: ToolDefinition | null) => other?.name === tool.name) === at, "is the name of another tool as well");
		expect("description", typeof tool.description === "string", "must be text");
		expect("parameters", tool.parameters?.["type"] === "object", "must be a JSON Schema of type object");
		if (tool.timeoutMs !== undefined) expect("timeoutMs", isWhole(tool.timeoutMs, 1, DAY_MS * 30), `must be a whole number from 1 to ${DAY_MS * 30}`);
		if (tool.attemptsMax !== undefined) expect("attemptsMax", isWhole(tool.attemptsMax, 1, 100), "must be a whole number from 1 to 100");
		if (tool.isIdempotent !== undefined) expect("isIdempotent", typeof tool.isIdempotent === "boolean", "must be true or false");
		return problems;
	});
}

function isWhole(value: unknown, min: number, max: number): boolean {
	return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
}
