import { randomUUID } from "node:crypto";
import { readJson } from "#domain/text/read-json.ts";
import type { ToolCallInput, ToolEnd } from "#workflows/durable-agent/messages.ts";
import { type TranscriptStore, writeOnce } from "../transcripts.ts";
import { parseAnswer, parseResult, readText, type StoredCall, type StoredResult } from "./conversation.ts";
import { keys } from "./keys.ts";

export type ToolContext = {
	readonly runId: string;
	readonly step: number;
	/** The model's id of the call. */
	readonly callId: string;
	/** The same at every attempt of this call: for receivers that know idempotency keys. */
	readonly idempotencyKey: string;
	/** Aborted where the agent is cancelled or the worker shuts down. */
	readonly signal: AbortSignal;
};

/** Gets the arguments as the model wrote them, parsed and not checked. Text is brought to the model as it is, anything else as JSON. */
export type AgentTool = (args: unknown, context: ToolContext) => unknown;

export class ToolTriedAgain extends Error {
	override readonly name = "ToolTriedAgain";
}

const TEXTS = {
	notJson: "The arguments are no JSON. The tool was not run.",
	unknown:
		"Nobody knows whether this call had its effect: the attempt was cut off, and this tool may not run twice. Look at what it would have changed before you call it again.",
	outOfAttempts: "The tool did not come to an end, however often it was run.",
};

/**
 * Runs a tool for one call, at most as often as may be, and writes down what it brought.
 *
 * The rule: an attempt notes that it begins before it does anything, and notes a failure after. An attempt that finds one before it
 * which began and of which no end is known runs an idempotent tool again; any other it does not: the model is told that nobody knows.
 *
 * @throws ToolTriedAgain where it failed and may be tried again; whatever the store throws.
 */
export async function runTool(store: TranscriptStore, tool: AgentTool, input: ToolCallInput, signal: AbortSignal): Promise<ToolEnd> {
	const { runId, step, index, isIdempotent, attemptsMax } = input;
	const resultKey = keys.result(runId, step, index);
	const conclude = async (result: StoredResult): Promise<ToolEnd> => ({ end: parseResult(await writeOnce(store, resultKey, JSON.stringify(result))).end });
	const known = await store.read(resultKey);
	if (known !== undefined) return { end: parseResult(known).end };

	const before = await readAttempts(store, input);
	if (before.isOneOpen && !isIdempotent) return conclude({ end: "unknown", text: TEXTS.unknown });
	if (before.count >= attemptsMax) return conclude({ end: "error", text: before.lastFailure ?? TEXTS.outOfAttempts });
	const call = parseAnswer(await readText(store, keys.answer(runId, step))).calls[index];
	if (call === undefined) throw new RangeError(`step ${step} of ${runId} makes no call ${index}`);
	const args = parseArgs(call);
	if (args === undefined) return conclude({ end: "error", text: TEXTS.notJson });

	const attempt = before.count + 1;
	const token = randomUUID();
	if ((await writeOnce(store, keys.begun(runId, step, index, attempt), token)) !== token)
		throw new ToolTriedAgain("another attempt of the same call has just begun");
	let brought: unknown;
	try {
		brought = await tool(args.value, { runId, step, callId: call.callId, idempotencyKey: `${runId}/${step}/${index}`, signal });
	} catch (error) {
		// Cut off by us: how far it came is not known.
		signal.throwIfAborted();
		const text = `The tool failed: ${error instanceof Error ? error.message : String(error)}`;
		await store.write(keys.failed(runId, step, index, attempt), text);
		if (attempt >= attemptsMax) return conclude({ end: "error", text });
		throw new ToolTriedAgain(text);
	}
	// A result that cannot be written down is no failure of the tool, which has run.
	return conclude({ end: "ok", text: typeof brought === "string" ? brought : (JSON.stringify(brought) ?? "") });
}

type Attempts = { readonly count: number; readonly isOneOpen: boolean; readonly lastFailure: string | undefined };

async function readAttempts(store: TranscriptStore, { runId, step, index }: ToolCallInput): Promise<Attempts> {
	let isOneOpen = false;
	let lastFailure: string | undefined;
	for (let attempt = 1; ; attempt += 1) {
		if ((await store.read(keys.begun(runId, step, index, attempt))) === undefined) return { count: attempt - 1, isOneOpen, lastFailure };
		lastFailure = await store.read(keys.failed(runId, step, index, attempt));
		isOneOpen ||= lastFailure === undefined;
	}
}

/** Empty arguments are none. */
function parseArgs({ argsText }: StoredCall): { readonly value: unknown } | undefined {
	if (argsText.trim() === "") return { value: {} };
	try {
		return { value: readJson(argsText) };
	} catch {
		return undefined; // cut off in the middle, or free text: the model is told
	}
}
