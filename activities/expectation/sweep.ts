import { causeDetail } from "#activities/forecast/cause-detail.ts";
import { explainDay, likeDaysOf } from "#activities/forecast/explain-day.ts";
import type { Queryable } from "#activities/keys/port.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { countSpend } from "#activities/spend/count-spend.ts";
import { expectDay, isAboveExpected } from "#domain/budget/expected-day.ts";
import { readSpendDay, type SpendDay, type WireSpendDay } from "./day-facts.ts";
import { watchAnomalies } from "./watch.ts";

/** Each statement is one short transaction: a day is a dozen index look-ups. */
const DAYS_AT_ONCE = 200;

export type ExpectationReport = {
	/** Chunks of the ledger that were added to the totals of days. */
	readonly countedChunks: number;
	readonly judgedDays: number;
	/** Teams' days found above twice what was expected, told before or not. */
	readonly daysAbove: readonly { readonly teamId: string; readonly date: string }[];
	/** Alerts of anomalies that were new. */
	readonly anomaliesTold: number;
};

/**
 * Counts what the ledger booked since the last time, judges every day whose total changed, and tells of those above twice
 * what was expected, once per team and local day; such an alert is over with the day. Then looks for anomalies of teams and features.
 * Run by a worker, in one place or several.
 */
export async function sweepExpectations(sql: SqlConnection): Promise<ExpectationReport> {
	const { chunks: countedChunks } = await countSpend(asQueryable(sql));
	const daysAbove: { readonly teamId: string; readonly date: string }[] = [];
	let judgedDays = 0;
	for (;;) {
		const days = await readDaysToJudge(sql);
		if (days.length === 0) break;
		const judged = [];
		for (const day of days) judged.push({ teamId: day.teamId, date: day.date, spentNanoUsd: day.spentNanoUsd.toString(), alert: await alertOf(sql, day) });
		await sql.query("judge_spend", "SELECT tollgate.judge_spend($1::jsonb)", [JSON.stringify(judged)]);
		judgedDays += judged.length;
		for (const { alert, teamId, date } of judged) if (alert !== null) daysAbove.push({ teamId, date });
	}
	const { told: anomaliesTold } = await watchAnomalies(asQueryable(sql));
	return { countedChunks, judgedDays, daysAbove, anomaliesTold };
}

const NAMES = new Map<string, string>();

/** A connection prepares each statement under a name of its own. */
function asQueryable(sql: SqlConnection): Queryable {
	return {
		query: async (text, values = []) => {
			const name = NAMES.get(text) ?? `expectation_${NAMES.size + 1}`;
			NAMES.set(text, name);
			return { rows: await sql.query(name, text, values) };
		},
	};
}

async function readDaysToJudge(sql: SqlConnection): Promise<readonly SpendDay[]> {
	const rows = await sql.query<{ day: WireSpendDay }>("spend_to_judge", "SELECT tollgate.spend_to_judge($1) AS day", [DAYS_AT_ONCE]);
	return rows.map(({ day }) => readSpendDay(day));
}

/** A correction of an old day is no news. Yesterday is judged too: its last calls may be booked after midnight. */
async function alertOf(
	sql: SqlConnection,
	{ teamId, isRecent, date, timeZone, endsAtMs, spentNanoUsd, facts }: SpendDay,
): Promise<Readonly<Record<string, string | number>> | null> {
	if (!isRecent || !isAboveExpected(spentNanoUsd, facts)) return null;
	const expected = expectDay(facts);
	if (expected === null) return null;
	const { day, firstDay } = facts;
	const cause = await explainDay(asQueryable(sql), { teamId, timeZone, day, likeDays: likeDaysOf(day, day, firstDay ?? day) });
	return {
		day: date,
		timeZone,
		spent: spentNanoUsd.toString(),
		expected: expected.amountNanoUsd.toString(),
		expectedFrom: expected.from,
		endsAtMs,
		...causeDetail(cause),
	};
}
