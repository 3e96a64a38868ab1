import { monthSpan } from "#domain/chargeback/month.ts";
import type { operations } from "../../api/schema.ts";

export type Month = operations["listStatementMonths"]["responses"][200]["content"]["application/json"]["months"][number];
export type Statement = operations["readStatements"]["responses"][200]["content"]["application/json"]["statements"][number];
export type Line = operations["readStatementLines"]["responses"][200]["content"]["application/json"]["lines"][number];

export const MONTH_STATES: Readonly<Record<Month["state"], { readonly tone: "good" | "warn" | "bad" | "quiet"; readonly words: string }>> = {
	drafting: { tone: "quiet", words: "being drafted" },
	drafted: { tone: "warn", words: "waits for approval" },
	rejected: { tone: "bad", words: "rejected: to be drafted anew" },
	closed: { tone: "good", words: "closed" },
};

const NOBODY: Readonly<Record<string, string>> = { "@unknown": "Unknown teams", "@organization": "The organisation" };

export function accountName(teamId: string): string {
	return NOBODY[teamId] ?? teamId;
}

/** Added up here, so that a page can say whether it is what the month says. */
export function sumOf<Row>(rows: readonly Row[], amountOf: (row: Row) => string): bigint {
	return rows.reduce((sum, row) => sum + BigInt(amountOf(row)), 0n);
}

const CHOICES = 24;

/** Months that are over on a calendar and not closed, the newest first, of two years. */
export function monthsToClose(months: readonly Month[], nowMs: number, timeZone: string): readonly string[] {
	const closed = new Set(months.filter(({ state }) => state === "closed").map(({ month }) => month));
	const now = new Date(nowMs);
	return Array.from({ length: CHOICES }, (_, back) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)).toISOString().slice(0, 7)).filter(
		(month) => !closed.has(month) && monthSpan(month, timeZone).endsAtMs <= nowMs,
	);
}
