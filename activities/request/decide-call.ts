import type { CallFacts, Decider, Decision } from "#activities/decisions/port.ts";
import type { PricedDeployment } from "#activities/providers/port.ts";
import { hasTools } from "#domain/bound/has-tools.ts";
import type { Bound, InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import type { KeyIdentity } from "./port.ts";

/** A call as it would be reserved for. */
export type BoundedCall = {
	readonly requestId: string;
	readonly key: KeyIdentity;
	readonly asserted: { readonly user?: string; readonly feature?: string };
	readonly request: InspectedRequest;
	readonly candidate: PricedDeployment;
	readonly bound: Bound;
};

/** Asks whether the call may be made; undefined = it may. No money is touched, whatever the answer. */
export async function decideCall(decider: Decider, call: BoundedCall): Promise<RequestProblem | undefined> {
	return toProblem(await decider.decide(toFacts(call), call.requestId));
}

/** The same of facts that are put together elsewhere: a batch is decided about as one. */
export async function decideFacts(decider: Decider, facts: CallFacts, requestId: string): Promise<RequestProblem | undefined> {
	return toProblem(await decider.decide(facts, requestId));
}

function toFacts({ key, asserted, request, candidate, bound }: BoundedCall): CallFacts {
	return {
		team: key.teamId,
		feature: asserted.feature ?? key.feature,
		user: asserted.user ?? key.userId,
		environment: key.environment,
		keyId: key.keyId,
		endpoint: request.endpoint,
		protocol: request.protocol,
		modelAsked: request.model,
		provider: candidate.line.provider,
		model: candidate.deployment.model,
		boundNanoUsd: bound.nanoUsd.toString(),
		boundTokens: bound.tokens.toString(),
		isStream: request.isStream,
		hasTools: hasTools(request),
		claimed: sortByName(request.claimed),
	};
}

/** The same claims are the same facts, in whatever order they were made. */
function sortByName(claimed: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
	return Object.fromEntries(Object.entries(claimed).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function toProblem(decision: Decision): RequestProblem | undefined {
	if (decision.kind === "allowed") return undefined;
	if (decision.kind === "denied") {
		const why = decision.reasons.length === 0 ? "It gives no reason." : decision.reasons.join(" ");
		return { code: "policy.denied", message: `The policy of this system does not allow this call. ${why}` };
	}
	return {
		code: "policy.unreachable",
		message: "The policy of this system could not be asked, so nothing is sent and nothing is charged. Try again shortly.",
	};
}
