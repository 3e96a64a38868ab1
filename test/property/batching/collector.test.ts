import fc from "fast-check";
import { expect, test } from "vitest";
import { COLLECT_AGE_MS, type CollectedItem, tallyOf } from "#domain/batching/collect.ts";
import { FLUSH_GAP_MS, nextCollectorMove } from "#domain/batching/collector-plan.ts";
import { type CollectorEvent, reduceCollector } from "#domain/batching/collector-reducer.ts";
import { type CollectorPicture, type CollectorState, emptyCollector } from "#domain/batching/collector-state.ts";
import { hedgeAtMs } from "#domain/batching/hedge.ts";
import { LINE_OVERHEAD_BYTES } from "#domain/batching/split-parts.ts";
import { collectorPicture, STARTS_AT_MS } from "#test/support/collector-pictures.ts";
import { collectorScope } from "#test/support/memory-collector.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

type Arrival = { readonly afterMs: number; readonly deadlineAfterMs: number | null };
type Flushed = { readonly atMs: number; readonly reason: string; readonly items: readonly CollectedItem[] };

/** Rows, a clock, and items that come whatever the collector does; its starter tells it of each of them. */
class World {
	nowMs = STARTS_AT_MS;
	readonly flushed: Flushed[] = [];
	private number = 1;
	private collecting: CollectedItem[] = [];
	private readonly coming: CollectedItem[];
	private readonly picture: Partial<CollectorPicture>;
	private state: CollectorState = emptyCollector(collectorScope());

	constructor(arrivals: readonly Arrival[], picture: Partial<CollectorPicture>) {
		this.picture = picture;
		let atMs = STARTS_AT_MS;
		this.coming = arrivals.map(({ afterMs, deadlineAfterMs }) => {
			atMs += afterMs;
			return { arrivedAtMs: atMs, deadlineMs: deadlineAfterMs === null ? null : atMs + deadlineAfterMs, bytes: 100, boundInputTokens: 10 };
		});
	}

	/** Until it ends. `faultOf` of a step: it is done and nobody hears of it, or it is not done. */
	run(faultOf: (step: number) => "none" | "lost" | "skipped"): void {
		for (let step = 0; step < 10_000; step++) {
			const move = nextCollectorMove(this.state, this.nowMs);
			if (move.kind === "done") return;
			if (move.kind === "wait") {
				expect(move.untilMs).toBeGreaterThan(this.nowMs);
				const next = this.coming[0];
				this.nowMs = next === undefined ? move.untilMs : Math.min(move.untilMs, next.arrivedAtMs);
				while (this.coming[0] !== undefined && this.coming[0].arrivedAtMs <= this.nowMs) this.collecting.push(...this.coming.splice(0, 1));
				if (next !== undefined && next.arrivedAtMs <= this.nowMs) this.apply({ kind: "told" });
				continue;
			}
			const fault = faultOf(step);
			const event = fault === "skipped" ? undefined : this.carryOut(move);
			this.apply(event === undefined || fault === "lost" ? { kind: "failed", step: move, message: "", nowMs: this.nowMs, jitter: 0 } : event);
		}
		throw new Error("it does not end");
	}

	get waiting(): number {
		return this.collecting.length + this.coming.length;
	}

	private carryOut(move: Extract<ReturnType<typeof nextCollectorMove>, { kind: "read" | "flush" }>): CollectorEvent {
		const { nowMs } = this;
		if (move.kind === "read") return { kind: "read", picture: this.read(), nowMs };
		const { batchId, reason } = move;
		if (batchId !== `batch_${this.number}` || (move.version !== null && move.version !== String(this.collecting.length)))
			return { kind: "flushed", batchId, reason, nowMs, items: batchId === `batch_${this.number}` ? null : 0 };
		const items = this.collecting;
		this.flushed.push({ atMs: nowMs, reason, items });
		this.collecting = [];
		this.number++;
		return { kind: "flushed", batchId, reason, nowMs, items: items.length };
	}

	private read(): CollectorPicture {
		const base = collectorPicture([], { clockMs: this.nowMs, ...this.picture });
		if (this.collecting.length === 0) return base;
		const neededMs = base.turnaround.quantileMs + base.realTimeP99Ms + base.marginMs;
		const reachable = this.collecting.flatMap(({ deadlineMs, arrivedAtMs }) =>
			deadlineMs !== null && deadlineMs >= arrivedAtMs + neededMs ? [deadlineMs] : [],
		);
		const tally = tallyOf(this.collecting, { itemOverheadBytes: LINE_OVERHEAD_BYTES });
		const batch = { batchId: `batch_${this.number}`, version: String(this.collecting.length), heldNanoUsd: "1", tally };
		return { ...base, batches: [{ ...batch, reachableDeadlineMs: reachable.length === 0 ? null : Math.min(...reachable) }] };
	}

	private apply(event: CollectorEvent): void {
		this.state = reduceCollector(this.state, event);
	}
}

const arrivals = fc.array(
	fc.record({
		afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: HOUR_MS })),
		deadlineAfterMs: fc.option(fc.oneof(fc.integer({ min: MINUTE_MS, max: HOUR_MS }), fc.integer({ min: HOUR_MS, max: 48 * HOUR_MS })), { nil: null }),
	}),
	{ minLength: 1, maxLength: 60 },
);
const limits = fc.record({
	itemsMax: fc.integer({ min: 2, max: 40 }),
	bytesMax: fc.constant(1_000_000),
	embeddingInputsMax: fc.constant(null),
	enqueuedTokensMax: fc.constantFrom(null, 500),
});
const turnaround = fc.record({
	quantileMs: fc.integer({ min: 0, max: 24 * HOUR_MS }),
	source: fc.constant("all_hours" as const),
	samples: fc.constant(200),
	inFlight: fc.constant(0),
});

test("every item goes once: in time for a call, and none waits longer than items are collected", () => {
	fc.assert(
		fc.property(arrivals, limits, turnaround, (items, given, took) => {
			const world = new World(items, { limits: given, turnaround: took });
			world.run(() => "none");
			expect(world.waiting).toBe(0);
			expect(world.flushed.reduce((sum, flush) => sum + flush.items.length, 0)).toBe(items.length);
			for (const { atMs, items: sent } of world.flushed)
				for (const { arrivedAtMs, deadlineMs } of sent) {
					expect(atMs - arrivedAtMs).toBeLessThanOrEqual(COLLECT_AGE_MS + FLUSH_GAP_MS);
					if (deadlineMs !== null)
						expect(atMs).toBeLessThanOrEqual(Math.max(arrivedAtMs, hedgeAtMs(deadlineMs, { realTimeP99Ms: 60_000, marginMs: 300_000 })) + FLUSH_GAP_MS);
				}
		}),
		{ numRuns: 300 },
	);
});

test("two flushes are five seconds apart, unless the later one is full", () => {
	fc.assert(
		fc.property(arrivals, limits, turnaround, (items, given, took) => {
			const world = new World(items, { limits: given, turnaround: took });
			world.run(() => "none");
			for (const [at, { atMs, reason }] of world.flushed.entries()) {
				const before = world.flushed[at - 1];
				if (before !== undefined && reason !== "count") expect(atMs - before.atMs).toBeGreaterThanOrEqual(FLUSH_GAP_MS);
			}
		}),
		{ numRuns: 300 },
	);
});

test("steps that fail, or that nobody hears of, lose nothing and send nothing twice", () => {
	fc.assert(
		fc.property(arrivals, fc.array(fc.constantFrom("none", "lost", "skipped" as const), { maxLength: 40 }), (items, faults) => {
			const world = new World(items, {});
			world.run((step) => faults[step] ?? "none");
			expect(world.waiting).toBe(0);
			expect(world.flushed.reduce((sum, flush) => sum + flush.items.length, 0)).toBe(items.length);
		}),
		{ numRuns: 300 },
	);
});
