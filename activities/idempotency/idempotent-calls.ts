import { createHash } from "node:crypto";
import type { RequestProblem } from "#domain/bound/request.ts";
import { decideRecordEnd, decideRepeat, type RepeatDecision } from "#domain/idempotency/decide.ts";
import type { Caller } from "../request/caller.ts";
import { type CallEnd, type ModelCallInput, type PipelineDependencies, serveCall } from "../request/pipeline.ts";
import { AttemptWatch } from "./attempt-watch.ts";
import { FinishAgain } from "./finish-again.ts";
import type { Beginning, Ending, IdempotencyStore, IdempotentRequest, StoredAnswer } from "./port.ts";
import { RecordingCaller } from "./recording-caller.ts";

/**
 * Calls that carry an `Idempotency-Key`: the key is taken before anything is sent and its record ended before the answer
 * does. Where PostgreSQL does not answer, nothing is sent; once sent, the answer waits for its record only so long.
 */
export type IdempotentCallsOptions = {
	readonly store: IdempotencyStore;
	/** A record could not be ended; it is tried again. */
	readonly onError: (error: unknown, request: Pick<IdempotentRequest, "requestId" | "keyId">) => void;
	/** Longest wait of an answer for its record; default 1,000 ms. */
	readonly finishPatienceMs?: number;
};

export type IdempotentCall = { readonly dependencies: PipelineDependencies; readonly input: ModelCallInput; readonly key: string };

export type IdempotentEnd = CallEnd | { readonly kind: "replayed"; readonly answer: StoredAnswer };

const FINISH_PATIENCE_MS = 1_000;
/** An open record outlives the longest call by this much. */
const IN_FLIGHT_MARGIN_MS = 60_000;

export class IdempotentCalls {
	readonly #store: IdempotencyStore;
	readonly #onError: (error: unknown, request: Pick<IdempotentRequest, "requestId" | "keyId">) => void;
	readonly #finishPatienceMs: number;
	readonly #again = new FinishAgain();
	/** Request ids whose record this process has not ended yet: it alone knows that they are over. */
	readonly #open = new Set<string>();

	constructor(options: IdempotentCallsOptions) {
		this.#store = options.store;
		this.#onError = options.onError;
		this.#finishPatienceMs = options.finishPatienceMs ?? FINISH_PATIENCE_MS;
	}

	/** As `serveCall`, once per key. @throws CostControlError "authority.unreachable" when the key cannot be taken. */
	async serve(call: IdempotentCall, caller: Caller): Promise<IdempotentEnd> {
		const request = toRequest(call);
		const beginning = await this.#begin(request, call);
		if (beginning.kind === "known") return this.#repeat(beginning);
		const watch = new AttemptWatch();
		const recording = new RecordingCaller(caller, () => watch.isBooked);
		const dependencies = { ...call.dependencies, authority: watch.over(call.dependencies.authority) };
		try {
			return await serveCall(dependencies, call.input, recording);
		} finally {
			await this.#finish(request, toEnding(watch, recording, request.requestId));
			recording.deliver();
		}
	}

	/** Ends what is still tried again; those records later read as outcome unknown. */
	stop(): void {
		this.#again.stop();
	}

	async #begin(request: IdempotentRequest, { dependencies, input }: IdempotentCall): Promise<Beginning> {
		const { authority } = dependencies;
		const { maxCallMs, admissionWaitMs } = authority.teamPolicy(input.key.teamId);
		authority.counters.sqlRoundTripsBeforeSend += 1;
		this.#open.add(request.requestId);
		try {
			const beginning = await this.#store.begin(request, maxCallMs + admissionWaitMs + IN_FLIGHT_MARGIN_MS);
			if (beginning.kind === "known") this.#open.delete(request.requestId);
			return beginning;
		} catch (error) {
			// It may have been taken all the same, by a call that is never sent.
			this.#finishLater(request, { kind: "removed" });
			throw error;
		}
	}

	#repeat({ record, isOurs, holderRequestId, answer }: Extract<Beginning, { kind: "known" }>): IdempotentEnd {
		const isHolderLive = isOurs ? this.#open.has(holderRequestId) : record.isHolderLive;
		const decision = decideRepeat({ ...record, isHolderLive });
		switch (decision.kind) {
			case "replay":
				return answer === undefined ? rejected(unreadable(holderRequestId)) : { kind: "replayed", answer };
			case "in_flight":
				return rejected(inFlight(holderRequestId));
			case "mismatch":
				return rejected(mismatch(holderRequestId));
			case "outcome_unknown":
				return rejected(outcomeUnknown(decision.reason, holderRequestId));
		}
	}

	/** Resolves when the record is ended, or the answer has waited for it long enough. */
	async #finish(request: IdempotentRequest, ending: Ending): Promise<void> {
		let timer: NodeJS.Timeout | undefined;
		const patience = new Promise<void>((resolve) => {
			timer = setTimeout(resolve, this.#finishPatienceMs);
		});
		const finished = this.#store.finish(request, ending).then(
			() => void this.#open.delete(request.requestId),
			(error: unknown) => {
				this.#onError(error, request);
				this.#finishLater(request, ending);
			},
		);
		await Promise.race([finished, patience]);
		clearTimeout(timer);
	}

	#finishLater(request: IdempotentRequest, ending: Ending): void {
		this.#again.start(
			() => this.#store.finish(request, ending),
			() => this.#open.delete(request.requestId),
		);
	}
}

/** One way to write each, so that two different requests never hash alike. */
function toRequest({ input, key }: IdempotentCall): IdempotentRequest {
	const { keyId, userId, feature, environment } = input.key;
	const { asserted, betas, body, endpoint, requestId, run } = input;
	// The same bytes as a step of another run are another call.
	const facts = [endpoint, asserted.user ?? null, asserted.feature ?? null, betas, ...(run?.claim ? [run.claim.runId] : [])];
	return {
		keyId,
		// Child keys share the id of their parent and must not see each other's answers.
		keyHash: createHash("sha256")
			.update(JSON.stringify([key, userId, feature, environment]))
			.digest(),
		requestHash: createHash("sha256")
			.update(`${JSON.stringify(facts)}\n`)
			.update(body)
			.digest(),
		endpoint,
		requestId,
	};
}

function toEnding(watch: AttemptWatch, recording: RecordingCaller, requestId: string): Ending {
	const { attemptId } = watch;
	const end = decideRecordEnd({ money: watch.end, isWhole: recording.isWhole, answerBytes: recording.answerBytes });
	if (end.kind === "removed") return end;
	if (end.kind === "unknown") return { ...end, attemptId };
	return { kind: "answered", answer: recording.toStoredAnswer(requestId), attemptId };
}

const FIELD = "idempotency-key";

function rejected(problem: RequestProblem): CallEnd {
	return { kind: "rejected", problem };
}

function inFlight(holder: string): RequestProblem {
	return {
		code: "idempotency.in_flight",
		field: FIELD,
		message: `The call with this Idempotency-Key (request ${holder}) is still being served. Nothing was sent; ask again for its answer.`,
	};
}

function mismatch(holder: string): RequestProblem {
	return {
		code: "idempotency.mismatch",
		field: FIELD,
		message: `This Idempotency-Key belongs to another request (${holder}): endpoint, body, attribution, run or anthropic-beta differ. Nothing was sent; a new request needs a new key.`,
	};
}

type WhyUnknown = Extract<RepeatDecision, { kind: "outcome_unknown" }>["reason"];

const WHY_UNKNOWN: Readonly<Record<WhyUnknown, string>> = {
	charged: "was sent and no complete answer came back, so it may have run; it is charged",
	interrupted: "was interrupted, so it may have been sent; if it was, it is charged",
	too_large: "was answered, but answers above 1 MiB are not kept",
};

function outcomeUnknown(reason: WhyUnknown, holder: string): RequestProblem {
	return unknown(`The call with this Idempotency-Key (request ${holder}) ${WHY_UNKNOWN[reason]}.`);
}

function unreadable(holder: string): RequestProblem {
	return unknown(
		`The call with this Idempotency-Key (request ${holder}) was answered, but its answer was stored with another key file and cannot be read here.`,
	);
}

function unknown(what: string): RequestProblem {
	return { code: "idempotency.outcome_unknown", field: FIELD, message: `${what} Nothing was sent now; to make the call again, use a new key.` };
}
