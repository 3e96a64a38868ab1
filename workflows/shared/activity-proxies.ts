import { proxyActivities } from "@temporalio/workflow";
import type { BudgetActivities } from "#activities/budgets/activities.ts";
import { SQL_ACTIVITY } from "./activity-options.ts";

/** The only proxyActivities calls, grouped by timeout class. */
export const { announceEvents, readBudgets, setFrozen, writeBudgets } = proxyActivities<BudgetActivities>(SQL_ACTIVITY);
