import { mixHash } from "./token-scanner.ts";

/**
 * What a run's loop detection remembers: 16-bit numbers in one array of fixed length, so that a run costs the same however long it lives,
 * and one that begins costs nothing (make it with the first exchange). Its packed form goes to another gateway or to the journal.
 * Hashes are cut to 16 bits: of two that only seem equal, one in 65,536, nothing follows; every rule asks for many in a row.
 */
export type LoopMemory = Uint16Array;

/** Longest cycle that is recognised as one. */
export const PERIODS = 8;
export const SKETCHES_KEPT = 6;
const SKETCH_WORDS = 16;

const LAYOUT = {
	/** Exchanges so far, in two words. */
	events: 2,
	/** For each period L: how many exchanges in a row equal the one L before. */
	matches: PERIODS,
	stall: 1,
	lastCall: 1,
	errorStreak: 1,
	errorFresh: 1,
	lastAgent: 1,
	/** Exchanges since another agent acted. */
	switchAgo: 1,
	/** Exchanges since a tool that waits. */
	waitAgo: 1,
	/** Calls in a row of one tool that asks how something is going. */
	polls: 1,
	lastTool: 1,
	lastTokens: 2,
	lastChars: 2,
	lastTemplate: 1,
	growthStart: 2,
	lastGrowth: 2,
	firstGrowth: 2,
	accelerating: 1,
	decreases: 1,
	snowball: 1,
	sameShape: 1,
	/** Guards that have warned and not recovered, a bit each. */
	warned: 1,
	costs: 1,
	/** Logarithms to base 2 of nano-USD, times 512. */
	usualCost: 1,
	usualSpread: 1,
	recentCost: 1,
	pairs: 40,
	calls: 16,
	results: 16,
	targets: 16,
	sketches: SKETCHES_KEPT * SKETCH_WORDS,
	previous: SKETCH_WORDS,
} as const;

type Region = keyof typeof LAYOUT;

/** Where each region begins. */
export const AT: Readonly<Record<Region, number>> = (() => {
	let next = 0;
	const starts = {} as Record<Region, number>;
	for (const region of Object.keys(LAYOUT) as Region[]) {
		starts[region] = next;
		next += LAYOUT[region];
	}
	return starts;
})();

const WORDS = Object.values(LAYOUT).reduce((sum, words) => sum + words, 0);
const WORD_MAX = 0xffff;
const DOUBLE_MAX = 0xffff_ffff;
const NO_AGO = WORD_MAX;

export function createLoopMemory(): LoopMemory {
	const memory = new Uint16Array(WORDS);
	clearDetection(memory);
	return memory;
}

/** After a person let a stopped run go on: what repeated so far is forgiven, what its calls usually cost is kept. */
export function forgiveLoops(memory: LoopMemory): void {
	memory.fill(0, AT.matches, AT.costs);
	memory.fill(0, AT.pairs);
	clearDetection(memory);
}

function clearDetection(memory: LoopMemory): void {
	memory[AT.switchAgo] = NO_AGO;
	memory[AT.waitAgo] = NO_AGO;
	memory.fill(WORD_MAX, AT.sketches);
}

export function readWord(memory: LoopMemory, at: number): number {
	return memory[at] ?? 0;
}

/** Stops at the largest number a word holds. */
export function writeWord(memory: LoopMemory, at: number, value: number): void {
	memory[at] = value < 0 ? 0 : value > WORD_MAX ? WORD_MAX : value;
}

export function readDouble(memory: LoopMemory, at: number): number {
	return (memory[at] ?? 0) * 0x10000 + (memory[at + 1] ?? 0);
}

export function writeDouble(memory: LoopMemory, at: number, value: number): void {
	const bounded = Math.min(Math.max(0, Math.floor(value)), DOUBLE_MAX);
	memory[at] = Math.floor(bounded / 0x10000);
	memory[at + 1] = bounded % 0x10000;
}

/** A hash as a word; 0 stands for nothing remembered. */
export function toWord(hash: number): number {
	return (hash ^ (hash >>> 16)) & WORD_MAX || 1;
}

type Ring = "pairs" | "calls" | "results" | "targets";

/** Whether the hash is among those remembered last. */
export function remembers(memory: LoopMemory, ring: Ring, hash: number): boolean {
	const word = toWord(hash);
	const end = AT[ring] + LAYOUT[ring];
	// By hand: `indexOf` goes on to the end of the memory.
	for (let at = AT[ring]; at < end; at += 1) if (memory[at] === word) return true;
	return false;
}

/** Takes the place of the oldest. `event` counts from 0. */
export function remember(memory: LoopMemory, ring: Ring, { hash, event }: { readonly hash: number; readonly event: number }): void {
	memory[AT[ring] + (event % LAYOUT[ring])] = toWord(hash);
}

/** Whether the exchange `ago` before `event` had this hash. */
export function wasPair(memory: LoopMemory, { hash, event, ago }: { readonly hash: number; readonly event: number; readonly ago: number }): boolean {
	return event >= ago && memory[AT.pairs + ((event - ago) % LAYOUT.pairs)] === toWord(hash);
}

const FORMAT = 1;
const HEAD_BYTES = 5;
/** Length of every packed memory. */
export const PACKED_BYTES = HEAD_BYTES + WORDS * 2;

/** Format number, checksum, then the words, low byte first. */
export function packLoopMemory(memory: LoopMemory): Uint8Array {
	const bytes = new Uint8Array(PACKED_BYTES);
	const view = new DataView(bytes.buffer);
	bytes[0] = FORMAT;
	view.setUint32(1, checksum(memory), true);
	for (let at = 0; at < WORDS; at += 1) view.setUint16(HEAD_BYTES + at * 2, memory[at] ?? 0, true);
	return bytes;
}

export type UnpackedLoopMemory = { readonly kind: "unpacked"; readonly memory: LoopMemory } | { readonly kind: "refused"; readonly problem: string };

/** What cannot be read is refused: detection begins anew then, and ceilings hold all the same. */
export function unpackLoopMemory(bytes: Uint8Array): UnpackedLoopMemory {
	if (bytes[0] !== FORMAT) return { kind: "refused", problem: `has the format ${bytes[0] ?? "of nothing"}, not ${FORMAT}` };
	if (bytes.length !== PACKED_BYTES) return { kind: "refused", problem: `has ${bytes.length} bytes, not ${PACKED_BYTES}` };
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	const memory = Uint16Array.from({ length: WORDS }, (_, at) => view.getUint16(HEAD_BYTES + at * 2, true));
	return checksum(memory) === view.getUint32(1, true) ? { kind: "unpacked", memory } : { kind: "refused", problem: "does not match its checksum" };
}

function checksum(memory: LoopMemory): number {
	return memory.reduce(mixHash, WORDS);
}
