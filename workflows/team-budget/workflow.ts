import { ActivityFailure } from "@temporalio/common";
import { allHandlersFinished, condition, log, makeContinueAsNewFunc, patched, setHandler, sleep } from "@temporalio/workflow";
import { selectorKey } from "#domain/budget/scope.ts";
import { readBudgets } from "../shared/activity-proxies.ts";
import { guardHandler } from "../shared/handler-errors.ts";
import { isRunLongEnough, MESSAGES_PER_RUN } from "../shared/lifecycle.ts";
import type { PatchId } from "../shared/patches.ts";
import { isRefused } from "../shared/refused.ts";
import { TeamBudgetGovernor } from "./governor.ts";
import { setIncreaseHandlers } from "./increase-handlers.ts";
import { type ApplyPolicyInput, applyPolicyUpdate, freezeUpdate, statusQuery, type TeamBudgetInput, totalsReportedSignal, unfreezeUpdate } from "./messages.ts";
import { drainInOrder, drainLane, followWindows } from "./outbox.ts";
import { carriedState } from "./state.ts";
import { checkPolicyFits, definitionsIn, isTotalsReport, validateFreeze, validatePolicy, validateUnfreeze } from "./validation.ts";

const REFUSED_LOAD_PAUSE_MS = 30_000;

/**
 * Governs one team's budgets for ever: the one writer of limits, keeper of thresholds, face in the Temporal UI.
 * No request waits for it. Handlers decide in pure, synchronous steps; what has to happen outside leaves through
 * the outbox. There is one timer, to the next window end, and one per lane of the outbox while it pauses.
 */
export async function teamBudgetWorkflow(input: TeamBudgetInput): Promise<void> {
	const hasLanes = patched("outbox-lanes" satisfies PatchId);
	const isLocal = patched("local-announcements" satisfies PatchId);
	const governor = new TeamBudgetGovernor(input, { isBounded: hasLanes, isLocal });
	setHandlers(governor, input.teamId);
	setIncreaseHandlers(governor, input.teamId);
	await load(governor, input.teamId, hasLanes);
	const shouldRoll = (): boolean => isRunLongEnough(governor.messagesHandled, input.messagesPerRun ?? MESSAGES_PER_RUN);
	if (hasLanes)
		await Promise.all([drainLane(governor, "writes", shouldRoll), drainLane(governor, "announcements", shouldRoll), followWindows(governor, shouldRoll)]);
	else await drainInOrder(governor, shouldRoll);
	// The outbox travels in the state; what must not be cut off is an accepted update.
	await condition(allHandlersFinished);
	await makeContinueAsNewFunc<typeof teamBudgetWorkflow>({ memo: governor.memo() })({ ...input, state: carriedState(governor.state) });
}

function setHandlers(governor: TeamBudgetGovernor, teamId: string): void {
	const applyPolicy = (policy: ApplyPolicyInput) =>
		governor.decide(() => {
			checkPolicyFits(policy, governor.state);
			const { mode, remove, requestedBy, clearsOverruns = false } = policy;
			return { kind: "policyApplied", mode, set: definitionsIn(policy, teamId), removeKeys: remove.map(selectorKey), requestedBy, clearsOverruns };
		});
	setHandler(applyPolicyUpdate, applyPolicy, {
		validator: guardHandler((policy: ApplyPolicyInput) => validatePolicy(policy, teamId)),
		description: "Set or end budgets; returns the policy revision that holds the change.",
	});
	setHandler(freezeUpdate, (freeze) => governor.decide(() => ({ ...freeze, kind: "freezeChanged", isFrozen: true })), {
		validator: guardHandler(validateFreeze),
		description: "Refuse every call of this team until it is unfrozen.",
	});
	setHandler(unfreezeUpdate, (unfreeze) => governor.decide(() => ({ ...unfreeze, kind: "freezeChanged", isFrozen: false, reason: "" })), {
		validator: guardHandler(validateUnfreeze),
		description: "Let this team spend again.",
	});
	setHandler(
		totalsReportedSignal,
		(report) => {
			// An error thrown from a signal handler would end or wedge the team's workflow: what is no report is left aside.
			if (isTotalsReport(report)) governor.takeReport(report);
			else log.warn("a totals report of an unknown shape was ignored");
		},
		{ description: "Absolute totals of the team's windows, told by the worker." },
	);
	setHandler(statusQuery, () => governor.status(), { description: "Budgets, windows, thresholds and policy revision." });
}

/** Once in the life of a team: limits and revision as PostgreSQL holds them, so that a lost Temporal loses no budget. */
async function load(governor: TeamBudgetGovernor, teamId: string, mayPause: boolean): Promise<void> {
	while (!governor.state.isLoaded) {
		try {
			governor.takeHeld("loaded", await readBudgets({ teamId }));
		} catch (error) {
			if (!(error instanceof ActivityFailure)) throw error;
			log.warn("budgets cannot be read yet", { error: error.message });
			// An outage has lasted the whole activity; a refusal comes back at once.
			if (mayPause && isRefused(error)) await sleep(REFUSED_LOAD_PAUSE_MS);
		}
	}
}
