import type { AlertSeverity } from "./kinds.ts";

/** What a channel is told. Times are epoch milliseconds of PostgreSQL's clock. */
export type Alert = {
	/** Stable: the same however often it is sent, and after a restore. */
	readonly id: string;
	readonly atMs: number;
	/** "@organization" for what belongs to no team. */
	readonly teamId: string;
	/** Key of a budget, "g2/7" of a gateway's epoch, "" …; alerts of one team and subject arrive in their order. */
	readonly subject: string;
	/** domain/alerts/kinds.ts; text, because a newer release may have raised it. */
	readonly kind: string;
	readonly severity: AlertSeverity;
	/** Something began and lasts until another alert ends it. */
	readonly isFiring: boolean;
	/** What this alert ends; empty for one that begins something or only says that it happened. */
	readonly ends: readonly EndedAlert[];
	/** Amounts are decimal strings in the unit of the budget. */
	readonly detail: Readonly<Record<string, unknown>>;
};

export type EndedAlert = Pick<Alert, "id" | "atMs" | "kind" | "severity">;

export type AlertStatus = "firing" | "over" | "notice";

export function statusOf(alert: Pick<Alert, "isFiring" | "ends">): AlertStatus {
	if (alert.isFiring) return "firing";
	return alert.ends.length > 0 ? "over" : "notice";
}
