import {
	COLLECT_AGE_MS,
	type CollectedItem,
	type CollectorTally,
	decideFlush,
	EMPTY_TALLY,
	fillWaitMs,
	orderByPrefix,
	takeWithinTokens,
	tallyItem,
	tallyOf,
} from "#domain/batching/collect.ts";
import { judgeAnswer, planHedge, shouldCancel } from "#domain/batching/hedge.ts";
import { decideLane, LANE_MARGIN_MS, type LaneConditions, type LaneReason } from "#domain/batching/lane.ts";
import { type FallbackItem, type FallbackRate, fullBucket, planFallback, type TokenBucket, takeWithinCap } from "#domain/batching/pressure.ts";
import { decideRetry, judgeItemError } from "#domain/batching/retry.ts";
import { limitPassedBy, type PartLimits, splitIntoParts } from "#domain/batching/split-parts.ts";
import { BATCH_WINDOW_MS, type TurnaroundEstimate, TurnaroundHistory, type TurnaroundSource, UNKNOWN_TURNAROUND } from "#domain/batching/turnaround.ts";
import { createRandom, type Random } from "#test/faults/random.ts";
import { EventQueue } from "./event-queue.ts";
import { Deliveries, type LaneFigures } from "./lane-figures.ts";
import { type LaneItem, type LaneWorld, MINUTE_MS, REAL_TIME_P99_MS, STARTS_AT_MS, TEAMS } from "./lane-generator.ts";

/**
 * Plays one policy over a world, with the decisions of domain/batching as the workflows will make them: choose, collect, split, submit, hedge,
 * cancel, try again, hand back. The provider bills every item it ran, whether anybody still waits for it or not.
 */
export type LanePolicy = {
	readonly name: string;
	/** `decide`: as domain/batching/lane.ts says. */
	readonly chooses: "real_time" | "batch" | "decide";
	/** Whether turnarounds are learned; else a batch is taken to need its window. */
	readonly learns: boolean;
	/** Whether what a batch does not bring in time goes in real time. */
	readonly hedges: boolean;
};

export const OUR_POLICY: LanePolicy = { name: "quantile and hedge", chooses: "decide", learns: true, hedges: true };
export const ALWAYS_REAL_TIME: LanePolicy = { name: "always real time", chooses: "real_time", learns: false, hedges: false };
export const ALWAYS_BATCH: LanePolicy = { name: "always batch", chooses: "batch", learns: false, hedges: false };
export const WINDOW_RULE: LanePolicy = { name: "batch beyond 24 h", chooses: "decide", learns: false, hedges: true };
export const WITHOUT_HEDGE: LanePolicy = { name: "quantile, no hedge", chooses: "decide", learns: true, hedges: false };

export const WORLD_LIMITS: PartLimits = {
	itemsMax: 400,
	bytesMax: 600_000,
	embeddingInputsMax: undefined,
	enqueuedTokensMax: 1_000_000,
	itemOverheadBytes: 160,
};
const FALLBACK_RATE: FallbackRate = { itemsPerSecond: 2, burst: 20 };
const TEAM_CAP_NANO_USD = 3_000_000_000n;
const CANCEL_TAKES_MS = 10 * MINUTE_MS;
/** An estimate is kept so long. */
const ESTIMATE_KEPT_MS = 10 * MINUTE_MS;
const PROVIDER_ERROR = judgeItemError("openai", { httpStatus: 500, body: '{"error":{"type":"server_error","code":null}}' });

type ItemRun = FallbackItem & {
	readonly item: LaneItem;
	hasOutcome: boolean;
	isHedged: boolean;
	/** In batches, and in all. */
	batchTries: number;
	tries: number;
	batch: FlyingBatch | undefined;
};
type Collected = CollectedItem & Pick<LaneItem, "boundNanoUsd" | "prefix"> & { readonly run: ItemRun };
type FlyingBatch = {
	readonly id: string;
	readonly team: TeamLanes;
	readonly runs: readonly ItemRun[];
	readonly submittedAtMs: number;
	readonly turnaroundMs: number;
	hedged: number;
	isCancelled: boolean;
	isEnded: boolean;
};
type TeamLanes = {
	readonly number: number;
	collected: readonly Collected[];
	tally: CollectorTally;
	/** Without an outcome, with a batch or about to be. */
	readonly waiting: Set<ItemRun>;
	fallback: readonly ItemRun[];
	bucket: TokenBucket;
	inFlightNanoUsd: bigint;
	readonly wakesAtMs: Map<string, number>;
};

export function playPolicy(world: LaneWorld, policy: LanePolicy): LaneFigures {
	return new LaneSimulation(world, policy).play();
}

class LaneSimulation {
	readonly #world: LaneWorld;
	readonly #policy: LanePolicy;
	readonly #events = new EventQueue(STARTS_AT_MS);
	readonly #history = new TurnaroundHistory();
	readonly #deliveries = new Deliveries();
	readonly #teams: readonly TeamLanes[];
	readonly #random: Random;
	#estimate: { readonly value: TurnaroundEstimate; readonly untilMs: number } = { value: UNKNOWN_TURNAROUND, untilMs: 0 };
	#enqueuedTokens = 0;
	readonly #reasons = new Map<LaneReason, number>();
	readonly #sources = new Map<TurnaroundSource, number>();
	readonly #counts = { duplicates: 0, failed: 0, batches: 0, cancelledBatches: 0, hedged: 0, triedAgain: 0, shed: 0 };
	#costNanoUsd = 0n;
	#duplicateNanoUsd = 0n;

	constructor(world: LaneWorld, policy: LanePolicy) {
		this.#world = world;
		this.#policy = policy;
		this.#random = createRandom(world.seed + 1);
		this.#teams = Array.from({ length: TEAMS }, (_, at) => ({
			number: at + 1,
			collected: [],
			tally: EMPTY_TALLY,
			waiting: new Set(),
			fallback: [],
			bucket: fullBucket(FALLBACK_RATE, STARTS_AT_MS),
			inFlightNanoUsd: 0n,
			wakesAtMs: new Map(),
		}));
	}

	play(): LaneFigures {
		for (const item of this.#world.items) this.#events.at(item.arrivedAtMs, () => this.#arrive(item));
		if (this.#policy.learns) this.#playOthers();
		this.#events.runAll();
		const { items } = this.#world;
		return {
			policy: this.#policy.name,
			items: items.length,
			costNanoUsd: this.#costNanoUsd,
			duplicateNanoUsd: this.#duplicateNanoUsd,
			late: this.#deliveries.late,
			notDeliveredOnce: this.#deliveries.notOnce(items),
			...this.#counts,
			reasons: Object.fromEntries(this.#reasons),
			sources: Object.fromEntries(this.#sources),
		};
	}

	#playOthers(): void {
		const random = createRandom(this.#world.seed + 2);
		for (const [index, submittedAtMs] of this.#world.othersSubmittedAtMs.entries()) {
			const endsAtMs = submittedAtMs + Math.min(BATCH_WINDOW_MS, this.#world.turnaroundMs(submittedAtMs, random));
			this.#events.at(submittedAtMs, () => this.#history.noteSubmitted(`others-${index}`, submittedAtMs));
			this.#events.at(endsAtMs, () => this.#history.noteEnded(`others-${index}`, { atMs: endsAtMs, isCancelled: false }));
		}
	}

	#arrive(item: LaneItem): void {
		const { deadlineMs, valueNanoUsd } = item;
		const run: ItemRun = { item, deadlineMs, valueNanoUsd, hasOutcome: false, isHedged: false, batchTries: 0, tries: 0, batch: undefined };
		if (this.#chooses(item) === "batch") this.#collect(run);
		else this.#sendInRealTime(run);
	}

	#chooses(item: LaneItem): "batch" | "real_time" {
		const { chooses } = this.#policy;
		if (chooses === "real_time") return chooses;
		if (chooses === "batch") return limitPassedBy(item, WORLD_LIMITS) === undefined ? chooses : "real_time";
		const decision = decideLane({ nowMs: this.#events.nowMs, ...item }, this.#conditionsOf(this.#teamOf(item)));
		count(this.#reasons, decision.reason);
		if (decision.reason === "slack_short" || decision.reason === "saving_expected") count(this.#sources, decision.numbers.turnaroundSource);
		return decision.lane;
	}

	#conditionsOf(team: TeamLanes): LaneConditions {
		const { nowMs } = this.#events;
		return { turnaround: this.#turnaround(), fillWaitMs: fillWaitMs(team.tally, { nowMs }), realTimeP99Ms: REAL_TIME_P99_MS, limits: WORLD_LIMITS };
	}

	#turnaround(): TurnaroundEstimate {
		const { nowMs } = this.#events;
		if (!this.#policy.learns) return UNKNOWN_TURNAROUND;
		if (nowMs >= this.#estimate.untilMs)
			this.#estimate = { value: this.#history.estimate({ submitAtMs: nowMs + COLLECT_AGE_MS, nowMs }), untilMs: nowMs + ESTIMATE_KEPT_MS };
		return this.#estimate.value;
	}

	#collect(run: ItemRun): void {
		const team = this.#teamOf(run.item);
		const collected: Collected = { ...run.item, arrivedAtMs: this.#events.nowMs, run };
		team.collected = [...team.collected, collected];
		team.tally = tallyItem(team.tally, collected, WORLD_LIMITS);
		team.waiting.add(run);
		this.#lookAtCollector(team);
		this.#lookAtDeadlines(team);
	}

	/** Sends what is due until nothing is, and comes back when something may be. */
	#lookAtCollector(team: TeamLanes): void {
		for (;;) {
			const decision = decideFlush(team.tally, {
				nowMs: this.#events.nowMs,
				limits: WORLD_LIMITS,
				batchesLeft: Number.POSITIVE_INFINITY,
				enqueuedTokens: this.#enqueuedTokens,
				quantileMs: this.#turnaround().quantileMs,
				realTimeP99Ms: REAL_TIME_P99_MS,
				marginMs: LANE_MARGIN_MS,
			});
			if (decision.kind === "wait") {
				if (decision.untilMs !== null) this.#wake(team, "collector", decision.untilMs, () => this.#lookAtCollector(team));
				return;
			}
			const { ordered } = orderByPrefix(team.collected);
			const fitting = takeWithinTokens(ordered, decision.inputTokensMax);
			const affordable = takeWithinCap(fitting.taken, { capNanoUsd: TEAM_CAP_NANO_USD, inFlightNanoUsd: team.inFlightNanoUsd });
			// What does not fit stays; the end of a batch makes room.
			if (affordable.taken.length === 0) return;
			const taken = new Set(affordable.taken);
			team.collected = team.collected.filter((one) => !taken.has(one));
			team.tally = tallyOf(team.collected, WORLD_LIMITS);
			const { parts, tooLarge } = splitIntoParts(affordable.taken, WORLD_LIMITS);
			if (tooLarge.length > 0) throw new Error("an item was collected that no batch can carry");
			for (const part of parts) this.#submit(team, part);
		}
	}

	#submit(team: TeamLanes, part: readonly Collected[]): void {
		const { nowMs } = this.#events;
		this.#counts.batches += 1;
		const turnaroundMs = this.#world.turnaroundMs(nowMs, this.#random);
		const id = `${team.number}-${this.#counts.batches}`;
		const batch: FlyingBatch = {
			id,
			team,
			runs: part.map(({ run }) => run),
			submittedAtMs: nowMs,
			turnaroundMs,
			hedged: 0,
			isCancelled: false,
			isEnded: false,
		};
		for (const run of batch.runs) {
			run.batch = batch;
			run.tries += 1;
			run.batchTries += 1;
			team.inFlightNanoUsd += run.item.boundNanoUsd;
			this.#enqueuedTokens += run.item.boundInputTokens;
		}
		if (this.#policy.learns) this.#history.noteSubmitted(batch.id, nowMs);
		this.#events.at(nowMs + Math.min(BATCH_WINDOW_MS, turnaroundMs), () => this.#end(batch));
	}

	/** By itself, by its window, or because it was cancelled. */
	#end(batch: FlyingBatch): void {
		if (batch.isEnded) return;
		batch.isEnded = true;
		const { nowMs } = this.#events;
		const isOver = nowMs >= batch.submittedAtMs + Math.min(BATCH_WINDOW_MS, batch.turnaroundMs);
		if (this.#policy.learns) this.#history.noteEnded(batch.id, { atMs: nowMs, isCancelled: !isOver });
		for (const run of batch.runs) this.#readResult(run, batch);
		// Its tokens were everybody's.
		for (const team of this.#teams) this.#lookAtCollector(team);
	}

	#readResult(run: ItemRun, batch: FlyingBatch): void {
		const { nowMs } = this.#events;
		const { item } = run;
		batch.team.inFlightNanoUsd -= item.boundNanoUsd;
		this.#enqueuedTokens -= item.boundInputTokens;
		run.batch = undefined;
		const share = item.runShares[run.batchTries - 1] ?? 0.5;
		const hasRun = batch.submittedAtMs + share * batch.turnaroundMs <= nowMs;
		const isErrored = hasRun && run.batchTries <= item.failingTries;
		if (hasRun && !isErrored) this.#answer(run, item.batchNanoUsd);
		else if (!run.isHedged) this.#tryAgain(run, isErrored ? "errored" : batch.isCancelled ? "cancelled" : "expired");
	}

	#tryAgain(run: ItemRun, ended: "errored" | "expired" | "cancelled"): void {
		const team = this.#teamOf(run.item);
		const { neededMs, slackMs } = decideLane({ nowMs: this.#events.nowMs, ...run.item }, this.#conditionsOf(team)).numbers;
		const mayRealTime = this.#policy.chooses === "decide";
		const decision = decideRetry({
			ended,
			...(ended === "errored" && { problem: PROVIDER_ERROR }),
			batchTries: run.batchTries,
			tries: run.tries,
			slackMs: mayRealTime ? slackMs : null,
			neededMs,
			mayBatch: true,
			mayRealTime,
			...(!mayRealTime && { batchTriesMax: 4, triesMax: 4 }),
		});
		if (decision.kind !== "end") this.#counts.triedAgain += 1;
		team.waiting.delete(run);
		if (decision.kind === "batch") this.#collect(run);
		else if (decision.kind === "real_time") this.#fallBack(team, [run]);
		else {
			this.#counts.failed += 1;
			this.#handBack(run);
		}
	}

	/** Hedges what its batch is about to bring too late. */
	#lookAtDeadlines(team: TeamLanes): void {
		if (!this.#policy.hedges) return;
		const { due, nextAtMs } = planHedge([...team.waiting], {
			nowMs: this.#events.nowMs,
			realTimeP99Ms: REAL_TIME_P99_MS,
			marginMs: LANE_MARGIN_MS,
			itemsPerSecond: FALLBACK_RATE.itemsPerSecond,
		});
		if (nextAtMs !== null) this.#wake(team, "deadlines", nextAtMs, () => this.#lookAtDeadlines(team));
		if (due.length === 0) return;
		const dueRuns = new Set(due);
		team.collected = team.collected.filter(({ run }) => !dueRuns.has(run));
		team.tally = tallyOf(team.collected, WORLD_LIMITS);
		for (const run of due) {
			team.waiting.delete(run);
			run.isHedged = run.batch !== undefined;
			if (run.batch !== undefined) run.batch.hedged += 1;
		}
		this.#counts.hedged += due.length;
		for (const batch of new Set(due.map(({ batch }) => batch))) if (batch !== undefined) this.#cancelIfIdle(batch);
		this.#fallBack(team, due);
	}

	#cancelIfIdle(batch: FlyingBatch): void {
		if (batch.isCancelled || !shouldCancel({ items: batch.runs.length, hedged: batch.hedged })) return;
		batch.isCancelled = true;
		this.#counts.cancelledBatches += 1;
		this.#events.at(this.#events.nowMs + Math.round(this.#random.share() * CANCEL_TAKES_MS), () => this.#end(batch));
	}

	#fallBack(team: TeamLanes, runs: readonly ItemRun[]): void {
		team.fallback = [...team.fallback, ...runs];
		this.#lookAtFallback(team);
	}

	#lookAtFallback(team: TeamLanes): void {
		const { nowMs } = this.#events;
		const plan = planFallback(
			team.fallback.filter(({ hasOutcome }) => !hasOutcome),
			{ nowMs, bucket: team.bucket, rate: FALLBACK_RATE, realTimeP99Ms: REAL_TIME_P99_MS },
		);
		team.bucket = plan.bucket;
		team.fallback = [...plan.wait, ...plan.shed];
		this.#counts.shed = Math.max(this.#counts.shed, plan.shed.length);
		for (const run of plan.send) this.#sendInRealTime(run);
		if (plan.nextAtMs !== null) this.#wake(team, "fallback", plan.nextAtMs, () => this.#lookAtFallback(team));
	}

	#sendInRealTime(run: ItemRun): void {
		run.tries += 1;
		this.#events.at(this.#events.nowMs + run.item.realTimeMs, () => this.#answer(run, run.item.realTimeNanoUsd));
	}

	#answer(run: ItemRun, billedNanoUsd: bigint): void {
		this.#costNanoUsd += billedNanoUsd;
		if (judgeAnswer(run) === "deliver") {
			this.#handBack(run);
			return;
		}
		this.#counts.duplicates += 1;
		this.#duplicateNanoUsd += billedNanoUsd;
	}

	#handBack(run: ItemRun): void {
		run.hasOutcome = true;
		this.#teamOf(run.item).waiting.delete(run);
		this.#deliveries.receive(run.item, this.#events.nowMs);
	}

	#teamOf({ team }: LaneItem): TeamLanes {
		const found = this.#teams[team - 1];
		if (found === undefined) throw new Error(`the world has no team ${team}`);
		return found;
	}

	/** Once at a time for each purpose: one that comes earlier looks again. */
	#wake(team: TeamLanes, purpose: string, atMs: number, look: () => void): void {
		const planned = team.wakesAtMs.get(purpose);
		if (planned !== undefined && planned <= atMs) return;
		team.wakesAtMs.set(purpose, atMs);
		this.#events.at(atMs, () => {
			if (team.wakesAtMs.get(purpose) === atMs) team.wakesAtMs.delete(purpose);
			look();
		});
	}
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
	counts.set(key, (counts.get(key) ?? 0) + 1);
}
