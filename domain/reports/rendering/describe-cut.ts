import { formatInstant } from "../../budget/window.ts";
import type { ReportCut } from "../report.ts";

/** "Books as of …": which part of the ledger a report was written from. */
export function describeCut({ chunks, bookedUpToMs }: ReportCut): string {
	return bookedUpToMs === null ? "The books were empty." : `Books up to ${formatInstant(bookedUpToMs)}, ${chunks} chunks of the ledger.`;
}
