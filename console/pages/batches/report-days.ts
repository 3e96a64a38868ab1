/** Spans that the report of items can be asked for, in days. */
export const REPORT_DAYS = ["7", "30", "90", "366"] as const;
