import type { MoneyEnd } from "#domain/idempotency/decide.ts";
import type { CallAuthority } from "../request/pipeline.ts";
import type { Attempt, Booked } from "../request/port.ts";
import { watchAdmissions } from "../request/watched-authority.ts";

/** Follows the attempts of one call: what its money says about whether it was sent. */
export class AttemptWatch {
	#end: MoneyEnd = "unsent";
	#attemptId: string | null = null;

	get end(): MoneyEnd {
		return this.#end;
	}

	/** Of the newest attempt. */
	get attemptId(): string | null {
		return this.#attemptId;
	}

	get isBooked(): boolean {
		return this.#end === "settled" || this.#end === "charged";
	}

	/** The authority for this one call. */
	over(authority: CallAuthority): CallAuthority {
		return watchAdmissions(authority, (admission) =>
			admission.kind === "admitted" ? { kind: "admitted", attempt: this.#follow(admission.attempt) } : admission,
		);
	}

	/** An ending counts once it is booked; one that throws leaves the attempt open, which is spent. */
	#follow(attempt: Attempt): Attempt {
		this.#end = "open";
		this.#attemptId = attempt.attemptId;
		const ended = (end: MoneyEnd, booked: Booked): Booked => {
			this.#end = end;
			return booked;
		};
		const { attemptId, reservedNanoUsd, clampedOutputTokens, budgetLeftNanoUsd } = attempt;
		return {
			attemptId,
			reservedNanoUsd,
			clampedOutputTokens,
			budgetLeftNanoUsd,
			get tokensBooked() {
				return attempt.tokensBooked;
			},
			settle: (input) => ended("settled", attempt.settle(input)),
			release: (reason) => {
				attempt.release(reason);
				this.#end = "unsent";
			},
			charge: (reason, detail) => ended("charged", attempt.charge(reason, detail)),
			estimate: (input) => ended("charged", attempt.estimate(input)),
		};
	}
}
