import type { AnswerHeaders, AnswerListener, CallFailure, Deployment, ModelCall, ModelTransport, OpenCall } from "#activities/providers/port.ts";
import type { Redaction } from "#activities/providers/redaction.ts";
import type { ModelCallInput, PipelineDependencies } from "#activities/request/pipeline.ts";
import type { Admission, AdmissionInput, Attempt, Booked, EndingDetail, SettleInput } from "#activities/request/port.ts";
import type { StepEntry } from "#activities/request/run-step.ts";
import { watchAdmissions } from "#activities/request/watched-authority.ts";
import type { NanoUsd } from "#domain/money/nano-usd.ts";
import type { Usage } from "#domain/usage/usage.ts";
import { KeptBytes } from "./kept-bytes.ts";
import type { ArrivedCall, CallRefused } from "./port.ts";

/**
 * One call as its span will show it. During the call it only keeps references to what passes: it stands between the pipeline and the
 * authority (what was reserved and booked) and between the pipeline and the wire (to whom it was sent, what came back). Everything that
 * costs time, reading bodies first, is done when the caller has his answer.
 */
export class CallTrace {
	readonly call: Omit<ArrivedCall, "body">;
	/** Wall clock, epoch milliseconds; the other instants are on the monotonic clock. */
	readonly startedAtEpochMs: number;
	readonly startedAtMs: number;
	readonly tries: TriedAttempt[] = [];
	readonly #options: CallTraceOptions;
	endedAtMs = 0;
	/** Status the caller was sent; 0 = he left before there was one. */
	status = 0;
	hasCallerLeft = false;
	asserted: ModelCallInput["asserted"] = {};
	run: ModelCallInput["run"];
	/** Of the run whose step the call is, also where it named none. */
	runId: string | undefined;
	refused: CallRefused | undefined;
	/** Request id of the earlier call whose stored answer this one got. */
	replayOf: string | undefined;
	#body: Buffer | undefined;

	constructor(call: ArrivedCall, options: CallTraceOptions) {
		const { body, ...rest } = call;
		this.call = rest;
		this.#body = body;
		this.#options = options;
		this.startedAtEpochMs = options.wallClockMs();
		this.startedAtMs = options.nowMs();
	}

	/** What the headers said, once they are judged. */
	asked({ asserted, run }: Pick<ModelCallInput, "asserted" | "run">): void {
		this.asserted = asserted;
		this.run = run;
	}

	/** What the pipeline of this one call works with. */
	over(dependencies: PipelineDependencies): PipelineDependencies {
		const { runs, transport } = dependencies;
		return {
			...dependencies,
			authority: watchAdmissions(dependencies.authority, (admission, input) => this.#admitted(admission, input)),
			transport: {
				send: (call, listener) => this.#send(transport, call, listener),
				redactionFor: (deployment) => transport.redactionFor(deployment),
				close: () => transport.close(),
			},
			runs: {
				enter: (call, leaving) => {
					const entering = runs.enter(call, leaving);
					return entering instanceof Promise ? entering.then((entry) => this.#entered(entry)) : this.#entered(entering);
				},
			},
		};
	}

	refuse(refused: CallRefused): void {
		this.refused = refused;
	}

	replayed(requestId: string): void {
		this.replayOf = requestId;
	}

	/** The caller has all he gets. Called once, last. */
	end({ status, hasCallerLeft }: { readonly status: number; readonly hasCallerLeft: boolean }): void {
		this.endedAtMs = this.#options.nowMs();
		this.status = status;
		this.hasCallerLeft = hasCallerLeft;
		this.#options.onEnd(this);
	}

	/** What the caller sent; undefined once it was let go of. */
	get body(): Buffer | undefined {
		return this.#body;
	}

	/** Bytes of bodies that wait with it. */
	get keptBytes(): number {
		let bytes = this.#body?.length ?? 0;
		for (const { answer } of this.tries) bytes += answer?.kept.bytes ?? 0;
		return bytes;
	}

	/** Too much waits: the span goes without what bodies say. */
	letGoOfBodies(): void {
		this.#body = undefined;
		for (const { answer } of this.tries) answer?.kept.letGo();
	}

	#entered(entry: StepEntry | undefined): StepEntry | undefined {
		if (entry?.kind === "step") this.runId = entry.step.runId;
		return entry;
	}

	#admitted(admission: Admission, input: AdmissionInput): Admission {
		if (admission.kind !== "admitted") return admission;
		const tried = new TriedAttempt(admission.attempt, input, this.#options.nowMs);
		this.tries.push(tried);
		return { kind: "admitted", attempt: tried };
	}

	#send(transport: ModelTransport, call: ModelCall, listener: AnswerListener): OpenCall {
		const tried = this.tries.at(-1);
		if (tried === undefined) return transport.send(call, listener);
		const heard = new HeardAnswer(call.deployment, transport.redactionFor(call.deployment), { listener, options: this.#options });
		tried.answer = heard;
		return transport.send(call, heard);
	}
}

export type CallTraceOptions = {
	/** Kept of an answer that comes in one piece, which is in memory anyhow. */
	readonly wholeBytesMax: number;
	/** Kept of the beginning of a stream, and of its end. */
	readonly headBytesMax: number;
	readonly tailBytesMax: number;
	/** Monotonic, milliseconds. */
	nowMs(): number;
	/** Epoch milliseconds. */
	wallClockMs(): number;
	onEnd(trace: CallTrace): void;
};

/** How an attempt was booked. `unbooked`: its ending could not be journaled, or never came. */
export type TriedOutcome = Booked["outcome"] | "released" | "unbooked";

/** An attempt as the call holds it, which keeps what was booked for it. */
export class TriedAttempt implements Attempt {
	/** Alias it was served as, and the one that was asked for. */
	readonly model: string;
	readonly askedModel: string;
	readonly provider: string;
	readonly priceVersion: number;
	readonly reservedAtMs: number;
	readonly #attempt: Attempt;
	readonly #nowMs: () => number;
	outcome: TriedOutcome = "unbooked";
	/** Why it was released, charged or estimated. */
	reason: string | undefined;
	costNanoUsd: NanoUsd = 0n;
	usage: Usage | undefined;
	answeredModel: string | undefined;
	serviceTier: string | undefined;
	endedAtMs = 0;
	answer: HeardAnswer | undefined;

	constructor(attempt: Attempt, input: AdmissionInput, nowMs: () => number) {
		this.#attempt = attempt;
		// Not the input itself: it holds on to the whole call, its connection included.
		this.model = input.model;
		this.askedModel = input.serving?.asked ?? input.model;
		this.provider = input.provider;
		this.priceVersion = input.book.version;
		this.#nowMs = nowMs;
		this.reservedAtMs = nowMs();
	}

	get attemptId(): string {
		return this.#attempt.attemptId;
	}

	get reservedNanoUsd(): NanoUsd {
		return this.#attempt.reservedNanoUsd;
	}

	get clampedOutputTokens(): number | undefined {
		return this.#attempt.clampedOutputTokens;
	}

	get budgetLeftNanoUsd(): NanoUsd | undefined {
		return this.#attempt.budgetLeftNanoUsd;
	}

	get tokensBooked(): number | undefined {
		return this.#attempt.tokensBooked;
	}

	settle(input: SettleInput): Booked {
		const { reported } = input;
		if (reported.kind === "unusable") this.reason = reported.reason;
		else {
			this.usage = reported.usage;
			this.answeredModel = reported.model;
			this.serviceTier = reported.serviceTier;
		}
		return this.#ended(this.#attempt.settle(input));
	}

	release(reason: string): void {
		this.#attempt.release(reason);
		this.outcome = "released";
		this.reason = reason;
		this.endedAtMs = this.#nowMs();
	}

	charge(reason: string, detail: EndingDetail): Booked {
		this.reason = reason;
		return this.#ended(this.#attempt.charge(reason, detail));
	}

	estimate(input: Parameters<Attempt["estimate"]>[0]): Booked {
		this.reason = input.reason;
		this.usage = input.usage;
		return this.#ended(this.#attempt.estimate(input));
	}

	#ended(booked: Booked): Booked {
		this.outcome = booked.outcome;
		this.costNanoUsd = booked.costNanoUsd;
		this.endedAtMs = this.#nowMs();
		return booked;
	}
}

type Hearing = { readonly listener: AnswerListener; readonly options: CallTraceOptions };

/** Whom an answer that is over is told to: the call it belonged to is let go of with its connection. */
const NOBODY: AnswerListener = { onSent() {}, onStart() {}, onData() {}, onEnd() {}, onFailure() {} };

/** Listens to an answer before the call does. */
export class HeardAnswer implements AnswerListener {
	readonly deployment: Deployment;
	readonly redaction: Redaction;
	readonly sentAtMs: number;
	readonly #options: CallTraceOptions;
	kept: KeptBytes;
	#listener: AnswerListener;
	status = 0;
	isStream = false;
	firstDataAtMs: number | undefined;
	failure: CallFailure["kind"] | undefined;

	constructor(deployment: Deployment, redaction: Redaction, { listener, options }: Hearing) {
		this.deployment = deployment;
		this.redaction = redaction;
		this.#listener = listener;
		this.#options = options;
		this.kept = new KeptBytes(options.wholeBytesMax, 0);
		this.sentAtMs = options.nowMs();
	}

	onSent(): void {
		this.#listener.onSent();
	}

	onStart(status: number, headers: AnswerHeaders): void {
		this.status = status;
		this.isStream = String(headers["content-type"]).startsWith("text/event-stream");
		if (this.isStream) this.kept = new KeptBytes(this.#options.headBytesMax, this.#options.tailBytesMax);
		this.#listener.onStart(status, headers);
	}

	onData(chunk: Buffer): void {
		this.firstDataAtMs ??= this.#options.nowMs();
		this.kept.push(chunk);
		this.#listener.onData(chunk);
	}

	onEnd(): void {
		this.#over().onEnd();
	}

	onFailure(failure: CallFailure): void {
		this.failure = failure.kind;
		this.#over().onFailure(failure);
	}

	#over(): AnswerListener {
		const listener = this.#listener;
		this.#listener = NOBODY;
		return listener;
	}
}
