import { statSync } from "node:fs";
import type { SimulatedClock } from "./clock.ts";
import type { BatchLimits } from "./limits.ts";
import { type BatchRecord, isOpen } from "./records.ts";
import { writeResults } from "./results.ts";
import { cancelledAtMs, endOf, FINALIZING_MS, itemsDue, nextLookMs, type RunningBatch, turnaroundOf, validatedAtMs } from "./timeline.ts";
import { tokenLimitProblem, validateInput } from "./validation.ts";
import { recoverWork, runItems, type Work } from "./work.ts";

/**
 * Brings every batch to where the clock says it is, one step after the other, each batch by itself. A batch is looked at when something is due,
 * and when somebody changed it or the clock.
 */

/** A timer takes no more. */
const TIMER_MS_MOST = 2 ** 31 - 1;

/** `again`: look at once; a number: not before then; `rest`: nothing more to do. */
type Step = "again" | "rest" | { readonly atMs: number };

export class BatchRunner {
	readonly #work: Work;
	readonly #clock: SimulatedClock;
	readonly #limits: () => BatchLimits;
	readonly #running = new Map<string, Promise<void>>();
	readonly #wanted = new Set<string>();
	readonly #timers = new Map<string, NodeJS.Timeout>();
	/** Work of an earlier process was taken up. */
	readonly #recovered = new Set<string>();
	#isStopped = false;

	constructor(work: Work, clock: SimulatedClock, limits: () => BatchLimits) {
		this.#work = work;
		this.#clock = clock;
		this.#limits = limits;
	}

	wakeAll(): void {
		for (const record of this.#work.disk.batches()) if (isOpen(record)) this.wake(record.id);
	}

	wake(id: string): void {
		if (this.#isStopped) return;
		clearTimeout(this.#timers.get(id));
		this.#timers.delete(id);
		this.#wanted.add(id);
		if (!this.#running.has(id)) this.#running.set(id, this.#run(id));
	}

	/** Resolves when nothing is due any more. */
	async settled(): Promise<void> {
		while (this.#running.size > 0) await Promise.all(this.#running.values());
	}

	/** Ends after what is being written; the next start goes on from there. */
	stop(): void {
		this.#isStopped = true;
		for (const timer of this.#timers.values()) clearTimeout(timer);
		this.#timers.clear();
	}

	async #run(id: string): Promise<void> {
		try {
			while (this.#wanted.delete(id)) await this.#catchUp(id);
		} catch (error) {
			// Something may stand half written; the next look begins with what is whole.
			this.#recovered.delete(id);
			process.stderr.write(`simulated provider: batch ${id}: ${(error as Error).stack ?? String(error)}\n`);
		} finally {
			this.#running.delete(id);
			if (this.#wanted.has(id)) this.wake(id);
		}
	}

	async #catchUp(id: string): Promise<void> {
		while (!this.#isStopped) {
			const step = await this.#step(id);
			if (step === "again") continue;
			if (step !== "rest") this.#lookAgain(id, step.atMs);
			return;
		}
	}

	#lookAgain(id: string, atMs: number): void {
		const waitMs = this.#clock.realMsUntil(atMs);
		if (waitMs === Number.POSITIVE_INFINITY) return;
		clearTimeout(this.#timers.get(id));
		this.#timers.set(id, setTimeout(() => this.wake(id), Math.min(waitMs, TIMER_MS_MOST)).unref());
	}

	async #step(id: string): Promise<Step> {
		const record = this.#work.disk.batch(id);
		if (record === undefined || !isOpen(record)) return "rest";
		if (!this.#recovered.has(id)) {
			await recoverWork(this.#work, record);
			this.#recovered.add(id);
			return "again";
		}
		const nowMs = this.#clock.nowMs();
		if (record.phase === "validating") return this.#validate(record, nowMs);
		return record.phase === "running" ? this.#runDue(record, nowMs) : this.#finalize(record, nowMs);
	}

	async #validate(record: BatchRecord, nowMs: number): Promise<Step> {
		const { disk, state } = this.#work;
		const atMs = validatedAtMs(record);
		const cancelled = cancelledAtMs(record);
		if (record.cancelAskedAtMs !== null && record.cancelAskedAtMs < atMs && cancelled !== null) {
			if (nowMs < cancelled) return { atMs: cancelled };
			disk.changeBatch(record.id, { phase: "finalizing", end: "cancelled", finalizingAtMs: cancelled });
			return "again";
		}
		if (nowMs < atMs) return { atMs };
		const path = disk.inputPath(record.id);
		const limits = this.#limits().openai;
		const { problems, plan, ...found } = await validateInput({ path, bytes: statSync(path).size, endpoint: record.endpoint, limits }, state);
		// It may have been given another plan meanwhile; what an item says is said of this batch alone.
		const merged = { ...(disk.batch(record.id) ?? record).plan, ...plan };
		const tooMany = tokenLimitProblem(found, limits, (model) => this.#enqueuedTokens(model));
		const asked = merged.failValidation;
		const planned = asked === undefined ? [] : [{ code: asked, line: null, message: `[simulated] the batch failed: ${asked}`, param: null }];
		const all = [...problems, ...(tooMany === undefined ? [] : [tooMany]), ...planned];
		if (all.length > 0) {
			disk.changeBatch(record.id, { phase: "ended", end: "failed", problems: all, endedAtMs: atMs, model: found.model });
			disk.removeWork(record.id);
			return "rest";
		}
		disk.changeBatch(record.id, { ...found, plan: merged, phase: "running", startedAtMs: atMs });
		return "again";
	}

	async #runDue(record: BatchRecord, nowMs: number): Promise<Step> {
		if (record.startedAtMs === null) throw new Error("a running batch has no start");
		const running: RunningBatch = { ...record, startedAtMs: record.startedAtMs };
		const turnaroundMs = turnaroundOf(record, this.#work.seed);
		const due = itemsDue(running, turnaroundMs, nowMs);
		if (due > record.done) {
			await runItems(this.#work, record, { most: due - record.done, atMs: nowMs });
			return "again";
		}
		const { atMs, end } = endOf(running, turnaroundMs);
		if (nowMs < atMs) return { atMs: nextLookMs(running, turnaroundMs, nowMs) };
		this.#work.disk.changeBatch(record.id, { phase: "finalizing", end, finalizingAtMs: atMs });
		return "again";
	}

	async #finalize(record: BatchRecord, nowMs: number): Promise<Step> {
		const { disk, seed } = this.#work;
		const endedAtMs = (record.finalizingAtMs ?? nowMs) + FINALIZING_MS;
		if (nowMs < endedAtMs) return { atMs: endedAtMs };
		const results = await writeResults(record, { disk, seed, endedAtMs });
		disk.changeBatch(record.id, { ...results, endedAtMs, phase: "ended" });
		disk.removeWork(record.id);
		return "rest";
	}

	#enqueuedTokens(model: string): number {
		const open = this.#work.disk.batches().filter((record) => isOpen(record) && record.model === model);
		return open.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
	}
}
