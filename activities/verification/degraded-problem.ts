/**
 * A call that a line of a budget made another model serve, beside what the books know of that line's window. Amounts are decimal strings
 * in the unit of the budget; of what the row itself says null = missing or no number.
 */
export type DegradedRow = {
	readonly attempt_id: string;
	readonly model: string;
	readonly asked_model: string | null;
	readonly line_amount: string | null;
	readonly granted: string | null;
	readonly idle: string | null;
	readonly need: string | null;
	/** Of the window event it names; null where there is none. */
	readonly event_granted: string | null;
	/** The window is of the budget it names, that budget could meet the call, and the window was open between grant and booking. */
	readonly is_of_budget: boolean | null;
	readonly is_matching: boolean | null;
	readonly is_in_force: boolean | null;
	/** Where the line of that place stood in the seconds around the grant. */
	readonly lines: readonly (string | null)[] | null;
};

/**
 * What is wrong with it; undefined for a right one. It names a window of a budget that meets the call, whose history shows a line that
 * degrades there; what was granted then is the window's own; and by these numbers the call did not fit below the line.
 */
export function degradedProblem(row: DegradedRow): string | undefined {
	const { line_amount, granted, idle, need } = row;
	if (row.asked_model === null || line_amount === null || granted === null || idle === null || need === null)
		return "was served by another model, and lacks the numbers that was decided on";
	if (row.asked_model === row.model) return `says that ${row.model} was served in place of itself`;
	if (row.event_granted === null) return "was served by another model on the grounds of a window event that does not exist";
	if (!row.is_of_budget) return "names a window and another budget";
	if (!row.is_matching) return "was degraded by a line of a budget that it does not meet";
	if (!row.is_in_force) return "was degraded by a line of a window that was not open then";
	const lines = row.lines?.filter((line) => line !== null) ?? [];
	if (!lines.includes(line_amount)) return `says that a line that degrades stood at ${line_amount}; the window's history says ${lines.join(" or ") || "none"}`;
	if (granted !== row.event_granted) return `says granted was ${granted}, the window's history says ${row.event_granted}`;
	const free = BigInt(line_amount) - BigInt(granted) + BigInt(idle);
	return free >= BigInt(need) ? `needed ${need} while ${line_amount} - ${granted} + idle ${idle} = ${free} was free below the line` : undefined;
}
