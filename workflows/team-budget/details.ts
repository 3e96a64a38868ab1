import { type Increase, raisedAmount } from "#domain/budget/increases.ts";
import { REFUSALS_COUNTED_MAX } from "#domain/budget/publication.ts";
import { describeSelector, ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { waitingIn } from "#domain/budget/team-budget-outbox.ts";
import { type BudgetState, budgetWord, stateWord, type TeamBudgetState, type WindowState } from "#domain/budget/team-budget-state.ts";
import { formatInstant } from "#domain/budget/window.ts";
import { formatAmount, plain } from "../shared/details-text.ts";
import { increaseLines } from "./increase-details.ts";

/** What the operator reads in the Temporal UI: Markdown, as JSON text at most 20,000 bytes (a server limit). */
const BYTES_MAX = 19_500;
const ROWS_SHOWN_MAX = 60;
const NAME_SHOWN_MAX = 48;
const TEXT_SHOWN_MAX = 200;

export function renderDetails(state: TeamBudgetState): string {
	const head = headLines(state);
	const tail = tailLines(state);
	const rows = state.budgets.slice(0, ROWS_SHOWN_MAX).map((budget) => row(budget, state.increases));
	// Names take up to three bytes a character: as many rows as fit, and the rest is counted.
	let bytesLeft = BYTES_MAX - bytesOf([...head, ...tail, moreBudgets(state, state.budgets.length)]);
	const shown = rows.filter((line) => {
		bytesLeft = bytesLeft < 0 ? bytesLeft : bytesLeft - bytesOf([line]);
		return bytesLeft >= 0;
	});
	const hidden = state.budgets.length - shown.length;
	return [...head, ...shown, ...(hidden > 0 ? ["", moreBudgets(state, hidden)] : []), ...tail].join("\n");
}

function headLines(state: TeamBudgetState): string[] {
	const title = state.teamId === ORGANIZATION_ID ? "Organisation" : `Team ${state.teamId}`;
	const lines = [`## ${title}: ${stateWord(state)}`, ""];
	if (state.isFrozen) lines.push(`**Frozen:** ${plain(state.freezeReason ?? "", TEXT_SHOWN_MAX)}`, "");
	if (!state.isLoaded) lines.push("Reading the budgets from PostgreSQL.", "");
	if (state.refusedChange !== null) {
		const { revision, requestedBy, problem } = state.refusedChange;
		lines.push(
			`**Not in force:** PostgreSQL refused revision ${revision} by ${plain(requestedBy, TEXT_SHOWN_MAX)} for what it says: ${plain(problem, TEXT_SHOWN_MAX)}`,
			"",
		);
	}
	if (state.announcementsLost > 0) lines.push(`**Not announced:** ${state.announcementsLost} events, because too many waited or PostgreSQL refused them.`, "");
	lines.push(
		"| budget | limit | granted | posted | left | resets | leases | refused | state |",
		"| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |",
	);
	return lines;
}

function tailLines(state: TeamBudgetState): string[] {
	const lines: string[] = [];
	if (state.budgets.length === 0) lines.push("", "No budget: this team may not spend unless it is declared unlimited.");
	const notes = state.lastRefusals.map(
		({ atMs, code, requestId }) => `- ${formatInstant(atMs)} ${plain(code, NAME_SHOWN_MAX)}, request \`${plain(requestId, NAME_SHOWN_MAX)}\``,
	);
	lines.push(...increaseLines(state));
	if (notes.length > 0) lines.push("", "Last refusals:", "", ...notes);
	const isBeingWritten = state.heldRevision < state.revision && waitingIn(state, "writes").length > 0;
	lines.push("", `Policy revision ${state.revision}${isBeingWritten ? ` (PostgreSQL holds ${state.heldRevision}; being written)` : ""}.`);
	return lines;
}

function moreBudgets(state: TeamBudgetState, count: number): string {
	return `${count} more budgets: \`npx tollgate budget show --team ${state.teamId}\``;
}

function row({ key, definition, window }: BudgetState, increases: readonly Increase[]): string {
	const amount = (value: bigint): string => formatAmount(value, definition.unit);
	const limit = BigInt(definition.limitAmount) + raisedAmount(increases, key);
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
					definition.mode === "observe" ? `would: ${counted(window.observedRefusals)}` : counted(window.refusals),
					words(definition, window),
				];
	const name = describeSelector({ ...definition, dimensionValue: plain(definition.dimensionValue, NAME_SHOWN_MAX) });
	return `| ${[name, ...cells].join(" | ")} |`;
}

/** The state, and the lines that spend has reached: "**stopped**: notify 0.20 USD, stop 0.25 USD". */
function words(definition: BudgetState["definition"], window: WindowState): string {
	const word = budgetWord({ definition, window });
	const marked = word === "ok" || word === "warned" ? word : `**${word}**`;
	const state = [marked, ...(definition.mode === "observe" ? ["observed"] : []), ...(window.overrun === "0" ? [] : ["overrun"])].join(", ");
	const reached = window.thresholds.filter(({ isStanding }) => isStanding);
	if (reached.length === 0) return state;
	return `${state}: ${reached.map(({ action, amount }) => `${action} ${formatAmount(BigInt(amount), definition.unit)}`).join(", ")}`;
}

function counted(refusals: number): string {
	return `${refusals}${refusals >= REFUSALS_COUNTED_MAX ? " or more" : ""}`;
}

/** As JSON, one more for the line's end. */
function bytesOf(lines: readonly string[]): number {
	return lines.reduce((sum, line) => sum + new TextEncoder().encode(JSON.stringify(line)).length, 0);
}
