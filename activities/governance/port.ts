import type { TotalsReport } from "#domain/budget/team-budget-state.ts";

/** Where totals are told: the team's workflow. Rejects within its own deadline when Temporal is away. */
export type TotalsSink = { reportTotals(teamId: string, report: TotalsReport): Promise<void> };

/** What the publisher tells its process. */
export type PublisherObserver = {
	/** Temporal went away or came back; money is enforced all the same. */
	reachabilityChanged(isReachable: boolean, cause: unknown): void;
	/** PostgreSQL went away or came back, or the publishing role was taken or lost. */
	roleChanged(isPublisher: boolean, cause: unknown): void;
	/** A look or a signal failed for a reason that is no outage; it is tried again all the same. */
	failed(error: unknown): void;
};
