import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import { isFinalPart } from "#domain/batching/batch-moves.ts";
import { ownErrorOf } from "#domain/batching/item-answer.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import type { StepOutcome } from "#domain/batching/job-reducer.ts";
import { planFallback } from "#domain/batching/pressure.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BatchRecord } from "../port.ts";
import type { RealTimeItem, RealTimePart } from "../real-time-port.ts";
import type { BatchJobDependencies, CallInput } from "./job-port.ts";
import { readBatch, readPart } from "./job-rows.ts";
import type { CallOutcome, RealTimeTimes, Waiting } from "./real-time.ts";
import { openItemsOf, RealTimeAnswers } from "./real-time-answers.ts";
import { type ItemBodies, isBodyGone, openBodies } from "./real-time-bodies.ts";
import { PartClaim } from "./real-time-claim.ts";
import type { RealTimePace } from "./real-time-pace.ts";
import { REAL_TIME_TIMES } from "./real-time-times.ts";

const DONE: StepOutcome = { kind: "done" };
/** Kept at once; and answers are kept sooner where together they are longer. */
const PAGE_ANSWERS_MAX = 100;
const PAGE_BYTES_MAX = 8_388_608;
/** While nothing else is to be waited for. */
const IDLE_MS = 250;

/**
 * Calls the provider for items of a part, one by one, for a while. Each says in its row that it goes before it does, and its answer is kept before
 * it is booked: what was said to go, and of which nothing was kept, is of unknown outcome when somebody looks again.
 */
export async function callRealTimePart(dependencies: BatchJobDependencies, { batchId, part }: CallInput): Promise<StepOutcome> {
	const { store, realTime, now } = dependencies;
	const of = { batchId, part };
	const batch = await readBatch(store, batchId);
	const record = await readPart(store, of);
	if (isFinalPart(record.state)) return DONE;
	const times = { ...REAL_TIME_TIMES, ...realTime.times };
	const caller = realTime.newCaller();
	const claim = await PartClaim.take({ store: realTime.store, of, caller, forMs: times.claimMs, now });
	if (typeof claim === "number") return { kind: "called", left: record.items, waitMs: claim, why: null };
	try {
		if (record.state === "written") await store.movePart(of, "submitting", {});
		if (record.state === "written" || record.state === "submitting") await store.movePart(of, "running", {});
		const answers = new RealTimeAnswers({
			...{ dependencies, batch, of },
			price: await dependencies.openPricing(batch, "real_time"),
			requireClaim: () => claim.require(),
		});
		return await callItems({ dependencies, batch, of, caller, claim, answers, times });
	} finally {
		await claim.end();
	}
}

type Work = {
	readonly dependencies: BatchJobDependencies;
	readonly batch: BatchRecord;
	readonly of: RealTimePart;
	readonly caller: string;
	readonly claim: PartClaim;
	readonly answers: RealTimeAnswers;
	readonly times: RealTimeTimes;
};

async function callItems(work: Work): Promise<StepOutcome> {
	const { dependencies, batch, of, answers } = work;
	const { store } = dependencies;
	await answers.resume();
	const items = await openItemsOf(dependencies, of);
	const unknown = items.filter(({ isSent }) => isSent);
	for (let from = 0; from < unknown.length; from += PAGE_ANSWERS_MAX) await answers.keepUnknown(unknown.slice(from, from + PAGE_ANSWERS_MAX));
	let put: { readonly waitMs: number; readonly why: string | null } = { waitMs: 0, why: null };
	if (batch.cancelAskedAtMs === null) {
		const unsent = items.filter(({ isSent }) => !isSent);
		const calls = new RealTimeCalls(work, await openBodies(dependencies, batch, unsent));
		put = await calls.run();
	} else await store.releaseItems(of, "cancelled");
	const left = (await openItemsOf(dependencies, of)).length;
	if (left > 0) return { kind: "called", left, ...put };
	const { state } = await readPart(store, of);
	if (state === "running") await store.movePart(of, "ended", {});
	await store.movePart(of, "collected", {});
	return DONE;
}

function waitingOf({ n, tryNumber, bodyBlobKey, deadlineMs, boundNanoUsd }: RealTimeItem): Waiting {
	return { n, tryNumber, bodyBlobKey, deadlineMs, valueNanoUsd: boundNanoUsd };
}

type Answer = { readonly item: Waiting; readonly result: ItemResult | null; readonly bytes: number };

/** The calls of one activity. */
class RealTimeCalls {
	readonly #work: Work;
	readonly #bodies: ItemBodies;
	readonly #pace: RealTimePace;
	#waiting: Waiting[];
	/** Came, and are not kept yet. */
	#answers: Answer[] = [];
	#firstCameAt: number | undefined;
	/** The provider certainly did not take them. */
	#refused: Waiting[] = [];
	#why: string | null = null;
	#underWay = 0;
	/** Of all that is under way, when its time is over. */
	readonly #cutting = new AbortController();
	#nextAtMs: number | null = null;
	#wake: () => void = () => undefined;
	#hasHappened = false;
	/** The rows or the blobs did not take something: no more is sent, and what is under way is still kept where that is possible. */
	#failure: unknown;

	constructor(work: Work, bodies: ItemBodies) {
		const { dependencies, batch } = work;
		this.#work = work;
		this.#bodies = bodies;
		this.#waiting = bodies.items.map(waitingOf);
		this.#pace = dependencies.realTime.paces.of(batch.deployment, dependencies.realTime.wallClockMs());
	}

	/**
	 * Until everything was called, the time is over, or the provider wants to be left alone. What is under way is waited for; when the worker is to
	 * end, for so long as it allows. Then it is cut: what the provider had is of unknown outcome, and booked so.
	 */
	async run(): Promise<{ readonly waitMs: number; readonly why: string | null }> {
		const { dependencies, claim, times } = this.#work;
		const { realTime, now } = dependencies;
		const stop = realTime.stopSignal();
		const onStop = (): void => this.#happen();
		stop.addEventListener("abort", onStop);
		const endsAt = now() + times.workMs;
		let stoppedAt: number | undefined;
		try {
			for (;;) {
				claim.require();
				if (stop.aborted) stoppedAt ??= now();
				const pausedMs = this.#pace.pausedForMs(realTime.wallClockMs());
				const isOver = stoppedAt !== undefined || now() >= endsAt || pausedMs > 0 || this.#failure !== undefined;
				if (stoppedAt !== undefined && now() - stoppedAt >= times.stopMs) this.#cutting.abort();
				await this.#advance({ sends: !isOver });
				if (this.#isDone(isOver)) return { waitMs: pausedMs, why: this.#cutting.signal.aborted ? "the worker stops" : this.#why };
				await this.#somethingHappens();
			}
		} finally {
			stop.removeEventListener("abort", onStop);
		}
	}

	async #advance({ sends }: { readonly sends: boolean }): Promise<void> {
		this.#nextAtMs = null;
		try {
			if (sends) await this.#sendDue();
			if (this.#underWay === 0 || this.#isPageDue()) await this.#keep();
		} catch (error) {
			this.#failure ??= error;
		}
	}

	/** @throws what went wrong, when nothing is under way any more. */
	#isDone(isOver: boolean): boolean {
		if (this.#underWay > 0 || this.#refused.length > 0) return false;
		if (this.#failure !== undefined) throw this.#failure;
		return this.#answers.length === 0 && (isOver || this.#waiting.length === 0);
	}

	async #sendDue(): Promise<void> {
		const { dependencies, of, caller, times } = this.#work;
		const { realTime } = dependencies;
		const places = this.#pace.concurrency - this.#pace.underWay;
		if (places <= 0 || this.#waiting.length === 0) return;
		const { bucket, rate } = this.#pace;
		const plan = planFallback(this.#waiting, { nowMs: realTime.wallClockMs(), bucket, rate, realTimeP99Ms: times.realTimeP99Ms });
		const going = plan.send.slice(0, places);
		this.#pace.bucket = { ...plan.bucket, tokens: plan.bucket.tokens + plan.send.length - going.length };
		this.#nextAtMs = plan.nextAtMs;
		if (going.length === 0) return;
		const marked = new Set(
			await realTime.store.markSent(
				of,
				caller,
				going.map(({ n }) => n),
			),
		);
		const gone = new Set(going);
		this.#waiting = this.#waiting.filter((item) => !gone.has(item));
		// What is not marked ended meanwhile, or must not go any more.
		for (const item of going) if (marked.has(item.n)) void this.#call(item);
	}

	async #call(item: Waiting): Promise<void> {
		const { dependencies, batch, times } = this.#work;
		const { realTime, now } = dependencies;
		this.#underWay++;
		this.#pace.underWay++;
		try {
			const outcome = await this.#ask(item, batch, times);
			if (outcome.kind === "refused") {
				this.#pace.refused(realTime.wallClockMs(), outcome.retryAfterMs);
				this.#why = outcome.why;
				this.#refused.push(item);
				return;
			}
			if (outcome.kind === "answered") this.#pace.answered();
			const result = outcome.kind === "answered" ? resultOf(outcome) : null;
			this.#answers.push({ item, result, bytes: outcome.kind === "answered" ? outcome.body.length : 0 });
			this.#firstCameAt ??= now();
		} finally {
			this.#underWay--;
			this.#pace.underWay--;
			this.#happen();
		}
	}

	/** What keeps it from being sent is no outcome: it waits, and is tried again. */
	async #ask({ n, tryNumber, bodyBlobKey }: Waiting, batch: BatchRecord, { callMs: maxMs }: RealTimeTimes): Promise<CallOutcome> {
		const { realTime } = this.#work.dependencies;
		const attemptId = attemptIdOf({ batchNumber: batch.number, items: batch.items, n, tryNumber });
		try {
			const body = await this.#bodies.read({ n, bodyBlobKey });
			return await realTime.call({ batch, attemptId, body, maxMs, signal: this.#cutting.signal });
		} catch (error) {
			if (isBodyGone(error))
				return {
					kind: "answered",
					requestId: null,
					...ownErrorOf({ httpStatus: 500, code: "deferred.unsendable", message: error.publicMessage }, batch.protocol),
				};
			const message = error instanceof CostControlError ? error.publicMessage : String(error);
			return { kind: "refused", retryAfterMs: null, why: `it could not be sent: ${message}` };
		}
	}

	#isPageDue(): boolean {
		const { dependencies, times } = this.#work;
		if (this.#refused.length > 0) return true;
		if (this.#firstCameAt === undefined) return false;
		const bytes = this.#answers.reduce((sum, answer) => sum + answer.bytes, 0);
		return this.#answers.length >= PAGE_ANSWERS_MAX || bytes >= PAGE_BYTES_MAX || dependencies.now() - this.#firstCameAt >= times.keepMs;
	}

	async #keep(): Promise<void> {
		const { dependencies, of, answers } = this.#work;
		const refused = this.#refused.splice(0);
		if (refused.length > 0) {
			await dependencies.realTime.store.unmarkSent(
				of,
				refused.map(({ n }) => n),
			);
			this.#waiting.push(...refused);
		}
		const page = pageOf(this.#answers);
		await answers.keep(page);
		this.#answers.splice(0, page.length);
		this.#firstCameAt = this.#answers.length === 0 ? undefined : dependencies.now();
		await answers.book();
	}

	/** A call ends, a place is free in the rate, an answer has waited long enough, or nothing of that for a while. */
	async #somethingHappens(): Promise<void> {
		const { realTime } = this.#work.dependencies;
		if (this.#hasHappened) {
			this.#hasHappened = false;
			return;
		}
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#wake = resolve;
		const untilNext = this.#nextAtMs === null ? IDLE_MS : this.#nextAtMs - realTime.wallClockMs();
		const timer = setTimeout(resolve, Math.min(Math.max(untilNext, 1), IDLE_MS));
		await promise;
		clearTimeout(timer);
		this.#hasHappened = false;
	}

	#happen(): void {
		this.#hasHappened = true;
		this.#wake();
	}
}

/** The first of them that are kept together. */
function pageOf(answers: readonly Answer[]): readonly Answer[] {
	let bytes = 0;
	let end = 0;
	for (const answer of answers) {
		if (end === PAGE_ANSWERS_MAX || bytes >= PAGE_BYTES_MAX) break;
		bytes += answer.bytes;
		end++;
	}
	return answers.slice(0, end);
}

function resultOf({ httpStatus, requestId, body }: Extract<CallOutcome, { kind: "answered" }>): ItemResult {
	return { kind: httpStatus >= 200 && httpStatus < 300 ? "succeeded" : "errored", httpStatus, requestId, body };
}
