/** Below this an excess wakes nobody: 2 % of the month's budget, and at least 5 USD. */
const LEAST_NANO_USD = 5_000_000_000n;
const BUDGET_PARTS = 50n;

export function excessWorthTelling(monthBudgetNanoUsd: bigint | undefined): bigint {
	const share = (monthBudgetNanoUsd ?? 0n) / BUDGET_PARTS;
	return share > LEAST_NANO_USD ? share : LEAST_NANO_USD;
}
