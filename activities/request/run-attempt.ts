import type { AnswerHeaders, AnswerListener, CallFailure, Deployment, ModelTransport, OpenCall } from "#activities/providers/port.ts";
import type { Redaction, StreamRedaction } from "#activities/providers/redaction.ts";
import { type ReadAnswer, readAnswer } from "#activities/providers/reported-usage.ts";
import { canStream, createStreamTap, type StreamTap } from "#activities/providers/stream-tap.ts";
import { NO_CALLS, type ToolCall } from "#domain/agents/run-event.ts";
import { assert } from "#domain/assert.ts";
import { taskKindOf } from "#domain/audit/task-kind.ts";
import type { InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import { NO_USAGE, type Usage } from "#domain/usage/usage.ts";
import type { AnswerHead, Caller } from "./caller.ts";
import { decideAnswerOutcome } from "./decide-outcome.ts";
import type { JournalStep, JournalTurn } from "./journal-turn.ts";
import type { Attempt, Booked, EndingDetail } from "./port.ts";
import { type CallStep, countCalls } from "./run-step.ts";

export type AttemptPlan = {
	readonly attempt: Attempt;
	readonly request: InspectedRequest;
	readonly deployment: Deployment;
	/** The bytes to send: those received, or those the rules changed. */
	readonly body: Buffer;
	/** The body asks for stream usage the caller did not ask for. */
	readonly hasAddedStreamUsage: boolean;
	readonly forwardedHeaders: readonly string[];
	readonly onDisconnect: "drain" | "cancel";
	/** Input tokens of the bound, and whether the model generates what a stream does not show. */
	readonly boundInputTokens: number;
	readonly isReasoning: boolean;
	readonly maxCallMs: number;
	/** Largest answer that is held in memory. */
	readonly answerBytesMax: number;
	/** The model alias asked for, where lines of a budget made another one serve the call. */
	readonly degradedFrom?: string | undefined;
	/** The step of an agent run that the call is; told how it was booked. */
	readonly step?: CallStep | undefined;
};

export type AttemptEnd =
	| { readonly kind: "answered" }
	/** Nothing was sent and nothing is booked: another deployment may be tried. */
	| { readonly kind: "not_sent"; readonly hasCallerLeft: boolean }
	| { readonly kind: "failed"; readonly problem: RequestProblem };

export type AttemptContext = {
	readonly transport: ModelTransport;
	readonly caller: Caller;
	readonly journalTurn: Pick<JournalTurn, "add">;
	nowMs(): number;
	/** Named point at which tests kill the process. */
	crashPoint(name: "after-send" | "after-answer" | "after-settle"): void;
};

/** Sends one reserved attempt and books its end exactly once, before the last byte of the answer leaves. */
export function runAttempt(plan: AttemptPlan, context: AttemptContext): Promise<AttemptEnd> {
	return new Promise((resolve, reject) => {
		new AttemptRun(plan, context, { resolve, reject }).start();
	});
}

/** Tokens a provider may have generated between the last byte that arrived and our cut. */
const CUT_MARGIN_TOKENS = 256;
const NO_BYTES = Buffer.alloc(0);
/** Nothing was billed. */
const RELEASED = { outcome: "released", costNanoUsd: 0n } as const;

type Completion = { resolve(end: AttemptEnd): void; reject(error: unknown): void };

class AttemptRun implements AnswerListener {
	readonly #plan: AttemptPlan;
	readonly #context: AttemptContext;
	readonly #completion: Completion;
	readonly #startedAtMs: number;
	/** Whatever a provider says, in an error above all, the key it was called with goes no further: not to the caller, not to the books. */
	readonly #redaction: Redaction;
	readonly #onLeave = () => this.#callerLeft();
	#call: OpenCall | undefined;
	#status = 0;
	#headers: AnswerHeaders = {};
	#booked: Booked | typeof RELEASED | undefined;
	#bookingError: { readonly error: unknown } | undefined;
	/** Set in stream mode. */
	#tap: StreamTap | undefined;
	#slices: StreamRedaction | undefined;
	/** Set in one-piece mode. */
	#chunks: Buffer[] = [];
	#receivedBytes = 0;
	/** What the guard of a run is told of the answer. */
	#calls: readonly ToolCall[] = NO_CALLS;
	#usage: Usage | undefined;
	#answerId: string | undefined;

	constructor(plan: AttemptPlan, context: AttemptContext, completion: Completion) {
		this.#plan = plan;
		this.#context = context;
		this.#completion = completion;
		this.#startedAtMs = context.nowMs();
		this.#redaction = context.transport.redactionFor(plan.deployment);
	}

	start(): void {
		const { leaving } = this.#context.caller;
		const { attempt, deployment, request, body, forwardedHeaders, maxCallMs } = this.#plan;
		if (leaving.hasLeft) {
			this.onFailure({ kind: "aborted", isSent: false, message: "the caller left" });
			return;
		}
		leaving.onLeave(this.#onLeave);
		const call = { deployment, endpoint: request.endpoint, body, attemptId: attempt.attemptId, forwardedHeaders, maxCallMs };
		try {
			this.#call = this.#context.transport.send(call, this);
		} catch (error) {
			this.#release("not_sendable");
			this.#fail(error);
		}
	}

	onSent(): void {
		this.#plan.step?.sent();
		this.#context.crashPoint("after-send");
	}

	onStart(status: number, headers: AnswerHeaders): void {
		this.#status = status;
		this.#headers = this.#redaction.headers(headers);
		const { endpoint } = this.#plan.request;
		const isStream = status >= 200 && status < 300 && String(headers["content-type"]).startsWith("text/event-stream");
		if (!isStream || !canStream(endpoint)) return;
		const { hasAddedStreamUsage, onDisconnect, step } = this.#plan;
		this.#tap = createStreamTap(endpoint, { removesUsage: hasAddedStreamUsage, countsText: onDisconnect === "cancel", readsCalls: step !== undefined });
		this.#slices = this.#redaction.stream();
		if (this.#isWanted) this.#context.caller.beginStream(this.#head());
	}

	onData(chunk: Buffer): void {
		this.#receivedBytes += chunk.length;
		if (this.#tap === undefined || this.#slices === undefined) this.#collect(chunk);
		else this.#passOn(this.#slices.push(chunk), this.#tap);
	}

	onEnd(): void {
		try {
			if (this.#tap === undefined) {
				this.#context.journalTurn.add(this.#wholeAnswer());
				return;
			}
			this.#endStream(this.#tap);
			this.#finish({ kind: "answered" });
		} catch (error) {
			this.#fail(error);
		}
	}

	onFailure(failure: CallFailure): void {
		if (this.#bookingError !== undefined) {
			this.#fail(this.#bookingError.error);
			return;
		}
		try {
			this.#finish(failure.isSent ? this.#endBroken(failure) : this.#endUnsent(failure));
		} catch (error) {
			this.#fail(error);
		}
	}

	get #hasCallerLeft(): boolean {
		return this.#context.caller.leaving.hasLeft;
	}

	/** Whether somebody takes the answer: the caller, or who keeps it for his return. */
	get #isWanted(): boolean {
		return !this.#hasCallerLeft || this.#context.caller.keepsAnswer === true;
	}

	#collect(chunk: Buffer): void {
		if (this.#receivedBytes > this.#plan.answerBytesMax) this.#call?.abort();
		else this.#chunks.push(chunk);
	}

	/** The chunk with the last event leaves only after the outcome is journaled; the others at once. */
	#passOn(chunk: Buffer, tap: StreamTap): void {
		const bytes = tap.push(chunk);
		if ((tap.isComplete || tap.isFailed) && this.#booked === undefined) this.#bookStream(tap);
		if (bytes.length === 0 || !this.#isWanted) return;
		if (this.#context.caller.write(bytes)) return;
		this.#call?.pause();
		this.#context.caller.whenWritable(() => this.#call?.resume());
	}

	#endStream(tap: StreamTap): void {
		const rest = Buffer.concat([tap.push(this.#slices?.end() ?? NO_BYTES), tap.end()]);
		if (this.#booked === undefined) this.#bookStream(tap);
		if (!this.#isWanted) return;
		if (rest.length > 0) this.#context.caller.write(rest);
		this.#context.caller.endStream();
	}

	#bookStream(tap: StreamTap): void {
		this.#context.crashPoint("after-answer");
		if (tap.isFailed) {
			this.#calls = tap.calls;
			this.#charge("stream_error");
		} else this.#settle({ reported: tap.result(), answerId: tap.answerId, itemIds: tap.itemIds, calls: tap.calls });
		this.#tellStep();
		this.#context.crashPoint("after-settle");
	}

	#wholeAnswer(): JournalStep {
		const [first] = this.#chunks;
		const received = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
		const body = this.#redaction.body(received);
		return {
			append: () => {
				try {
					this.#bookAnswer(body);
				} catch (error) {
					this.#bookingError = { error };
				}
			},
			conclude: (problem) => {
				const failed = this.#bookingError ?? problem;
				try {
					if (failed !== undefined) throw failed.error;
					this.#context.crashPoint("after-settle");
					this.#answer(body);
					this.#finish({ kind: "answered" });
				} catch (error) {
					this.#fail(error);
				}
			},
		};
	}

	/** Whatever the caller's next step is, it cannot come before this turn of the event loop is over: he has the answer first. */
	#answer(body: Buffer): void {
		try {
			if (this.#isWanted) this.#context.caller.answer(this.#head(), body, this.#booked?.costNanoUsd ?? 0n);
		} finally {
			this.#tellStep();
		}
	}

	#bookAnswer(body: Buffer): void {
		this.#context.crashPoint("after-answer");
		const outcome = decideAnswerOutcome(this.#status, this.#plan.deployment.billedStatuses);
		if (outcome === "settle") this.#settle(readAnswer(this.#plan.request.endpoint, body, this.#plan.step !== undefined));
		else if (outcome === "charge") this.#charge(`status_${this.#status}`);
		else this.#release(`status_${this.#status}`);
	}

	#endUnsent(failure: CallFailure): AttemptEnd {
		this.#release(failure.kind === "aborted" ? "caller_left" : failure.kind);
		return { kind: "not_sent", hasCallerLeft: this.#hasCallerLeft };
	}

	#endBroken(failure: CallFailure): AttemptEnd {
		const hasBegunStream = this.#tap !== undefined;
		if (this.#booked === undefined) {
			this.#bookBroken(failure);
			this.#tellStep();
		}
		if (!hasBegunStream) return { kind: "failed", problem: toProblem(failure, this.#plan) };
		if (!this.#isWanted) return { kind: "answered" };
		if (this.#tap?.isComplete) this.#endStream(this.#tap);
		else this.#context.caller.cutStream();
		return { kind: "answered" };
	}

	/** Cut by us for a caller who left: what arrived plus a margin. Hidden reasoning cannot be estimated. */
	#bookBroken(failure: CallFailure): void {
		const hasCut = failure.kind === "aborted" && this.#hasCallerLeft;
		const { attempt, boundInputTokens, isReasoning } = this.#plan;
		if (this.#tap !== undefined) this.#calls = this.#tap.calls;
		if (!hasCut || this.#tap === undefined || isReasoning) {
			this.#charge(hasCut ? "caller_left" : failure.kind);
			return;
		}
		const outputTokens = this.#tap.textBytes + CUT_MARGIN_TOKENS;
		const usage = { ...NO_USAGE, inputTokens: boundInputTokens, outputTokens };
		this.#usage = usage;
		this.#book(() => attempt.estimate({ ...this.#detail(), usage, reason: "caller_left" }));
	}

	#settle({ reported, answerId, itemIds, calls }: ReadAnswer): void {
		this.#calls = calls;
		this.#answerId = answerId;
		if (reported.kind === "usable") this.#usage = reported.usage;
		// Of an answer whose usage is known.
		const taskKind = this.#usage === undefined ? undefined : taskKindOf(this.#plan.request, this.#usage);
		const kept = itemIds.length > 0 ? itemIds : undefined;
		this.#book(() => this.#plan.attempt.settle({ ...this.#detail(), reported, answerId, itemIds: kept, taskKind }));
	}

	#charge(reason: string): void {
		this.#book(() => this.#plan.attempt.charge(reason, this.#detail()));
	}

	#release(reason: string): void {
		this.#book(() => {
			this.#plan.attempt.release(reason);
			return RELEASED;
		});
	}

	/** One ending, tried once: when it fails, the journaled reservation stays spent and nothing else may be booked. */
	#book(end: () => Booked | typeof RELEASED): void {
		try {
			this.#booked = end();
		} catch (error) {
			this.#bookingError = { error };
			throw error;
		}
	}

	#detail(): EndingDetail {
		const { step } = this.#plan;
		return {
			providerRequestId: providerRequestId(this.#headers),
			httpStatus: this.#status === 0 ? null : this.#status,
			durationMs: Math.round(this.#context.nowMs() - this.#startedAtMs),
			toolCalls: step && countCalls(this.#calls, step),
			outputBytes: step && this.#receivedBytes,
		};
	}

	/** In the turn in which the end of the answer leaves. What was released cost nothing and is no step. */
	#tellStep(): void {
		const { step } = this.#plan;
		const booked = this.#booked;
		if (step === undefined || booked === undefined || booked.outcome === "released") return;
		const answerId = this.#answerId;
		const answer = { calls: this.#calls, outputBytes: this.#receivedBytes, booked, usage: this.#usage };
		step.answered(answerId === undefined ? answer : { ...answer, answerId });
	}

	/** An ending that could not be journaled: what was reserved stays spent, so the step counts as that. */
	#tellUnknown(): void {
		const { attempt, step } = this.#plan;
		if (step === undefined || step.isTold || this.#booked === RELEASED) return;
		const booked = { outcome: "unresolved", costNanoUsd: attempt.reservedNanoUsd } as const;
		step.answered({ calls: this.#calls, outputBytes: this.#receivedBytes, booked, usage: undefined });
	}

	#head(): AnswerHead {
		const { attempt, deployment, degradedFrom, step } = this.#plan;
		return {
			status: this.#status,
			headers: this.#headers,
			model: deployment.model,
			clampedOutputTokens: attempt.clampedOutputTokens,
			budgetLeftNanoUsd: attempt.budgetLeftNanoUsd,
			degradedFrom,
			runId: step?.runId,
			runWarnings: step?.warnings,
		};
	}

	/** Unsent: nothing was spent. Sent: drained for the books, or cut where policy says so or nothing is left to learn. */
	#callerLeft(): void {
		if (this.#call === undefined) return;
		this.#call.resume();
		const isOver = this.#booked !== undefined;
		const mayCut = isOver ? !this.#isWanted : this.#plan.onDisconnect === "cancel";
		if (mayCut || !this.#call.isSent) this.#call.abort();
	}

	#finish(end: AttemptEnd): void {
		assert(this.#booked !== undefined, "an attempt ended without being booked");
		this.#context.caller.leaving.forget(this.#onLeave);
		this.#completion.resolve(end);
	}

	/** A broken invariant or an unwritable journal: nothing more is sent, the reservation stays spent. */
	#fail(error: unknown): void {
		this.#tellUnknown();
		this.#context.caller.leaving.forget(this.#onLeave);
		if (this.#tap !== undefined && this.#isWanted) this.#context.caller.cutStream();
		this.#completion.reject(error);
	}
}

function providerRequestId(headers: AnswerHeaders): string | null {
	const id = headers["x-request-id"] ?? headers["request-id"];
	return typeof id === "string" ? id : null;
}

function toProblem(failure: CallFailure, plan: AttemptPlan): RequestProblem {
	if (failure.kind === "timeout") {
		return {
			code: "provider.timeout",
			message: `The provider did not complete the answer within ${plan.maxCallMs} ms. The call may have been billed and is charged at its reservation.`,
		};
	}
	return {
		code: "provider.cut",
		message: "The connection to the provider broke before the answer was complete. The call may have been billed and is charged at its reservation.",
	};
}
