import type { GovernanceEvent, HeldRevision } from "#activities/budgets/port.ts";
import type { Increase } from "#domain/budget/increases.ts";
import type { BudgetEffect } from "#domain/budget/team-budget-state.ts";
import { applyIncrease, endIncreaseEarly, endIncreases, recordIncrease } from "../shared/activity-proxies.ts";

/** How increases leave the workflow. Done twice, each is done once: writes by their revision and row, announcements by their key. */
type IncreaseEffect = Extract<BudgetEffect, { kind: "recordIncrease" | "applyIncrease" | "endIncreaseEarly" | "endIncreases" }>;

export function isIncreaseEffect(effect: BudgetEffect): effect is IncreaseEffect {
	return effect.kind === "recordIncrease" || effect.kind === "applyIncrease" || effect.kind === "endIncreaseEarly" || effect.kind === "endIncreases";
}

export function writeIncrease(teamId: string, effect: IncreaseEffect): Promise<HeldRevision> {
	const { revision, requestedBy } = effect;
	if (effect.kind === "endIncreases") return endIncreases({ teamId, revision, increaseIds: effect.increaseIds });
	const { increase } = effect;
	if (effect.kind === "endIncreaseEarly") return endIncreaseEarly({ teamId, revision, increase });
	return effect.kind === "applyIncrease" ? applyIncrease({ teamId, revision, increase }) : recordIncrease({ teamId, revision, requestedBy, increase });
}

export function toIncreaseEvent(teamId: string, { event, increase }: Extract<BudgetEffect, { kind: "announceIncrease" }>): GovernanceEvent {
	// One of each per request, except that an approval which PostgreSQL refuses is no approval.
	return { eventKey: `${teamId}|${event}|${increase.id}`, teamId, event, detail: detailOf(increase) };
}

/** Amounts in the unit of the budget; what is not known yet is left out. */
function detailOf(increase: Increase): Record<string, string | number> {
	const { id, kind, key, status, askedAmount, grantedAmount, untilMs, reason, requestedBy, requestedAtMs, expiresAtMs, decision, ending } = increase;
	return {
		increase: id,
		kind,
		budget: key,
		status,
		askedAmount,
		...(grantedAmount === null ? {} : { grantedAmount }),
		...(untilMs === null ? {} : { untilMs }),
		reason,
		requestedBy,
		requestedAtMs,
		expiresAtMs,
		...(decision === null ? {} : { decidedBy: decision.by, decidedAtMs: decision.atMs, decisionReason: decision.reason }),
		...(ending === undefined ? {} : { endedBy: ending.by, endedAtMs: ending.atMs, endReason: ending.reason }),
		isByHand: String((ending ?? decision)?.isByHand ?? increase.isRequestedByHand),
	};
}
