import { ApplicationFailure } from "@temporalio/common";
import { setCurrentDetails } from "@temporalio/workflow";
import { dateOfDay, dayOfDate } from "#domain/reports/report-period.ts";
import { countSpendBooked, recountSpendDay } from "../shared/activity-proxies.ts";
import { plain } from "../shared/details-text.ts";
import { RECOUNT_DAYS_MAX, type RecountedDays, type SpendSumsInput, type SpendSumsResult } from "./messages.ts";

/**
 * Keeps the sums of spend: counts what was booked, and where days are named makes their sums anew from the ledger, one transaction a day. The worker and whoever
 * asks for spend count too; a chunk counts once, whoever is first.
 */
const NAME_SHOWN_MAX = 63;

export async function spendSumsWorkflow({ recount, by }: SpendSumsInput = {}): Promise<SpendSumsResult> {
	const days = recount === undefined ? [] : daysOf(recount);
	const show = (text: string): void =>
		setCurrentDetails(`## Sums of spend\n\n${text}${by === undefined ? "" : `\n\nAsked for by ${plain(by, NAME_SHOWN_MAX)}.`}`);
	show("What was booked is counted.");
	await countSpendBooked();
	let recountedDays = 0;
	for (const day of days) {
		show(`${day} is counted anew; ${recountedDays} of ${days.length} days are done.`);
		await recountSpendDay({ day });
		recountedDays += 1;
	}
	show(recountedDays === 0 ? "Done: everything that was booked is counted." : `Done: ${recountedDays} days are counted anew.`);
	return { recountedDays };
}

function daysOf({ from, to }: RecountedDays): readonly string[] {
	const [first, last] = [dayOfDate(from), dayOfDate(to)];
	if (first === undefined || last === undefined || last < first || last - first >= RECOUNT_DAYS_MAX)
		throw ApplicationFailure.nonRetryable(`no span of at most ${RECOUNT_DAYS_MAX} days`, "admin.invalid");
	return Array.from({ length: last - first + 1 }, (_, index) => dateOfDay(first + index));
}
