import type { ReportFacts } from "../facts.ts";
import { count, money, type ReportSection, sectionOf, share } from "../report.ts";

/** What batches that ended in the period cost, beside what the same usage costs in real time. */
export function writeBatches({ batches }: ReportFacts): ReportSection | null {
	if (batches === undefined || batches.items === 0n) return null;
	const { items, costNanoUsd, realTimeNanoUsd } = batches;
	const saved = realTimeNanoUsd - costNanoUsd;
	return sectionOf("batches", "Saved by batches", {
		figures: [
			{ label: "Saved", cell: money(saved) },
			{ label: "Share saved", cell: share(saved, realTimeNanoUsd) },
			{ label: "Paid", cell: money(costNanoUsd) },
			{ label: "In real time", cell: money(realTimeNanoUsd), note: "what the same usage costs there" },
			{ label: "Items", cell: count(items) },
		],
		notes: ["Of batches that ended in this time; what an item cost is what was booked for the try that ended it."],
	});
}
