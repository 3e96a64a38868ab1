import { z } from "zod";
import type { AgentProtocol, ToolCallToRun, ToolDefinition } from "#workflows/durable-agent/messages.ts";
import type { TranscriptStore } from "../transcripts.ts";
import { keys } from "./keys.ts";

/** A run as its transcript holds it: what a model call is made of, the same at every attempt. */

const Prompt = z.object({ system: z.string().optional(), user: z.string().min(1) });
const StoredCall = z.object({ callId: z.string(), tool: z.string(), argsText: z.string() });
const StoredAnswer = z.object({
	protocol: z.enum(["chat/completions", "messages"]),
	/** As the model gave it, which is how the next request has to repeat it. */
	message: z.unknown(),
	text: z.string(),
	calls: z.array(StoredCall),
	isCutOff: z.boolean(),
	costNanoUsd: z.string().regex(/^\d{1,30}$/),
	requestId: z.string(),
});
const StoredResult = z.object({ end: z.enum(["ok", "error", "unknown"]), text: z.string() });

export type Prompt = z.infer<typeof Prompt>;
export type StoredCall = z.infer<typeof StoredCall>;
export type StoredAnswer = z.infer<typeof StoredAnswer>;
export type StoredResult = z.infer<typeof StoredResult>;
export type Exchange = { readonly answer: StoredAnswer; readonly results: readonly StoredResult[] };
export type Conversation = { readonly prompt: Prompt; readonly tools: readonly ToolDefinition[]; readonly exchanges: readonly Exchange[] };

/** More calls of one answer are not run: the model is told. */
const CALLS_RUN_MAX = 128;
/** Steps read side by side. */
const STEPS_AT_ONCE = 16;

export const parsePrompt = (text: string): Prompt => Prompt.parse(JSON.parse(text));
export const parseAnswer = (text: string): StoredAnswer => StoredAnswer.parse(JSON.parse(text));
export const parseResult = (text: string): StoredResult => StoredResult.parse(JSON.parse(text));

/** Something that has to be there is not: another store, a lost disk. Trying again helps once it is back. */
export class TranscriptMissing extends Error {
	override readonly name = "TranscriptMissing";
	constructor(key: string) {
		super(`the transcript has nothing under ${key}; do all workers of this agent share one transcript store?`);
	}
}

export async function readText(store: TranscriptStore, key: string): Promise<string> {
	const text = await store.read(key);
	if (text === undefined) throw new TranscriptMissing(key);
	return text;
}

/** Everything before `step`. @throws TranscriptMissing */
export async function readConversation(
	store: TranscriptStore,
	run: { readonly runId: string; readonly step: number; readonly promptRef: string; readonly toolsRef: string },
): Promise<Conversation> {
	const [prompt, toolsText] = await Promise.all([readText(store, run.promptRef), readText(store, run.toolsRef)]);
	const tools = JSON.parse(toolsText) as readonly ToolDefinition[];
	const exchanges: Exchange[] = [];
	for (let first = 1; first < run.step; first += STEPS_AT_ONCE) {
		const steps = Array.from({ length: Math.min(STEPS_AT_ONCE, run.step - first) }, (_, at) => first + at);
		exchanges.push(...(await Promise.all(steps.map((step) => readExchange(store, { runId: run.runId, step, tools })))));
	}
	return { prompt: parsePrompt(prompt), tools, exchanges };
}

async function readExchange(
	store: TranscriptStore,
	{ runId, step, tools }: { readonly runId: string; readonly step: number; readonly tools: readonly ToolDefinition[] },
): Promise<Exchange> {
	const answer = parseAnswer(await readText(store, keys.answer(runId, step)));
	const results = await Promise.all(
		answer.calls.map(async (call, index) => {
			const key = keys.result(runId, step, index);
			const text = await store.read(key);
			if (text !== undefined) return parseResult(text);
			const notRun = whyNotRun(call, index, tools);
			if (notRun === undefined) throw new TranscriptMissing(key);
			return notRun;
		}),
	);
	return { answer, results };
}

/** Those of an answer that are run, in order. */
export function callsToRun(answer: StoredAnswer, tools: readonly ToolDefinition[]): readonly ToolCallToRun[] {
	return answer.calls.flatMap((call, index) => (whyNotRun(call, index, tools) === undefined ? [{ index, tool: call.tool }] : []));
}

function whyNotRun({ tool }: StoredCall, index: number, tools: readonly ToolDefinition[]): StoredResult | undefined {
	if (index >= CALLS_RUN_MAX) return { end: "error", text: `Not run: an answer may call ${CALLS_RUN_MAX} tools at most.` };
	if (!tools.some(({ name }) => name === tool))
		return { end: "error", text: `Not run: there is no tool with this name. Tools: ${tools.map(({ name }) => name).join(", ")}.` };
	return undefined;
}

/** An agent keeps one protocol: answers are repeated as they came. */
export function requireProtocol(conversation: Conversation, protocol: AgentProtocol): void {
	const other = conversation.exchanges.find(({ answer }) => answer.protocol !== protocol);
	if (other !== undefined) throw new RangeError(`the run was begun over ${other.answer.protocol} and cannot go on over ${protocol}`);
}
