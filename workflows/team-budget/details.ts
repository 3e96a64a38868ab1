import type { BudgetUnit } from "#domain/budget/scope.ts";
import { describeSelector, ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { type BudgetState, stateWord, type TeamBudgetState } from "#domain/budget/team-budget-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatUsd } from "#domain/money/wire.ts";

/** What the operator reads in the Temporal UI: Markdown, at most 20,000 bytes (a server limit), so 60 rows. */
const ROWS_SHOWN_MAX = 60;

export function renderDetails(state: TeamBudgetState): string {
	const title = state.teamId === ORGANIZATION_ID ? "Organisation" : `Team ${state.teamId}`;
	const lines = [`## ${title}: ${stateWord(state)}`, ""];
	if (state.isFrozen) lines.push(`**Frozen:** ${plain(state.freezeReason ?? "")}`, "");
	if (!state.isLoaded) lines.push("Reading the budgets from PostgreSQL.", "");
	lines.push(
		"| budget | limit | granted | posted | left | resets | leases | refused | state |",
		"| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |",
	);
	lines.push(...state.budgets.slice(0, ROWS_SHOWN_MAX).map(row));
	if (state.budgets.length > ROWS_SHOWN_MAX)
		lines.push("", `${state.budgets.length - ROWS_SHOWN_MAX} more budgets: \`tollgate budget show --team ${state.teamId}\``);
	if (state.budgets.length === 0) lines.push("", "No budget: this team may not spend unless it is declared unlimited.");
	if (state.lastRefusals.length > 0)
		lines.push("", "Last refusals:", ...state.lastRefusals.map((note) => `- ${formatInstant(note.atMs)} ${note.code}, request \`${plain(note.requestId)}\``));
	lines.push("", `Policy revision ${state.revision}${state.heldRevision < state.revision ? ` (PostgreSQL holds ${state.heldRevision}; being written)` : ""}.`);
	return lines.join("\n");
}

function row({ definition, window }: BudgetState): string {
	const amount = (value: bigint): string => formatAmount(value, definition.unit);
	const limit = BigInt(definition.limitAmount);
	const cells =
		window === null
			? [amount(limit), "–", "–", "–", "–", "–", "–", "being written"]
			: [
					amount(limit),
					amount(BigInt(window.granted)),
					amount(BigInt(window.posted)),
					amount(limit - BigInt(window.posted) > 0n ? limit - BigInt(window.posted) : 0n),
					window.endsAtMs === null ? "never" : formatInstant(window.endsAtMs),
					String(window.leases),
					String(window.refusals),
					words(window.thresholds.stop.isStanding, window.thresholds.warn.isStanding, window.overrun !== "0"),
				];
	return `| ${[plain(describeSelector(definition)), ...cells].join(" | ")} |`;
}

function words(isStopped: boolean, isWarned: boolean, isOverrun: boolean): string {
	const word = isStopped ? "**stopped**" : isWarned ? "warned" : "ok";
	return isOverrun ? `${word}, overrun` : word;
}

function formatAmount(amount: bigint, unit: BudgetUnit): string {
	return unit === "tokens" ? `${amount} tokens` : `${formatUsd(amount)} USD`;
}

/** Ids come from people: nothing in them may become Markdown. */
function plain(text: string): string {
	return text.replaceAll(/[|`*<>[\]\\\r\n]/g, " ");
}
