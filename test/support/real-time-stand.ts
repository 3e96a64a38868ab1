import { randomUUID } from "node:crypto";
import { createBatchPricing } from "#activities/batches/job/batch-pricing.ts";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { createJobLines } from "#activities/batches/job/job-lines.ts";
import type { BatchAlert, BatchJobDependencies } from "#activities/batches/job/job-port.ts";
import type { CallOutcome, ItemCall, RealTimeTimes } from "#activities/batches/job/real-time.ts";
import { createItemCalls } from "#activities/batches/job/real-time-call.ts";
import { type PaceOptions, RealTimePaces } from "#activities/batches/job/real-time-pace.ts";
import type { BatchRecord } from "#activities/batches/port.ts";
import { createPostgresDeferredStore } from "#activities/batches/store/deferred.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { createRealTimeStore } from "#activities/batches/store/real-time.ts";
import { createModelTransport } from "#activities/providers/call-model.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import { verifyLedger } from "#activities/verification/verify.ts";
import type { ProviderSettings } from "#config/providers.ts";
import type { CallerBatchRules } from "#domain/batching/batch.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { type JobStep, nextMove } from "#domain/batching/job-plan.ts";
import { reduceJob, type StepResult } from "#domain/batching/job-reducer.ts";
import { emptyJob, type JobState } from "#domain/batching/job-state.ts";
import { type TurnaroundEstimate, UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { dependenciesOver } from "./batch-job-stand.ts";
import { DeferredStand, type TestItem } from "./deferred-stand.ts";
import { MemoryBlobs } from "./memory-blobs.ts";
import { type ProviderScript, ScriptedBatchProvider } from "./scripted-batch-provider.ts";
import { type SimulatedProvider, startSimulatedProvider } from "./simulated-provider.ts";

export const HOUR_MS = 3_600_000;
export const BOUND_NANO_USD = 100_000n;

/** As a provider's batch answers: 100 nano-USD at the prices of batches. */
export const SAID: ItemResult = {
	...{ kind: "succeeded", httpStatus: 200, requestId: "req-batch" },
	body: '{"id":"c","model":"gpt-test","usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150},"choices":[]}',
};

export type RealTimeOptions = {
	/** A worker after another: the provider of batches is the one that was there. */
	readonly isSuccessor?: boolean;
	readonly script?: ProviderScript;
	readonly turnaround?: TurnaroundEstimate;
	readonly times?: Partial<RealTimeTimes>;
	readonly pace?: PaceOptions;
	/** Called before each call of rows, lines and providers, with its place among them; what it throws is a crash there. */
	readonly onCall?: (place: number, name: string) => void;
	/** In the place of the simulated provider. */
	readonly call?: (call: ItemCall, n: number) => Promise<CallOutcome>;
	readonly stopSignal?: AbortSignal;
	/** Default: the clock of the stand. */
	readonly wallClockMs?: () => number;
};

/** Lanes of items that were handed in alone: rows in PostgreSQL, payloads in memory, batches by a script, calls to the simulated provider. */
export class RealTimeStand {
	readonly deferred: DeferredStand;
	readonly simulated: SimulatedProvider;
	readonly blobs = new MemoryBlobs();
	readonly alerts: BatchAlert[] = [];
	provider: ScriptedBatchProvider;
	/** Milliseconds since 1970 of the planner and the lanes; waits move it. */
	nowMs = Date.now();
	#providers = 0;
	#files = 0;
	readonly #transport;
	readonly #settings: ProviderSettings;

	private constructor(deferred: DeferredStand, simulated: SimulatedProvider) {
		this.deferred = deferred;
		this.simulated = simulated;
		this.provider = new ScriptedBatchProvider(() => this.nowMs);
		this.#settings = {
			...{ name: "openai", protocol: "openai", baseUrl: `${simulated.url}/v1`, query: {}, credentialHeader: "authorization", key: undefined },
			...{ pricedAs: "openai", billedStatuses: [], hasStreamUsage: true, hasKnownEncoding: true, defaultTiers: ["standard"], defaultGeography: "global" },
			...{ enforcedCapFields: undefined, batches: undefined },
		};
		this.#transport = createModelTransport({ keys: createProviderKeys([this.#settings]) });
	}

	/** The account that real-time calls go by. */
	get account(): ProviderSettings {
		return this.#settings;
	}

	static async open(): Promise<RealTimeStand> {
		const [deferred, simulated] = await Promise.all([DeferredStand.open(), startSimulatedProvider()]);
		const facts = { kind: "chat", protocol: "openai", hiddenTokensPerRequest: 0, hiddenTokensPerMessage: 0, isReasoning: false };
		await deferred.batches.ledger.sql("UPDATE tollgate.price_line SET line = line || $1", [JSON.stringify(facts)]);
		await deferred.batches.ledger.sql("INSERT INTO tollgate.price_version (version, source, checksum, created_by) VALUES (1, 'test', '', 'ada')");
		return new RealTimeStand(deferred, simulated);
	}

	async close(): Promise<void> {
		await this.#transport.close();
		await this.simulated.close();
		await this.deferred.close();
	}

	/** Items of one collected batch, which is held. `content` may hold what the simulated provider is to do. */
	async held(items: readonly (TestItem & { readonly content?: string })[]): Promise<string> {
		let batchId = "";
		for (const [index, { content = "Hello", ...item }] of items.entries()) {
			const named = this.deferred.item({ boundNanoUsd: BOUND_NANO_USD, boundTokens: 50_000, pricesAsOfMs: Date.now(), ...item });
			const bodyBlobKey = `demo/deferred/${named.deferredId}/body`;
			const body = { model: "asked-for", name: `i-${index + 1}`, max_tokens: 5, messages: [{ role: "user", content }] };
			this.blobs.blobs.set(bodyBlobKey, Buffer.from(JSON.stringify(body)));
			batchId = (await this.deferred.accepted({ ...named, bodyBlobKey })).batch.batchId;
		}
		return this.deferred.flushed(batchId);
	}

	/** A caller's own batch, which is held, under these rules. `contents` may hold what the simulated provider is to do. */
	async heldOfCaller(contents: readonly string[], rules: CallerBatchRules): Promise<string> {
		const { batches } = this.deferred;
		const lines = contents.map((content, index) => {
			const body = { model: "asked-for", name: `i-${index + 1}`, max_tokens: 5, messages: [{ role: "user", content }] };
			return JSON.stringify({ custom_id: `mine-${index + 1}`, method: "POST", url: "/v1/chat/completions", body });
		});
		const fileId = `file-${String(++this.#files).padStart(24, "0")}`;
		const file = { fileId, teamId: "demo", keyId: "key_0", purpose: "batch", filename: "in.jsonl", blobKey: `demo/files/${fileId}.jsonl` } as const;
		this.blobs.blobs.set(file.blobKey, Buffer.from(lines.join("\n")));
		await batches.store.createFile({ ...file, bytes: 1, lines: lines.length, expiresAtMs: null });
		const bound = { count: lines.length, boundNanoUsd: BOUND_NANO_USD, boundTokens: 50_000 };
		return batches.held({ ...bound, inputFileId: fileId, rules, pricesAsOfMs: Date.now() });
	}

	activities(options: RealTimeOptions = {}): ReturnType<typeof createBatchJobActivities> {
		return createBatchJobActivities(this.dependencies(options));
	}

	dependencies({
		isSuccessor = false,
		script,
		turnaround = UNKNOWN_TURNAROUND,
		times,
		pace,
		onCall,
		call,
		stopSignal,
		wallClockMs,
	}: RealTimeOptions): BatchJobDependencies {
		const { sql } = this.deferred.batches;
		// What a provider runs is one part's, for ever.
		if (!isSuccessor) this.provider = new ScriptedBatchProvider(() => this.nowMs, { itemOf: () => SAID, idPrefix: `pb-${++this.#providers}`, ...script });
		const store = { ...createPostgresBatchStore(sql), ...createPostgresDeferredStore(sql) };
		let calls = 0;
		const watched = <Target extends object>(target: Target, name: string): Target => watch(target, (key) => onCall?.(++calls, `${name}.${key}`));
		const over = dependenciesOver({
			store: watched(store, "store"),
			lines: watched(createJobLines({ blobs: this.blobs, store, wallClockMs: () => this.nowMs }), "lines"),
			provider: watched(this.provider, "provider"),
		});
		const pricing = createBatchPricing(sql.unprepared);
		const overTheWire = createItemCalls({ transport: this.#transport, providers: [this.#settings] });
		return {
			...over,
			now: () => performance.now(),
			openPricing: pricing.open,
			raise: async (alert) => void this.alerts.push(alert),
			realTime: {
				store: watched({ ...createRealTimeStore(sql), holdMore: store.holdMore }, "rows"),
				turnarounds: { estimate: async () => turnaround },
				openCosts: pricing.openCosts,
				readBody: async (key) => {
					const body = this.blobs.blobs.get(key);
					if (body === undefined) throw new CostControlError("blob.missing", "the body is gone");
					return body;
				},
				call: watched({ call: (asked: ItemCall) => call?.(asked, placeOf(asked)) ?? overTheWire(asked) }, "provider").call,
				paces: new RealTimePaces(pace ?? { rate: { itemsPerSecond: 1_000, burst: 1_000 } }),
				newCaller: randomUUID,
				stopSignal: () => stopSignal ?? new AbortController().signal,
				wallClockMs: wallClockMs ?? (() => this.nowMs),
				times: { keepMs: 20, ...times },
			},
		};
	}

	/** Nobody calls for anything: a worker that is gone was given up. */
	async claimsEnd(): Promise<void> {
		await this.deferred.batches.ledger.sql("UPDATE tollgate.batch_part SET called_until = clock_timestamp()");
	}

	/** To its end, as the workflow would; waits move the clock of the planner, and end claims. */
	async drive(batchId: string, activities = this.activities(), onStep?: (step: JobStep, state: JobState) => void): Promise<JobState> {
		let state = emptyJob(batchId, "demo");
		const kinds: string[] = [];
		for (let at = 1; at <= 300; at++) {
			const move = nextMove(state, this.nowMs);
			if (move.kind === "done") return state;
			if (move.kind === "wait") {
				this.nowMs = Math.max(this.nowMs, move.untilMs);
				await this.claimsEnd();
				continue;
			}
			onStep?.(move, state);
			kinds.push(move.kind);
			const moment = { nowMs: this.nowMs, jitter: 0.5 };
			try {
				state = reduceJob(state, { kind: "stepped", step: move, result: await carry(activities, batchId, move), ...moment });
			} catch (error) {
				state = reduceJob(state, { kind: "failed", step: move, message: error instanceof Error ? error.message : String(error), ...moment });
			}
		}
		throw new Error(`the batch has not ended after ${kinds.join()}; ${JSON.stringify(state.trouble)}`);
	}

	async batch(batchId: string): Promise<BatchRecord> {
		const batch = await this.deferred.batches.store.read(batchId);
		if (batch === undefined) throw new Error("the batch is gone");
		return batch;
	}

	/** What is wrong with the money of a batch that has ended: something is held of it still, or the ledger does not say the same as everything else. */
	async findings(batchId: string): Promise<unknown[]> {
		const { ledger } = this.deferred.batches;
		const { heldNanoUsd } = await this.batch(batchId);
		const pending = (await this.deferred.batches.lease(batchId))?.pending;
		await ledger.fallSilent();
		const { findings } = await verifyLedger({ databaseUrl: ledger.database.url });
		return [...findings, ...(heldNanoUsd === "0" && pending === "0" ? [] : [{ heldNanoUsd, pending }])];
	}

	/** By the number of the item: its outcome, the try it ended with, and its lane. */
	outcomes(batchId: string) {
		return this.deferred.batches.ledger.sql<{ n: number; outcome: string | null; outcome_try: number | null; lane: string | null; try: number }>(
			`SELECT i.n, i.outcome, i.outcome_try, i.lane, i.try FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number WHERE b.id = $1 ORDER BY i.n`,
			[batchId],
		);
	}

	/** Of which it is written that their last try went. */
	async sentItems(batchId: string): Promise<number> {
		const [row] = await this.deferred.batches.ledger.sql<{ sent: number }>(
			"SELECT count(*)::int AS sent FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number WHERE b.id = $1 AND i.sent_try = i.try",
			[batchId],
		);
		return row?.sent ?? 0;
	}

	/** What callers read, by the number of the item. */
	async answers(batchId: string): Promise<{ readonly status: number | null; readonly body: string | undefined }[]> {
		const rows = await this.deferred.batches.ledger.sql<{ status: number | null; key: string }>(
			`SELECT i.http_status AS status, i.answer_blob_key AS key FROM tollgate.batch_item i JOIN tollgate.batch b ON b.number = i.batch_number WHERE b.id = $1 ORDER BY i.n`,
			[batchId],
		);
		return rows.map(({ status, key }) => ({ status, body: this.blobs.blobs.get(key)?.toString("utf8") }));
	}

	/** What the provider billed in real time, by attempt. */
	billed(batchNumber: string): string[] {
		return this.simulated
			.calls()
			.flatMap(({ attemptId }) => (attemptId?.startsWith(`batch${batchNumber}-`) ? [attemptId] : []))
			.sort();
	}
}

function placeOf({ attemptId, batch }: ItemCall): number {
	return ((Number(attemptId.split("-")[2]) - 1) % batch.items) + 1;
}

function watch<Target extends object>(target: Target, onCall: (key: string) => void): Target {
	return new Proxy(target, {
		get(of, key) {
			const value: unknown = Reflect.get(of, key, of);
			if (typeof value !== "function") return value;
			return (...given: unknown[]) => {
				onCall(String(key));
				return Reflect.apply(value, of, given) as unknown;
			};
		},
	});
}

async function carry(activities: ReturnType<typeof createBatchJobActivities>, batchId: string, step: JobStep): Promise<StepResult> {
	const input = { batchId, ...step } as never;
	const byKind = {
		...{ read: activities.readBatchJob, chooseLanes: activities.chooseBatchLanes, hedge: activities.hedgeBatchItems, call: activities.callRealTimePart },
		...{ writeParts: activities.writeBatchParts, upload: activities.uploadBatchPart, create: activities.createBatchPart, find: activities.findBatchPart },
		...{ poll: activities.pollBatchPart, cancel: activities.cancelBatchPart, collect: activities.collectBatchPart, again: activities.sendItemsAgain },
		...{ drop: activities.dropBatchPart, endUnsent: activities.endUnsentItems, finish: activities.finishBatch, tellLate: activities.tellBatchLate },
		...{ deliver: activities.deliverAnswers, seek: activities.seekBatchPart, settleDouble: activities.settleDoubleBatch },
	} as const;
	const result = await byKind[step.kind](input);
	if (result === null) throw new Error("there is no such batch");
	return result;
}
