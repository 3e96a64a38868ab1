import type { Bound, RequestProblem } from "#domain/bound/request.ts";
import { applyCaps, type Cap, capsFor, withLoweredOutput } from "#domain/limits/caps.ts";
import type { LimitEvidence } from "#domain/limits/limit-name.ts";
import type { RatePermit } from "#domain/limits/rate-permit.ts";
import { type ActiveLimits, describeRate, rateName } from "#domain/limits/rate-rules.ts";
import { OVERLOADED } from "../limits/rate-keeper.ts";
import type { KeyIdentity, RequestAuthority } from "./port.ts";

/** A call that is not served, as data; with the limit (header x-tollgate-limit) and its numbers where one says no, and the time to wait where it is a rate. */
export type CallProblem = RequestProblem & { readonly retryAfterSeconds?: number; readonly limit?: string; readonly evidence?: LimitEvidence };

/** What the limits leave of one try. */
export type LimitedTry =
	| { readonly kind: "within"; readonly bound: Bound; readonly cappedOutputTokens: number | undefined }
	| { readonly kind: "refused"; readonly problem: CallProblem };

type CalledBy = { readonly key: KeyIdentity; readonly asserted: { readonly user?: string; readonly feature?: string }; readonly model: string };

/**
 * The limits of one call over all its tries: caps on each try's bound; rates taken once, and given back or corrected when the call is
 * over, whatever way it ends. `end` is called once.
 */
export class CallLimits {
	private readonly limits: ActiveLimits;
	private readonly rates: RequestAuthority["rates"];
	private readonly teamId: string;
	private readonly feature: string | null;
	private readonly permit: RatePermit | "full" | undefined;
	private isSent = false;
	private tokensUsed: number | undefined;

	constructor(limits: ActiveLimits, rates: RequestAuthority["rates"], { key, asserted, model }: CalledBy) {
		this.limits = limits;
		this.rates = rates;
		this.teamId = key.teamId;
		this.feature = asserted.feature ?? key.feature;
		const caller = { teamId: key.teamId, feature: this.feature, user: asserted.user ?? key.userId, model, key: key.keyId };
		this.permit = limits.rates.length === 0 ? undefined : rates.open(limits.rates, caller);
	}

	/** `exactBound`: a lower bound that takes a moment to prove; asked for only where a cap would refuse the call. */
	admit(bound: Bound, exactBound: () => Promise<Bound | undefined>): LimitedTry | Promise<LimitedTry> {
		const capped = this.applyCaps(bound);
		if (capped.kind === "refused") return this.admitExact(capped, exactBound);
		return this.takeRates(capped);
	}

	/** From now on the call counts as made, until `ended` says otherwise. */
	sending(): void {
		this.isSent = true;
		this.tokensUsed = undefined;
	}

	ended({ isSent, tokensUsed }: { readonly isSent: boolean; readonly tokensUsed: number | undefined }): void {
		this.isSent = isSent;
		this.tokensUsed = tokensUsed;
	}

	end(): void {
		if (this.permit !== undefined && this.permit !== "full") this.rates.end(this.permit, { isSent: this.isSent, tokensUsed: this.tokensUsed });
	}

	private async admitExact(refused: LimitedTry, exactBound: () => Promise<Bound | undefined>): Promise<LimitedTry> {
		const exact = await exactBound();
		const capped = exact === undefined ? refused : this.applyCaps(exact);
		return capped.kind === "refused" ? capped : this.takeRates(capped);
	}

	private applyCaps(bound: Bound): LimitedTry {
		const { caps } = this.limits;
		const verdict = applyCaps(bound, this.teamId, caps && capsFor(caps, this.feature), this.tokensAtOnce(bound.tokens));
		if (verdict.kind === "exceeded") return { kind: "refused", problem: verdict.problem };
		if (verdict.kind === "within") return { kind: "within", bound, cappedOutputTokens: undefined };
		return { kind: "within", bound: withLoweredOutput(bound, verdict.outputTokens), cappedOutputTokens: verdict.outputTokens };
	}

	/** What one call may take of the minute of tokens that it would pass by itself, and so wait for ever; undefined for any other call. */
	private tokensAtOnce(tokens: number): Cap<number> | undefined {
		if (this.permit === undefined || this.permit === "full") return undefined;
		const { rules, values } = this.permit;
		let least: Cap<number> | undefined;
		for (let index = 0; index < rules.length; index++) {
			const rule = rules[index];
			if (rule?.measure !== "tokens" || rule.limit >= tokens || (least !== undefined && least.value <= rule.limit)) continue;
			least = { value: rule.limit, holder: `one call, by the ${describeRate(rule, values[index] ?? "")},`, name: rateName(rule) };
		}
		return least;
	}

	private takeRates(within: Extract<LimitedTry, { kind: "within" }>): LimitedTry | Promise<LimitedTry> {
		if (this.permit === undefined) return within;
		if (this.permit === "full") return { kind: "refused", problem: OVERLOADED };
		const taken = this.rates.take(this.permit, within.bound.tokens);
		if (taken instanceof Promise) return taken.then((problem) => (problem === undefined ? within : { kind: "refused", problem }));
		return taken === undefined ? within : { kind: "refused", problem: taken };
	}
}
