import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { createJobLines } from "#activities/batches/job/job-lines.ts";
import type { BatchAlert, BatchJobDependencies, JobLines, JobStore, PriceResult, QuotaRefusal } from "#activities/batches/job/job-port.ts";
import { RealTimePaces } from "#activities/batches/job/real-time-pace.ts";
import { bodyKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { BatchProvider } from "#activities/batches/providers/provider-port.ts";
import type { BatchOrigin, CallerBatchRules } from "#domain/batching/batch.ts";
import { type JobStep, nextMove } from "#domain/batching/job-plan.ts";
import { reduceJob, type StepResult } from "#domain/batching/job-reducer.ts";
import { emptyJob, type JobState } from "#domain/batching/job-state.ts";
import { UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";
import { deferredIdOf, inputFileOf, MemoryBatchStore } from "./memory-batches.ts";
import { MemoryBlobs } from "./memory-blobs.ts";
import { memoryRealTime } from "./memory-real-time.ts";
import { type ProviderScript, ScriptedBatchProvider } from "./scripted-batch-provider.ts";

export const COST_NANO_USD = 40n;

export type JobStandOptions = {
	/** Texts of an item, where it is one of embeddings; default 1. */
	readonly embeddingInputsOf?: (n: number) => number;
	readonly script?: ProviderScript;
	readonly protocol?: "openai" | "anthropic";
	readonly items?: number;
	/** Default: a caller's batch. Of a collected one each item has a body of its own (`bodyOf`). */
	readonly origin?: BatchOrigin;
	readonly rules?: CallerBatchRules;
	readonly batchId?: string;
	/** How a call in real time is answered; default: nothing goes so. */
	readonly call?: BatchJobDependencies["realTime"]["call"];
	/** Called before each call of the store, the lines and the provider, with its place among them; what it throws is a crash there. */
	readonly onCall?: (place: number, name: string) => void;
	/** Default: a virtual clock, which waits move. */
	readonly clock?: { nowMs: number };
};

export type JobStand = {
	readonly batchId: string;
	readonly store: MemoryBatchStore;
	readonly blobs: MemoryBlobs;
	readonly provider: ScriptedBatchProvider;
	readonly activities: ReturnType<typeof createBatchJobActivities>;
	readonly dependencies: BatchJobDependencies;
	readonly alerts: BatchAlert[];
	/** What was told of the account's money, in order; null: it is over. */
	readonly quota: (QuotaRefusal | null)[];
	readonly clock: { nowMs: number };
};

/** The job of one batch over memory: its rows, payloads, and a provider that does as it is told. */
export function openJobStand(options: JobStandOptions = {}): JobStand {
	const {
		script,
		protocol = "openai",
		items = 4,
		origin = "caller",
		rules,
		batchId = `${protocol === "openai" ? "batch" : "msgbatch"}_${"a".repeat(24)}`,
	} = options;
	const clock = options.clock ?? { nowMs: 1_700_000_000_000 };
	const store = new MemoryBatchStore(() => clock.nowMs);
	const blobs = new MemoryBlobs();
	const provider = new ScriptedBatchProvider(() => clock.nowMs, script);
	store.add({ batchId, protocol, items, origin, ...(rules && { rules }), ...(options.embeddingInputsOf && { embeddingInputsOf: options.embeddingInputsOf }) });
	if (origin === "caller") blobs.blobs.set(`search/files/${inputFileOf(batchId)}.jsonl`, Buffer.from(inputOf(protocol, items)));
	else for (let n = 1; n <= items; n++) blobs.blobs.set(bodyKey("search", deferredIdOf(n)), Buffer.from(bodyOf(n)));
	const lines = createJobLines({ blobs, store, wallClockMs: () => clock.nowMs });
	const alerts: BatchAlert[] = [];
	const quota: (QuotaRefusal | null)[] = [];
	const inRealTime = { store: memoryRealTime(store), paces: new RealTimePaces(), wallClockMs: () => clock.nowMs };
	const dependencies: BatchJobDependencies = {
		...dependenciesOver({ store, lines, provider }, options.onCall),
		...(options.call && { realTime: { ...nothingInRealTime, ...inRealTime, call: options.call } }),
		raise: async (alert) => void alerts.push(alert),
		tellQuota: async (_batch, refused) => void quota.push(refused),
	};
	return { batchId, store, blobs, provider, dependencies, clock, alerts, quota, activities: createBatchJobActivities(dependencies) };
}

type Parts = { readonly store: JobStore; readonly lines: JobLines; readonly provider: BatchProvider };

export function dependenciesOver(parts: Parts, onCall?: JobStandOptions["onCall"]): BatchJobDependencies {
	let calls = 0;
	const watched = <Target extends object>(target: Target, name: string): Target =>
		onCall === undefined
			? target
			: new Proxy(target, {
					get(of, key) {
						const value: unknown = Reflect.get(of, key, of);
						if (typeof value !== "function") return value;
						return (...given: unknown[]) => {
							onCall(++calls, `${name}.${String(key)}`);
							return Reflect.apply(value, of, given) as unknown;
						};
					},
				});
	const provider = watched(parts.provider, "provider");
	return {
		store: watched(parts.store, "store"),
		lines: watched(parts.lines, "lines"),
		providerOf: () => provider,
		readLoad: async () => ({ nowMs: 0, submittedAtMs: [], waitingTokens: 0, partTokens: 0 }),
		openPricing: async () => priceOf,
		realTime: nothingInRealTime,
		heartbeat: () => undefined,
		now: () => 0,
		raise: async () => undefined,
		tellQuota: async () => undefined,
		observer: { stepFailed: () => undefined, notForgotten: () => undefined, bodiesLeft: () => undefined, resultsUnreadable: () => undefined },
	};
}

const never = async (): Promise<never> => {
	throw new Error("nothing goes in real time here");
};

/** Everything goes with a batch. */
export const nothingInRealTime: BatchJobDependencies["realTime"] = {
	store: {
		...{ claimPart: never, itemsInRealTime: never, markSent: never, unmarkSent: never, freeItems: never },
		...{ waitingInBatches: never, lanesOfWaiting: async () => new Map(), holdMore: never },
	},
	turnarounds: { estimate: async () => UNKNOWN_TURNAROUND },
	openCosts: async () => (realTimeNanoUsd) => ({ realTimeNanoUsd, batchNanoUsd: realTimeNanoUsd / 2n }),
	...{ readBody: never, call: never },
	paces: new RealTimePaces(),
	newCaller: () => "nobody",
	stopSignal: () => new AbortController().signal,
	wallClockMs: () => 0,
};

/** An answer costs the same each; one without usage nobody knows the cost of; errors cost nothing. */
export const priceOf: PriceResult = ({ n, tryNumber }, result) => {
	const unknown = { costTokens: 0, usage: null, answeredModel: null, serviceTier: null, providerRequestId: null, httpStatus: null };
	if (result.kind !== "succeeded") return { n, tryNumber, outcome: result.kind, costNanoUsd: null, ...unknown };
	if (!result.body.includes("usage")) return { n, tryNumber, outcome: "succeeded", costNanoUsd: 0n, ...unknown, unresolvedReason: "usage is missing" };
	return { n, tryNumber, outcome: "succeeded", costNanoUsd: COST_NANO_USD, ...unknown };
};

export function inputOf(protocol: "openai" | "anthropic", items: number): string {
	const lines = Array.from({ length: items }, (_, index) => {
		const [customId, body] = [`c-${index + 1}`, { model: "m-1", name: `i-${index + 1}` }];
		return JSON.stringify(
			protocol === "openai" ? { custom_id: customId, method: "POST", url: "/v1/chat/completions", body } : { custom_id: customId, params: body },
		);
	});
	return `${lines.join("\n")}\n`;
}

/** As its caller wrote it, with the model that he asked for. */
export function bodyOf(n: number): string {
	return `{\n  "model": "asked-for",\r\n  "name": "i-${n}"\n}`;
}

export type DriveOptions = {
	/** `lost`: nothing is heard of the step, which was done; `skipped`: nor was it done; `forgotten`: it was, and all that the workflow remembers is gone. */
	readonly faultOf?: (step: JobStep, at: number) => "none" | "lost" | "skipped" | "forgotten";
	/** Before the step of this place somebody wants the batch to end. */
	readonly cancelsAt?: number;
	readonly stepsMax?: number;
	readonly onStep?: (step: JobStep, state: JobState) => void;
};

/** Drives the batch to its end as the workflow would, on the stand's clock. */
export async function driveJob({ activities, batchId, store, clock }: JobStand, options: DriveOptions = {}): Promise<JobState> {
	const { faultOf = () => "none", cancelsAt, stepsMax = 2_000, onStep } = options;
	let state = emptyJob(batchId, "search");
	for (let at = 1; at <= stepsMax; at++) {
		if (at === cancelsAt) {
			await store.askCancel(batchId);
			state = reduceJob(state, { kind: "told", retriesNow: false });
		}
		const move = nextMove(state, clock.nowMs);
		if (move.kind === "done") return state;
		if (move.kind === "wait") {
			clock.nowMs = move.untilMs;
			continue;
		}
		onStep?.(move, state);
		const moment = { nowMs: clock.nowMs, jitter: 0.5 };
		const fault = faultOf(move, at);
		try {
			if (fault === "skipped") throw new Error("the worker is gone");
			const result = await carry(activities, batchId, move);
			if (fault === "lost") throw new Error("the worker is gone");
			state = fault === "forgotten" ? emptyJob(batchId, "search") : reduceJob(state, { kind: "stepped", step: move, result, ...moment });
		} catch (error) {
			state = reduceJob(state, { kind: "failed", step: move, message: error instanceof Error ? error.message : String(error), ...moment });
		}
	}
	throw new Error(`the batch has not ended after ${stepsMax} steps; ${JSON.stringify(state.trouble)}`);
}

async function carry(activities: JobStand["activities"], batchId: string, step: JobStep): Promise<StepResult> {
	const input = { batchId, ...step } as never;
	const byKind = {
		...{ read: activities.readBatchJob, writeParts: activities.writeBatchParts, upload: activities.uploadBatchPart, create: activities.createBatchPart },
		...{ find: activities.findBatchPart, poll: activities.pollBatchPart, cancel: activities.cancelBatchPart, collect: activities.collectBatchPart },
		...{ again: activities.sendItemsAgain, drop: activities.dropBatchPart, endUnsent: activities.endUnsentItems, finish: activities.finishBatch },
		...{ deliver: activities.deliverAnswers, chooseLanes: activities.chooseBatchLanes, hedge: activities.hedgeBatchItems, call: activities.callRealTimePart },
		...{ tellLate: activities.tellBatchLate, seek: activities.seekBatchPart, settleDouble: activities.settleDoubleBatch },
	} as const;
	const result = await byKind[step.kind](input);
	if (result === null) throw new Error("there is no such batch");
	return result;
}
