import { createCollectorActivities } from "#activities/batches/collector/collector-activities.ts";
import type { CollectorDependencies } from "#activities/batches/collector/collector-port.ts";
import type { BatchLimits } from "#activities/batches/providers/provider-port.ts";
import { type CollectedItem, tallyOf } from "#domain/batching/collect.ts";
import type { CollectorScope } from "#domain/batching/collector-state.ts";
import { LINE_OVERHEAD_BYTES } from "#domain/batching/split-parts.ts";
import { UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const HOUR_MS = 3_600_000;

export function collectorScope(scope: Partial<CollectorScope> = {}): CollectorScope {
	return { teamId: "search", protocol: "openai", endpoint: "chat.completions", model: "m-1", deployment: "openai/m-1", provider: "openai", ...scope };
}

type MemoryBatch = { readonly batchId: string; version: number; isHeld: boolean; readonly items: CollectedItem[]; readonly priceVersion: number };

/** One collector's rows and its provider, in memory, on the real clock: what PostgreSQL keeps of items that come and are flushed. */
export class MemoryCollector {
	readonly batches: MemoryBatch[] = [];
	readonly scope: CollectorScope;
	/** PostgreSQL does not answer. */
	isAway = false;
	/** The provider's limits, what it was given within the hour, and how long its batches take. */
	limits: BatchLimits = {
		...{ itemsMax: 100, bytesMax: 1e9, embeddingInputsMax: undefined, batchesPerHour: undefined, enqueuedTokensMax: undefined, windowMs: 1, resultsKeptMs: 1 },
	};
	submitted = 0;
	waitingTokens = 0;
	quantileMs = HOUR_MS;
	/** Called before each flush: what comes then, comes between its reading and it. */
	beforeFlush: () => void = () => undefined;

	constructor(scope: CollectorScope) {
		this.scope = scope;
	}

	/** Joins the batch that collects, or begins one. */
	add(count: number, of: Partial<CollectedItem> = {}, priceVersion = 1): string {
		let batch = this.batches.find((each) => !each.isHeld && each.priceVersion === priceVersion);
		if (batch === undefined) {
			batch = { batchId: `batch_${this.scope.teamId}_${this.batches.length + 1}`, version: 1, isHeld: false, items: [], priceVersion };
			this.batches.push(batch);
		}
		for (let item = 0; item < count; item++) batch.items.push({ bytes: 100, boundInputTokens: 10, arrivedAtMs: Date.now(), deadlineMs: null, ...of });
		batch.version++;
		return batch.batchId;
	}

	get held(): readonly MemoryBatch[] {
		return this.batches.filter(({ isHeld }) => isHeld);
	}

	get collecting(): readonly MemoryBatch[] {
		return this.batches.filter(({ isHeld }) => !isHeld);
	}

	get dependencies(): CollectorDependencies {
		return {
			rows: {
				batchesOf: async (_, { neededMs, most }) =>
					this.answer(() =>
						this.collecting.slice(0, most).map(({ batchId, version, items }) => {
							const reachable = items.flatMap(({ deadlineMs, arrivedAtMs }) =>
								deadlineMs !== null && deadlineMs >= arrivedAtMs + neededMs ? [deadlineMs] : [],
							);
							return {
								...{ batchId, version: String(version), heldNanoUsd: String(items.length * 100) },
								tally: tallyOf(items, { itemOverheadBytes: LINE_OVERHEAD_BYTES }),
								reachableDeadlineMs: reachable.length === 0 ? null : Math.min(...reachable),
							};
						}),
					),
				flush: async (batchId, version) => {
					this.beforeFlush();
					return this.answer(() => {
						const batch = this.collecting.find((each) => each.batchId === batchId && (version === null || version === String(each.version)));
						if (batch !== undefined) batch.isHeld = true;
						return batch !== undefined;
					});
				},
			},
			read: async (batchId) => {
				const batch = this.batches.find((each) => each.batchId === batchId);
				return batch === undefined ? undefined : ({ state: batch.isHeld ? "held" : "collecting", items: batch.items.length } as never);
			},
			turnarounds: { estimate: async () => ({ ...UNKNOWN_TURNAROUND, quantileMs: this.quantileMs, source: "all_hours", samples: 200 }) },
			limitsOf: () => this.limits,
			readLoad: async () =>
				this.answer(() => ({
					nowMs: Date.now(),
					submittedAtMs: Array.from({ length: this.submitted }, () => Date.now() - 1),
					waitingTokens: this.waitingTokens,
					partTokens: 0,
				})),
			realTimeP99Ms: 60,
			marginMs: 300,
		};
	}

	get activities(): ReturnType<typeof createCollectorActivities> {
		return createCollectorActivities(this.dependencies);
	}

	private answer<Reply>(reply: () => Reply): Reply {
		if (this.isAway) throw new CostControlError("authority.unreachable", "PostgreSQL is away");
		return reply();
	}
}
