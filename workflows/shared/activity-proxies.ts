import { proxyActivities, proxyLocalActivities } from "@temporalio/workflow";
import type { AgentRunActivities } from "#activities/agent-runs/activities.ts";
import type { CollectorActivities } from "#activities/batches/collector/collector-activities.ts";
import type { BatchJobActivities } from "#activities/batches/job/job-activities.ts";
import type { BudgetActivities } from "#activities/budgets/activities.ts";
import type { ChargebackActivities } from "#activities/chargeback/activities.ts";
import type { IncreaseActivities } from "#activities/increases/activities.ts";
import type { ReportActivities } from "#activities/reports/activities.ts";
import type { SpendActivities } from "#activities/spend/activities.ts";
import {
	MONTH_ACTIVITY,
	PROVIDER_ACTIVITY,
	REPORT_ACTIVITY,
	SQL_ACTIVITY,
	SQL_ACTIVITY_FOR_AN_UPDATE,
	SQL_ACTIVITY_WITHIN_A_TASK,
	STREAM_ACTIVITY,
	STREAM_ACTIVITY_ONCE,
} from "./activity-options.ts";

/** The only proxies of activities, grouped by timeout class. */
export const { announceEvents, readBudgets, setFrozen, writeBudgets } = proxyActivities<BudgetActivities>(SQL_ACTIVITY);
export const { announceEvents: announceEventsLocally } = proxyLocalActivities<BudgetActivities>(SQL_ACTIVITY_WITHIN_A_TASK);
export const { applyIncrease, endIncreaseEarly, endIncreases, recordIncrease } = proxyActivities<IncreaseActivities>(SQL_ACTIVITY);
export const { readIncreaseRules } = proxyActivities<IncreaseActivities>(SQL_ACTIVITY_FOR_AN_UPDATE);
export const { decideRun, remindRun } = proxyActivities<AgentRunActivities>(SQL_ACTIVITY);
export const { readBatchJob, sendItemsAgain, tellBatchLate } = proxyActivities<BatchJobActivities>(SQL_ACTIVITY);
export const { askBatchCancel } = proxyActivities<BatchJobActivities>(SQL_ACTIVITY_FOR_AN_UPDATE);
export const { cancelBatchPart, findBatchPart, pollBatchPart, seekBatchPart } = proxyActivities<BatchJobActivities>(PROVIDER_ACTIVITY);
export const { collectBatchPart, dropBatchPart, endUnsentItems, finishBatch, settleDoubleBatch, uploadBatchPart, writeBatchParts } =
	proxyActivities<BatchJobActivities>(STREAM_ACTIVITY);
export const { callRealTimePart, chooseBatchLanes, deliverAnswers, hedgeBatchItems } = proxyActivities<BatchJobActivities>(STREAM_ACTIVITY);
export const { createBatchPart } = proxyActivities<BatchJobActivities>(STREAM_ACTIVITY_ONCE);
export const { prepareReports, writeOrganizationReport, writeTeamReports } = proxyActivities<ReportActivities>(REPORT_ACTIVITY);
export const { countSpendBooked, recountSpendDay } = proxyActivities<SpendActivities>(REPORT_ACTIVITY);
export const { flushCollector, readCollector } = proxyActivities<CollectorActivities>(SQL_ACTIVITY);
export const { flushCollector: flushCollectorLocally, readCollector: readCollectorLocally } =
	proxyLocalActivities<CollectorActivities>(SQL_ACTIVITY_WITHIN_A_TASK);
export const { askMonthApproval, beginMonthDraft, decideMonth, finishMonthDraft, listMonthsToClose, shareMonthDraft, writeMonthDraft } =
	proxyActivities<ChargebackActivities>(MONTH_ACTIVITY);
