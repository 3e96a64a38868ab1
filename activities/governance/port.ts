import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import type { RoleObserver } from "../shared/role-loop.ts";

/** Where totals are told: the team's workflow. Rejects within its own deadline when Temporal is away. */
export type TotalsSink = { reportTotals(teamId: string, report: TotalsReport): Promise<void> };

/** What the publisher tells its process. */
export type PublisherObserver = RoleObserver;
