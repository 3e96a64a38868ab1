import { type RunBudget, runBudgets } from "#domain/agents/run-budgets.ts";
import { writeRunLimits } from "#domain/agents/run-limits.ts";
import type { RunPolicy } from "#domain/agents/run-policy.ts";
import type { RunCall } from "./guard-port.ts";
import type { RunAsk, RunName } from "./port.ts";

/** How a team's policy stands in every question: worked out once. */
type Written = Pick<RunAsk, "defaults" | "budgets" | "newRunsPerHour" | "onLoop" | "wants">;

const written = new WeakMap<RunPolicy, Written>();

export function asksOf(policy: RunPolicy, { key, feature, otherWindows }: RunCall, named: RunName): RunAsk {
	let ask = written.get(policy);
	if (ask === undefined) {
		ask = write(policy);
		written.set(policy, ask);
	}
	return { teamId: key.teamId, keyId: key.keyId, feature, named, otherWindows, ...ask };
}

function write({ limits, newRunsPerHour, onLoop }: RunPolicy): Written {
	const budgets = runBudgets(limits);
	return { defaults: writeRunLimits(limits), budgets, newRunsPerHour, onLoop, wants: budgets.map(wantOf) };
}

/** A sixteenth of the limit, and enough for a first call where the limit has it: what others need of it they get back by a claim. */
const SHARES = 16n;
const FIRST_CALL: Readonly<Record<RunBudget["unit"], bigint>> = { nano_usd: 500_000_000n, input_tokens: 200_000n, output_tokens: 64_000n, steps: 16n };

function wantOf({ unit, limitAmount }: RunBudget): string {
	const limit = BigInt(limitAmount);
	const share = limit / SHARES;
	const first = FIRST_CALL[unit] < limit ? FIRST_CALL[unit] : limit;
	return (share > first ? share : first).toString();
}
