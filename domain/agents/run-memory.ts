import type { NanoUsd } from "../money/nano-usd.ts";
import {
	AT,
	createLoopMemory,
	forgiveLoops,
	type LoopMemory,
	PACKED_BYTES,
	packLoopMemory,
	readDouble,
	toWord,
	unpackLoopMemory,
	writeDouble,
	writeWord,
} from "./loop-memory.ts";
import type { Turn } from "./read-turn.ts";
import type { ToolCall } from "./run-event.ts";
import { hashToken, mixHash } from "./token-scanner.ts";
import { CURSOR_WORDS, createTurnCursors, type TurnCursors } from "./turn-cursor.ts";
import { fieldsOf, listOf, textOf } from "./wire-text.ts";

/** Of one step: two words of 32 bits, each exact in a double. */
const COST_MAX = 2n ** 53n - 1n;

/** What a gateway remembers of a run beside its tallies: what another one needs to go on where it stood. */
export type RunMemory = {
	loop: LoopMemory;
	cursors: TurnCursors;
	/** Times its loops were forgiven; what the run counts beyond it is still to be forgiven here. */
	forgiven: number;
	/** Of the last exchange, milliseconds since 1970; 0 = there was none. Kept to the second. */
	lastExchangeAtMs: number;
	/** Of the last step, for the growth of the context. */
	lastInputTokens: number;
	contextGrowthTokens: number;
	/** The last steps that called tools, newest first, at most eight: what the exchanges that their results make cost. */
	steps: readonly RememberedStep[];
};

/** What a step that called tools cost: the exchanges that its results make carry it. */
export type RememberedStep = {
	/** Of the first call's id. */
	readonly callKey: number;
	readonly costNanoUsd: NanoUsd;
	/** Input and output together. */
	readonly tokens: number;
	/** Exchanges of the run that had been seen when it was served: what tells the newer from the older, wherever they were served. */
	readonly seen: number;
	/** For conversations that the provider keeps, whose bodies do not repeat them; none otherwise. */
	readonly calls: readonly ToolCall[];
};

export const STEPS_REMEMBERED = 8;

export function createRunMemory(): RunMemory {
	return {
		loop: createLoopMemory(),
		cursors: createTurnCursors(),
		forgiven: 0,
		lastExchangeAtMs: 0,
		lastInputTokens: 0,
		contextGrowthTokens: 0,
		steps: [],
	};
}

/** Exchanges seen so far: of two memories of a run the one with more is the newer. */
export function exchangesSeen({ loop }: RunMemory): number {
	return readDouble(loop, AT.events);
}

export function callKeyOf(callId: string): number {
	return toWord(hashToken(callId));
}

export function rememberStep(memory: RunMemory, step: RememberedStep): void {
	memory.steps = [step, ...memory.steps.slice(0, STEPS_REMEMBERED - 1)];
}

/** What either knows of the last steps; of more than there is room for the newest. */
export function mergeSteps(known: readonly RememberedStep[], others: readonly RememberedStep[]): readonly RememberedStep[] {
	const more = others.filter(({ callKey, seen }) => !known.some((step) => step.callKey === callKey && step.seen === seen));
	if (more.length === 0) return known;
	return [...known, ...more].sort((left, right) => right.seen - left.seen).slice(0, STEPS_REMEMBERED);
}

/** The step whose calls the turn answers; undefined where it is not known here, since another gateway served it. */
export function stepOf({ steps }: RunMemory, { results }: Turn): RememberedStep | undefined {
	for (const { callId } of results) {
		const step = stepThatMade(steps, callId);
		if (step !== undefined) return step;
	}
	return undefined;
}

/** The same, of the ids of the calls that its results answer. */
export function stepThatCalled({ steps }: RunMemory, callIds: readonly string[]): RememberedStep | undefined {
	for (const callId of callIds) {
		const step = stepThatMade(steps, callId);
		if (step !== undefined) return step;
	}
	return undefined;
}

function stepThatMade(steps: readonly RememberedStep[], callId: string): RememberedStep | undefined {
	const key = callKeyOf(callId);
	for (const step of steps) if (step.callKey === key) return step;
	return undefined;
}

/** What repeated up to now is forgiven, once for each time that the run's loops were. */
export function forgiveUpTo(memory: RunMemory, forgiven: number): void {
	if (memory.forgiven >= forgiven) return;
	forgiveLoops(memory.loop);
	memory.forgiven = forgiven;
}

/** 1 is that of a loop memory alone. */
const FORMAT = 2;
const HEAD_BYTES = 5;
const STEP_WORDS = 9;
const WORDS = CURSOR_WORDS + 7 + STEPS_REMEMBERED * STEP_WORDS;
const FIXED_BYTES = HEAD_BYTES + WORDS * 2 + PACKED_BYTES;
/** Calls of kept conversations that are handed over, as JSON; more of them are not. */
const CALLS_BYTES_MAX = 4_096;

/** Format number, checksum, the words of cursors and steps, the packed loop memory, then the newest step's calls as JSON where there are some. */
export function packRunMemory(memory: RunMemory): Uint8Array {
	const words = wordsOf(memory);
	const calls = packCalls(memory.steps[0]?.calls ?? []);
	const bytes = new Uint8Array(FIXED_BYTES + calls.length);
	const view = new DataView(bytes.buffer);
	bytes[0] = FORMAT;
	for (let at = 0; at < WORDS; at += 1) view.setUint16(HEAD_BYTES + at * 2, words[at] ?? 0, true);
	bytes.set(packLoopMemory(memory.loop), HEAD_BYTES + WORDS * 2);
	bytes.set(calls, FIXED_BYTES);
	view.setUint32(1, checksum(bytes), true);
	return bytes;
}

export type UnpackedRunMemory = { readonly kind: "unpacked"; readonly memory: RunMemory } | { readonly kind: "refused"; readonly problem: string };

/** What cannot be read is refused, and the run's detection begins anew. */
export function unpackRunMemory(bytes: Uint8Array): UnpackedRunMemory {
	if (bytes[0] !== FORMAT) return { kind: "refused", problem: `has the format ${bytes[0] ?? "of nothing"}, not ${FORMAT}` };
	if (bytes.length < FIXED_BYTES || bytes.length > FIXED_BYTES + CALLS_BYTES_MAX) return { kind: "refused", problem: `has ${bytes.length} bytes` };
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	if (checksum(bytes) !== view.getUint32(1, true)) return { kind: "refused", problem: "does not match its checksum" };
	const loop = unpackLoopMemory(bytes.subarray(HEAD_BYTES + WORDS * 2, FIXED_BYTES));
	if (loop.kind === "refused") return loop;
	const calls = unpackCalls(bytes.subarray(FIXED_BYTES));
	if (calls === undefined) return { kind: "refused", problem: "holds calls that are no JSON" };
	const words = Uint16Array.from({ length: WORDS }, (_, at) => view.getUint16(HEAD_BYTES + at * 2, true));
	return { kind: "unpacked", memory: { ...memoryOf(words, calls), loop: loop.memory } };
}

function wordsOf(memory: RunMemory): Uint16Array {
	const words = new Uint16Array(WORDS);
	words.set(memory.cursors);
	let at = CURSOR_WORDS;
	writeWord(words, at, memory.forgiven);
	writeDouble(words, at + 1, memory.lastExchangeAtMs / 1_000);
	writeDouble(words, at + 3, memory.lastInputTokens);
	writeDouble(words, at + 5, memory.contextGrowthTokens);
	at += 7;
	for (const { callKey, tokens, costNanoUsd, seen } of memory.steps.slice(0, STEPS_REMEMBERED)) {
		const cost = costNanoUsd < 0n ? 0n : costNanoUsd > COST_MAX ? COST_MAX : costNanoUsd;
		writeWord(words, at, callKey);
		writeDouble(words, at + 1, tokens);
		writeDouble(words, at + 3, Number(cost >> 32n));
		writeDouble(words, at + 5, Number(cost & 0xffff_ffffn));
		writeDouble(words, at + 7, seen);
		at += STEP_WORDS;
	}
	return words;
}

function memoryOf(words: Uint16Array, calls: readonly ToolCall[]): Omit<RunMemory, "loop"> {
	const at = CURSOR_WORDS;
	const steps: RememberedStep[] = [];
	for (let step = 0; step < STEPS_REMEMBERED; step += 1) {
		const from = at + 7 + step * STEP_WORDS;
		const callKey = words[from] ?? 0;
		if (callKey === 0) break;
		steps.push({
			callKey,
			costNanoUsd: (BigInt(readDouble(words, from + 3)) << 32n) + BigInt(readDouble(words, from + 5)),
			tokens: readDouble(words, from + 1),
			seen: readDouble(words, from + 7),
			calls: step === 0 ? calls : [],
		});
	}
	return {
		cursors: words.slice(0, CURSOR_WORDS),
		forgiven: words[at] ?? 0,
		lastExchangeAtMs: readDouble(words, at + 1) * 1_000,
		lastInputTokens: readDouble(words, at + 3),
		contextGrowthTokens: readDouble(words, at + 5),
		steps,
	};
}

function packCalls(calls: readonly ToolCall[]): Uint8Array {
	if (calls.length === 0) return new Uint8Array(0);
	const bytes = new TextEncoder().encode(JSON.stringify(calls));
	return bytes.length > CALLS_BYTES_MAX ? new Uint8Array(0) : bytes;
}

function unpackCalls(bytes: Uint8Array): readonly ToolCall[] | undefined {
	if (bytes.length === 0) return [];
	let parsed: unknown;
	try {
		parsed = JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return undefined;
	}
	return listOf(parsed).flatMap((call) => {
		const fields = fieldsOf(call);
		return fields === undefined ? [] : [{ callId: textOf(fields["callId"]), tool: textOf(fields["tool"]), argsText: textOf(fields["argsText"]) }];
	});
}

/** Over everything behind it. */
function checksum(bytes: Uint8Array): number {
	let sum = bytes.length;
	for (let at = HEAD_BYTES; at < bytes.length; at += 1) sum = mixHash(sum, bytes[at] ?? 0);
	return sum;
}
