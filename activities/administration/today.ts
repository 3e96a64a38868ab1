import { readSpendDay, type WireSpendDay } from "#activities/expectation/day-facts.ts";
import type { Queryable } from "#activities/keys/port.ts";
import { countForAnswer } from "#activities/spend/count-spend.ts";
import { expectDay, isAboveExpected } from "#domain/budget/expected-day.ts";
import { readTeam } from "./read-teams.ts";

/** A team's local day so far; amounts are decimal strings of nano-USD. */
export type TeamToday = {
	readonly teamId: string;
	readonly timeZone: string;
	/** Local date, like 2026-11-26. */
	readonly date: string;
	/** What the ledger has booked; while very much is uncounted, or another process counts it, some of the newest calls may be missing. */
	readonly spentNanoUsd: string;
	/** null: there is neither history nor a budget that renews. */
	readonly expectedNanoUsd: string | null;
	/** The same weekday of the last six weeks, or with under 14 days of history the budgets. */
	readonly expectedFrom: "history" | "limit" | null;
	/** More than twice what was expected. */
	readonly isAboveExpected: boolean;
};

const TODAY = "SELECT tollgate.spend_facts($1, NULL) AS day";

/** What the team spent today and what it was expected to. @throws CostControlError "admin.not_found". */
export async function readTeamToday(database: Queryable, teamId: string): Promise<TeamToday> {
	await readTeam(database, teamId);
	await countForAnswer(database);
	const row = (await database.query<{ day: WireSpendDay }>(TODAY, [teamId])).rows[0];
	if (!row) throw new Error("tollgate.spend_facts returned no row");
	const { timeZone, date, spentNanoUsd, facts } = readSpendDay(row.day);
	const expected = expectDay(facts);
	return {
		teamId,
		timeZone,
		date,
		spentNanoUsd: spentNanoUsd.toString(),
		expectedNanoUsd: expected?.amountNanoUsd.toString() ?? null,
		expectedFrom: expected?.from ?? null,
		isAboveExpected: isAboveExpected(spentNanoUsd, facts),
	};
}
