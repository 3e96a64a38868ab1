import { exchangesSeen, packRunMemory } from "#domain/agents/run-memory.ts";
import type { LiveRun } from "./live-run.ts";
import type { FlushedRun, RunFlushes, RunNote } from "./port.ts";
import type { RunDirectory } from "./run-directory.ts";
import { exchangesIn } from "./turn-reader.ts";

type Taken = { readonly live: LiveRun /** undefined: no memory was told. */; readonly memoryChanges: number | undefined; readonly verdicts: number };

/** Where no other gateway serves a run, its memory is told so often: what a crash can lose of it. */
const TOLD_EVERY_MS = 1_000;
/** At first it is told with every flush: whether others serve the run, too, shows only after some steps, and their first ones count. */
const TOLD_AT_ONCE = 4;

/** What is to be told of runs with the next flush, and what its answer says of them. */
export class RunNotes implements RunFlushes {
	readonly #directory: Pick<RunDirectory, "node" | "live">;
	readonly #nowMs: () => number;
	readonly #untold = new Set<LiveRun>();
	readonly #taken = new WeakMap<RunNote, Taken>();

	constructor(directory: Pick<RunDirectory, "node" | "live">, nowMs: () => number) {
		this.#directory = directory;
		this.#nowMs = nowMs;
	}

	/** Its memory or its warnings are to be told. */
	mark(live: LiveRun): void {
		this.#untold.add(live);
	}

	takeUntold(most: number): readonly RunNote[] {
		const notes: RunNote[] = [];
		for (const live of this.#untold) {
			if (notes.length >= most) break;
			const note = this.#noteOf(live);
			if (note !== undefined) notes.push(note);
		}
		return notes;
	}

	told(notes: readonly RunNote[]): void {
		for (const note of notes) {
			const taken = this.#taken.get(note);
			if (taken === undefined) continue;
			const { live, memoryChanges, verdicts } = taken;
			this.#taken.delete(note);
			live.untold = live.untold.slice(verdicts);
			if (memoryChanges !== undefined) {
				live.toldAtMs = this.#nowMs();
				live.timesTold += 1;
			}
			if (memoryChanges === live.memoryChanges) live.hasNewMemory = false;
			if (!live.hasNewMemory && live.untold.length === 0) this.#untold.delete(live);
		}
	}

	totals(runs: readonly FlushedRun[]): void {
		for (const { number, othersServe, totals } of runs) {
			const node = this.#directory.node(number);
			if (node === undefined) continue;
			node.addTotals(totals);
			const live = this.#directory.live(node.runId);
			if (live !== undefined) live.othersServe = othersServe;
		}
	}

	/** Something could be told that no flush has taken along. */
	get hasDue(): boolean {
		for (const live of this.#untold) if (live.untold.length > 0 || this.#tellsMemory(live)) return true;
		return false;
	}

	/** It is let go: whatever is untold stays so. */
	forget(live: LiveRun): void {
		this.#untold.delete(live);
	}

	/** What waits for news from elsewhere is told with them: told before, it would take the place of the news. */
	#tellsMemory({ handOver, hasNewMemory, othersServe, pending, timesTold, toldAtMs }: LiveRun): boolean {
		if (!hasNewMemory || (handOver !== undefined && pending !== undefined)) return false;
		return othersServe || timesTold < TOLD_AT_ONCE || this.#nowMs() - toldAtMs >= TOLD_EVERY_MS;
	}

	#noteOf(live: LiveRun): RunNote | undefined {
		const { untold: verdicts, memory, memoryChanges } = live;
		const tellsMemory = this.#tellsMemory(live);
		if (!tellsMemory && verdicts.length === 0) return undefined;
		const note: RunNote = {
			number: live.own.number,
			...(tellsMemory && { memory: Buffer.from(packRunMemory(memory)).toString("base64") }),
			// What waits was seen, too: whoever served the last step has the newest.
			exchanges: exchangesSeen(memory) + exchangesIn(live.pending),
			verdicts,
		};
		this.#taken.set(note, { live, memoryChanges: tellsMemory ? memoryChanges : undefined, verdicts: verdicts.length });
		return note;
	}
}
