import type { Bound, RequestProblem } from "../bound/request.ts";
import { formatUsd } from "../money/wire.ts";
import { shellWord } from "../shell-word.ts";
import { type LimitEvidence, type LimitMeasure, limitName } from "./limit-name.ts";
import type { CallCap } from "./team-limits.ts";

/**
 * Caps per call. A call is measured by its bound, the most it can take. Where its output is too large it is lowered, by the same mechanism
 * and within the same floor as a budget's clamp (money-path §2); where that cannot be enforced, the call is refused.
 */
export type Cap<Value> = {
	readonly value: Value;
	/** "feature search", "every call of the team", or what else set it. */
	readonly holder: string;
	/** As `limitName` says it. */
	readonly name: string;
};

/** The strictest of each that holds for a call. */
export type CallCaps = {
	readonly inputTokens: Cap<number> | undefined;
	readonly outputTokens: Cap<number> | undefined;
	readonly costNanoUsd: Cap<bigint> | undefined;
};

/** Caps of a team, ready to be looked up per call. */
export type CompiledCaps = { readonly byFeature: ReadonlyMap<string, CallCaps>; readonly others: CallCaps | undefined };

/** `limit` is the name of the cap, `evidence` what it was decided on. */
export type CapProblem = RequestProblem & { readonly limit: string; readonly evidence: LimitEvidence };

export type CapVerdict =
	| { readonly kind: "within" }
	/** The output cap that the body must carry. */
	| { readonly kind: "lowered"; readonly outputTokens: number }
	| { readonly kind: "exceeded"; readonly problem: CapProblem };

const WITHIN: CapVerdict = { kind: "within" };

/** Undefined when the team has none. */
export function compileCaps(caps: readonly CallCap[]): CompiledCaps | undefined {
	if (caps.length === 0) return undefined;
	const ofAll = caps.filter(({ feature }) => feature === null);
	const features = new Set(caps.flatMap(({ feature }) => feature ?? []));
	const byFeature = new Map([...features].map((name) => [name, strictestOf(caps.filter(({ feature }) => feature === null || feature === name))]));
	return { byFeature, others: ofAll.length === 0 ? undefined : strictestOf(ofAll) };
}

export function capsFor(caps: CompiledCaps, feature: string | null): CallCaps | undefined {
	return (feature === null ? undefined : caps.byFeature.get(feature)) ?? caps.others;
}

/** `tokensAtOnce`: what a rate of tokens per minute can ever admit in one call, input and output together. */
export function applyCaps(bound: Bound, teamId: string, caps: CallCaps | undefined, tokensAtOnce?: Cap<number>): CapVerdict {
	const exceeded = (what: string, cap: Cap<number>, wouldBe: number): CapVerdict =>
		problem(teamId, `The cap of ${cap.value} ${what} for ${cap.holder} would be passed: this call can take ${wouldBe}.`, { cap, wouldBe });
	const input = caps?.inputTokens;
	if (input !== undefined && bound.inputTokens > input.value) return exceeded("input tokens", input, bound.inputTokens);
	const output = caps?.outputTokens;
	const outputTokens = bound.tokens - bound.inputTokens;
	const cost = caps?.costNanoUsd;
	const isOutputOver = output !== undefined && outputTokens > output.value;
	const isCostOver = cost !== undefined && bound.nanoUsd > cost.value;
	const isAtOnceOver = tokensAtOnce !== undefined && bound.tokens > tokensAtOnce.value;
	if (!isOutputOver && !isCostOver && !isAtOnceOver) return WITHIN;
	const tokens = Math.min(output === undefined ? Infinity : bound.inputTokens + output.value, tokensAtOnce?.value ?? Infinity);
	const lowered =
		bound.clampFloorTokens === undefined ? undefined : bound.clampTo({ nanoUsd: cost?.value, tokens: Number.isFinite(tokens) ? tokens : undefined });
	if (lowered !== undefined) return { kind: "lowered", outputTokens: lowered };
	if (isOutputOver) return exceeded("output tokens", output, outputTokens);
	if (isCostOver) return exceededCost(teamId, cost, bound.nanoUsd);
	return tokensAtOnce === undefined ? WITHIN : exceeded("tokens", tokensAtOnce, bound.tokens);
}

/** The same call with its output lowered: what is reserved, and from where a budget may lower it further. */
export function withLoweredOutput(bound: Bound, outputTokens: number): Bound {
	const { inputTokens, reach, clampFloorTokens } = bound;
	const { nanoUsd, tokens } = bound.at(outputTokens);
	return {
		inputTokens,
		outputTokens,
		nanoUsd,
		tokens,
		reach,
		clampFloorTokens: clampFloorTokens === undefined ? undefined : Math.min(clampFloorTokens, outputTokens),
		at: (output) => bound.at(output),
		clampTo(available) {
			const cap = bound.clampTo(available);
			return cap === undefined ? undefined : Math.min(cap, outputTokens);
		},
	};
}

function strictestOf(caps: readonly CallCap[]): CallCaps {
	return {
		inputTokens: least(caps, "input_tokens", ({ inputTokens }) => inputTokens),
		outputTokens: least(caps, "output_tokens", ({ outputTokens }) => outputTokens),
		costNanoUsd: least(caps, "cost_nano_usd", ({ costNanoUsd }) => (costNanoUsd === undefined ? undefined : BigInt(costNanoUsd))),
	};
}

function least<Value extends number | bigint>(
	caps: readonly CallCap[],
	measure: LimitMeasure,
	read: (cap: CallCap) => Value | undefined,
): Cap<Value> | undefined {
	let strictest: Cap<Value> | undefined;
	for (const cap of caps) {
		const value = read(cap);
		if (value === undefined || (strictest !== undefined && strictest.value <= value)) continue;
		const isOfTeam = cap.feature === null;
		const name = limitName({ measure, dimension: isOfTeam ? "team" : "feature", limit: value }, "cap");
		strictest = { value, holder: isOfTeam ? "every call of the team" : `feature ${cap.feature}`, name };
	}
	return strictest;
}

function exceededCost(teamId: string, cap: Cap<bigint>, wouldBe: bigint): CapVerdict {
	const { value, holder } = cap;
	const message = `The cap of ${formatUsd(value)} USD per call for ${holder} would be passed: this call can cost ${formatUsd(wouldBe)} USD.`;
	return problem(teamId, message, { cap, wouldBe });
}

type Exceeded = { readonly cap: Cap<number | bigint>; readonly wouldBe: number | bigint };

/** Whether a policy file declares the cap is not known here: it is named first, because it puts back what the command changes. */
function problem(teamId: string, message: string, { cap: { name, value }, wouldBe }: Exceeded): CapVerdict {
	const advice = `Send less, or set a lower output cap; an operator changes the cap under teams.${teamId} of the policy file, where one declares it, or else with: npx tollgate team set ${shellWord(teamId)} --limits JSON`;
	const evidence: LimitEvidence = { limit: name, limitAmount: BigInt(value), stoodAt: null, need: BigInt(wouldBe), waitedMs: 0, isRemembered: false };
	return { kind: "exceeded", problem: { code: "limit.cap", message: `${message} Nothing was sent and nothing is charged. ${advice}`, limit: name, evidence } };
}
