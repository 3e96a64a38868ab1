/** What stands for the whole organisation while it is so: tollgate.watch_conditions looks for each (migrations/0019). */
export const WATCHED_CONDITIONS = ["price.mismatch", "ledger.quarantine", "authority.lost_commits", "gateway.fenced", "gateway.silent"] as const;
export type WatchedCondition = (typeof WATCHED_CONDITIONS)[number];

/** Not alerts in the narrow sense: where routes say so, they are told that a report is there (domain/reports). */
export const REPORT_ALERTS = ["report.daily", "report.weekly", "report.monthly"] as const;

/**
 * What people are told about, and the page that says what to do. A kind is a wire name: routes, receivers and silences name it,
 * so it is never renamed. An alert of a kind begins something, ends it, or says that it happened.
 */
export const ALERT_KINDS = [
	"budget.threshold",
	"budget.stopped",
	"budget.overrun",
	"budget.withdrawn",
	"increase.requested",
	"increase.decided",
	"increase.ended",
	"change.refused",
	"spend.above_expected",
	"spend.anomaly",
	"refusals.burst",
	"charges.unresolved",
	...WATCHED_CONDITIONS,
	"velocity.key",
	"velocity.user",
	"run.paused",
	"run.stopped",
	"run.warned",
	"batch.failed",
	"batch.late",
	"batch.unresolved",
	"provider.quota",
	"deferred.late",
	"deferred.undelivered",
	"statement.waiting",
	...REPORT_ALERTS,
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** PagerDuty's words, which the others take as a label. */
export type AlertSeverity = "info" | "warning" | "error" | "critical";

/** Where the runbooks stand in the project. */
export const RUNBOOK_FOLDER = "docs/runbooks";

/** The page of a kind, below docs/runbooks/; the list of all pages for a kind that this release does not know. */
export function runbookOf(kind: string): string {
	return isAlertKind(kind) ? `${kind.replaceAll(/[^a-z0-9]+/g, "-")}.md` : "README.md";
}

export function isAlertKind(kind: unknown): kind is AlertKind {
	return ALERT_KINDS.some((known) => known === kind);
}
