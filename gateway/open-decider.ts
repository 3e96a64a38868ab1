import type { Logger } from "pino";
import { BUILT_IN_RULES } from "#activities/decisions/built-in.ts";
import { createEngineDecider } from "#activities/decisions/engine-decider.ts";
import { type Decider, type DecisionCounters, emptyDecisionCounters } from "#activities/decisions/port.ts";
import type { ToldRefusal } from "#activities/decisions/told-decisions.ts";
import type { Settings } from "#config/load.ts";

export type Decisions = { readonly decider: Decider; readonly counters: DecisionCounters };

/** The built-in rules alone: nobody else is asked. */
export function builtInDecisions(): Decisions {
	return { decider: BUILT_IN_RULES, counters: emptyDecisionCounters() };
}

/** Who is asked beside the built-in rules: the engine the settings name. Only then is it loaded, with an HTTP client of 6 MB that nothing else here needs. */
export async function openDecider({ opa }: Pick<Settings, "opa">, log: Pick<Logger, "info" | "warn">): Promise<Decisions> {
	if (opa === null) return builtInDecisions();
	const { createOpaDecider } = await import("#activities/decisions/opa/decider.ts");
	const counters = emptyDecisionCounters();
	const engine = createOpaDecider({ url: opa.url, token: opa.token?.reveal(), timeoutMs: opa.timeoutMs });
	const decider = createEngineDecider(engine, {
		cacheMs: opa.cacheMs,
		bounds: opa.bounds,
		counters,
		onRefusal: (refusal) => logRefusal(log, refusal),
		nowMs: () => performance.now(),
	});
	log.info({ url: opa.url, timeoutMs: opa.timeoutMs, cacheMs: opa.cacheMs, bounds: opa.bounds }, "every call is decided by OPA");
	return { decider, counters };
}

/** What the caller claims is not logged: it may name a person. */
function logRefusal(log: Pick<Logger, "info" | "warn">, { decision, facts, requestId, untold }: ToldRefusal): void {
	const { team, keyId, endpoint, modelAsked, provider } = facts;
	const call = { requestId, team, keyId, endpoint, modelAsked, provider, untold };
	if (decision.kind === "denied") log.info({ ...call, reasons: decision.reasons }, "a call was denied by policy");
	else log.warn({ ...call, problem: decision.problem }, "a call was refused because the policy could not be asked");
}
