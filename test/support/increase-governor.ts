import type { BudgetGovernor } from "#activities/administration/port.ts";
import { createPostgresBudgetStore } from "#activities/budgets/postgres.ts";
import type { Connection } from "#activities/database/connection.ts";
import { createPostgresIncreaseStore } from "#activities/increases/postgres.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { checkIncreaseAnswer, checkIncreaseAsk, checkIncreaseEnding, checkIncreaseWithdrawal } from "#domain/budget/increase-input.ts";
import { type IncreasePlan, type IncreaseRules, planDecision, planEnding, planRequest, planWithdrawal } from "#domain/budget/increases.ts";
import { planLineRequest } from "#domain/budget/line-requests.ts";
import { type Checked, selectorKey } from "#domain/budget/scope.ts";
import { reduceTeamBudget } from "#domain/budget/team-budget-reducer.ts";
import { emptyTeamBudget, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { windowInForce } from "#domain/budget/window.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

type IncreaseGovernor = Pick<BudgetGovernor, "requestIncrease" | "decideIncrease" | "withdrawIncrease" | "endIncrease">;

/** Stands in for the teams' workflows as far as increases go: the same rules on what PostgreSQL holds, written at once. */
export function createSqlIncreases(database: Queryable, beforeEach: () => void): IncreaseGovernor {
	const connection = {
		query: async (_name: string | undefined, text: string, values: readonly unknown[]) => (await database.query(text, [...values])).rows,
	} as unknown as Connection;
	const store = createPostgresIncreaseStore(connection);
	const budgets = createPostgresBudgetStore(connection);
	const change = async (teamId: string, plan: (state: TeamBudgetState, rules: IncreaseRules) => IncreasePlan) => {
		beforeEach();
		const loaded = reduceTeamBudget(emptyTeamBudget(teamId), { kind: "loaded", ...(await budgets.readBudgets({ teamId })) }).state;
		const planned = plan(loaded, await store.readIncreaseRules({ teamId }));
		if (planned.kind === "refused") throw refusal(planned.code, planned.problems);
		if (planned.kind === "same") return { revision: loaded.revision, increase: planned.increase };
		const { state } = reduceTeamBudget(loaded, { kind: "increaseChanged", increase: planned.increase });
		for (const effect of state.outbox) {
			if (effect.kind === "recordIncrease") await store.recordIncrease({ teamId, ...effect });
			if (effect.kind === "applyIncrease") await store.applyIncrease({ teamId, ...effect });
			if (effect.kind === "endIncreaseEarly") await store.endIncreaseEarly({ teamId, ...effect });
		}
		return { revision: state.revision, increase: planned.increase };
	};
	return {
		requestIncrease: async (teamId, input) => {
			const ask = valid(checkIncreaseAsk(input, teamId));
			const key = selectorKey(ask.selector);
			const newId = `inc_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
			if (ask.kind === "line") return change(teamId, (state) => planLineRequest(ask, { state, nowMs: Date.now(), newId }));
			return change(teamId, (state, rules) => planRequest(ask, { known: knownIn(state), budget: budgetOf(state, key), key, rules, nowMs: Date.now(), newId }));
		},
		decideIncrease: async (teamId, input) => {
			const answer = valid(checkIncreaseAnswer(input));
			return change(teamId, (state, rules) =>
				planDecision(answer, { known: knownIn(state), budgetOf: (key) => budgetOf(state, key), rules, nowMs: Date.now() }),
			);
		},
		endIncrease: async (teamId, input) => {
			const ending = valid(checkIncreaseEnding(input));
			return change(teamId, (state, rules) => planEnding(ending, { known: knownIn(state), rules, nowMs: Date.now(), isWritten: true }));
		},
		withdrawIncrease: async (teamId, input) => {
			const { id, ...by } = valid(checkIncreaseWithdrawal(input));
			return change(teamId, (state) => planWithdrawal(id, by, { known: knownIn(state), nowMs: Date.now() }));
		},
	};
}

function knownIn({ increases, closedIncreases }: TeamBudgetState) {
	return { open: increases, closed: closedIncreases };
}

function budgetOf(state: TeamBudgetState, key: string) {
	const budget = state.budgets.find((other) => other.key === key);
	return budget && { definition: budget.definition, windowEndsAtMs: windowInForce(budget.definition, budget.window ?? undefined, Date.now()).endsAtMs };
}

function valid<Value>(checked: Checked<Value>): Value {
	if (checked.kind === "invalid") throw refusal("admin.invalid", checked.problems);
	return checked.value;
}

function refusal(
	code: "admin.invalid" | "admin.forbidden" | "admin.conflict" | "admin.not_found",
	problems: readonly { field: string; problem: string }[],
): CostControlError {
	return new CostControlError(code, problems.map(({ field, problem }) => `${field} ${problem}`).join("; "), { details: { field: problems[0]?.field ?? null } });
}
