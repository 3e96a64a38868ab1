import { ActivityFailure, ApplicationFailure } from "@temporalio/common";
import { setHandler, uuid4 } from "@temporalio/workflow";
import { checkIncreaseAnswer, checkIncreaseAsk, checkIncreaseEnding, checkIncreaseWithdrawal } from "#domain/budget/increase-input.ts";
import {
	type IncreasedBudget,
	type IncreasePlan,
	type IncreaseRules,
	type KnownIncreases,
	planDecision,
	planEnding,
	planRequest,
	planWithdrawal,
} from "#domain/budget/increases.ts";
import { planLineRequest } from "#domain/budget/line-requests.ts";
import { type Checked, type FieldProblem, selectorKey } from "#domain/budget/scope.ts";
import type { TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { windowInForce } from "#domain/budget/window.ts";
import { readIncreaseRules } from "../shared/activity-proxies.ts";
import { guardHandler, invalidInput } from "../shared/handler-errors.ts";
import type { TeamBudgetGovernor } from "./governor.ts";
import { decideIncreaseUpdate, endIncreaseUpdate, type IncreaseResult, requestIncreaseUpdate, withdrawIncreaseUpdate } from "./messages.ts";

/**
 * Updates about increases. Who may decide, and how high, is asked of PostgreSQL for each of them: no copy in this state can
 * let somebody approve who may not, and without an answer nothing is decided. Once it is there, the decision is one
 * synchronous step, so that of two at once the first one holds.
 */
export function setIncreaseHandlers(governor: TeamBudgetGovernor, teamId: string): void {
	setHandler(
		requestIncreaseUpdate,
		async (input) => {
			const ask = checked(checkIncreaseAsk(input, teamId));
			await governor.takeMessage();
			const rules = await readRules(teamId);
			return carry(governor, ({ state, known, budgetOf, nowMs }) => {
				const newId = newIncreaseId();
				if (ask.kind === "line") return planLineRequest(ask, { state, nowMs, newId });
				const key = selectorKey(ask.selector);
				return planRequest(ask, { known, budget: budgetOf(key), key, rules, nowMs, newId });
			});
		},
		{
			validator: guardHandler((input) => void checked(checkIncreaseAsk(input, teamId))),
			description:
				'Ask for a temporarily higher limit: {"budget":{"dimension":"team","windowKind":"day"},"amountUsd":"50","until":"2026-12-01","reason":"…","requestedBy":"…"}. `until`: a day, to its end in the budget\'s time zone, or an instant; left out, the end of the window. `expiresInMs`: default 14 days. To spend beyond the next line at which a budget needs approval: {"kind":"line","budget":{"windowKind":"day"},"reason":"…","requestedBy":"…"}.',
		},
	);
	setHandler(
		decideIncreaseUpdate,
		async (input) => {
			const answer = checked(checkIncreaseAnswer(input));
			await governor.takeMessage();
			const rules = await readRules(teamId);
			return carry(governor, ({ known, budgetOf, nowMs }) => planDecision(answer, { known, budgetOf, rules, nowMs }));
		},
		{
			validator: guardHandler((input) => void checked(checkIncreaseAnswer(input))),
			description:
				'Approve or reject a request: {"id":"inc_…","decision":"approve","decidedBy":"…"}, with "amountUsd" for less than was asked; {"id":"inc_…","decision":"reject","reason":"…","decidedBy":"…"}. Open requests stand in the current details.',
		},
	);
	setHandler(
		withdrawIncreaseUpdate,
		async (input) => {
			const { id, ...by } = checked(checkIncreaseWithdrawal(input));
			await governor.takeMessage();
			return carry(governor, ({ known, nowMs }) => planWithdrawal(id, by, { known, nowMs }));
		},
		{
			validator: guardHandler((input) => void checked(checkIncreaseWithdrawal(input))),
			description: 'Take a request back, by whoever asked: {"id":"inc_…","withdrawnBy":"…"}.',
		},
	);
	setHandler(
		endIncreaseUpdate,
		async (input) => {
			const ending = checked(checkIncreaseEnding(input));
			await governor.takeMessage();
			const rules = await readRules(teamId);
			const isWritten = (): boolean => !governor.state.outbox.some((effect) => effect.kind === "applyIncrease" && effect.increase.id === ending.id);
			return carry(governor, ({ known, nowMs }) => planEnding(ending, { known, rules, nowMs, isWritten: isWritten() }));
		},
		{
			validator: guardHandler((input) => void checked(checkIncreaseEnding(input))),
			description: 'End a raise in force before its date: {"id":"inc_…","reason":"…","endedBy":"…"}.',
		},
	);
}

type Present = {
	readonly state: TeamBudgetState;
	readonly known: KnownIncreases;
	readonly budgetOf: (key: string) => IncreasedBudget | undefined;
	readonly nowMs: number;
};

/** One synchronous step: nothing is between what is looked at and what is decided. */
function carry(governor: TeamBudgetGovernor, plan: (present: Present) => IncreasePlan): IncreaseResult {
	return guardHandler(() => {
		const { state } = governor;
		const planned = plan({
			state,
			known: { open: state.increases, closed: state.closedIncreases },
			budgetOf: (key) => budgetOf(state, key),
			nowMs: Date.now(),
		});
		if (planned.kind === "refused") throw refusal(planned.code, planned.problems);
		if (planned.kind === "planned") {
			governor.requireRoom();
			governor.apply({ kind: "increaseChanged", increase: planned.increase });
		}
		return { revision: governor.state.revision, increase: planned.increase };
	})();
}

function budgetOf(state: TeamBudgetState, key: string): IncreasedBudget | undefined {
	const budget = state.budgets.find((other) => other.key === key);
	if (budget === undefined) return undefined;
	return { definition: budget.definition, windowEndsAtMs: windowInForce(budget.definition, budget.window ?? undefined, Date.now()).endsAtMs };
}

/** Random, so that an id names a request of any team without asking which, and none is given twice after Temporal lost its state. */
function newIncreaseId(): string {
	return `inc_${uuid4().replaceAll("-", "").slice(0, 12)}`;
}

async function readRules(teamId: string): Promise<IncreaseRules> {
	try {
		return await readIncreaseRules({ teamId });
	} catch (error) {
		if (!(error instanceof ActivityFailure)) throw error;
		const message = "who may decide about increases cannot be read from PostgreSQL; nothing was changed, try again";
		throw ApplicationFailure.nonRetryable(message, "governance.unreachable");
	}
}

function checked<Value>(result: Checked<Value>): Value {
	if (result.kind === "invalid") throw invalidInput(result.problems);
	return result.value;
}

function refusal(code: string, problems: readonly FieldProblem[]): ApplicationFailure {
	const message = problems
		.map(({ field, problem }) => {
			if (field === "id") return `the request ${problem}`;
			// Whoever has no right is named by the problem itself.
			return code === "admin.forbidden" ? problem : `${field} ${problem}`;
		})
		.join("; ");
	return ApplicationFailure.nonRetryable(message, code, problems);
}
