import { expect, test } from "vitest";
import { createAgentRunActivities } from "#activities/agent-runs/activities.ts";
import { createCollectorActivities } from "#activities/batches/collector/collector-activities.ts";
import { createBatchJobActivities } from "#activities/batches/job/job-activities.ts";
import { createBlobActivities } from "#activities/blobs/activities.ts";
import { createBudgetActivities } from "#activities/budgets/activities.ts";
import { createChargebackActivities } from "#activities/chargeback/activities.ts";
import { createIncreaseActivities } from "#activities/increases/activities.ts";
import { createReportActivities } from "#activities/reports/activities.ts";
import { createSpendActivities } from "#activities/spend/activities.ts";
import { batchCollectorWorkflowId } from "#clients/batch-collector-client.ts";
import { ERROR_CODES } from "#domain/errors/codes.ts";
import * as runs from "#workflows/agent-run/messages.ts";
import * as collectors from "#workflows/batch-collector/messages.ts";
import * as batches from "#workflows/batch-job/messages.ts";
import * as months from "#workflows/close-month/messages.ts";
import * as reports from "#workflows/report/messages.ts";
import * as sums from "#workflows/spend-sums/messages.ts";
import * as messages from "#workflows/team-budget/messages.ts";
import * as workflows from "../../workflows/index.ts";
import { PATCHES } from "../../workflows/shared/patches.ts";

/**
 * Names that Temporal and callers keep: histories, running workflows and clients of older releases know them.
 * Renaming one is a migration; a new one is added here.
 */
test("workflow types", () => {
	expect(Object.keys(workflows)).toEqual([
		"agentRunWorkflow",
		"batchCollectorWorkflow",
		"batchJobWorkflow",
		"monthEndWorkflow",
		"closeMonthWorkflow",
		"reportWorkflow",
		"spendSumsWorkflow",
		"teamBudgetWorkflow",
	]);
	expect([reports.REPORT_WORKFLOW, sums.SPEND_SUMS_WORKFLOW]).toEqual(["reportWorkflow", "spendSumsWorkflow"]);
	expect([
		messages.TEAM_BUDGET_WORKFLOW,
		runs.AGENT_RUN_WORKFLOW,
		batches.BATCH_JOB_WORKFLOW,
		collectors.BATCH_COLLECTOR_WORKFLOW,
		months.CLOSE_MONTH_WORKFLOW,
		months.MONTH_END_WORKFLOW,
	]).toEqual(["teamBudgetWorkflow", "agentRunWorkflow", "batchJobWorkflow", "batchCollectorWorkflow", "closeMonthWorkflow", "monthEndWorkflow"]);
	for (const workflow of Object.values(workflows)) expect(workflow).toBeTypeOf("function");
});

test("workflow ids, task queues, search attributes", () => {
	expect(messages.teamBudgetWorkflowId("demo")).toBe("team-budget/demo");
	expect(messages.teamBudgetWorkflowId("@organization")).toBe("team-budget/@organization");
	expect(() => messages.teamBudgetWorkflowId("../demo")).toThrow(RangeError);
	const { BUDGET_TASK_QUEUE, TEAM_SEARCH_ATTRIBUTE, STATE_SEARCH_ATTRIBUTE, USED_SEARCH_ATTRIBUTE } = messages;
	expect([BUDGET_TASK_QUEUE, TEAM_SEARCH_ATTRIBUTE, STATE_SEARCH_ATTRIBUTE, USED_SEARCH_ATTRIBUTE]).toEqual([
		"budget",
		"TollgateTeam",
		"TollgateState",
		"TollgateUsedPercent",
	]);
	expect(runs.agentRunWorkflowId("r-7")).toBe("agent-run/r-7");
	expect([runs.AGENT_RUN_TASK_QUEUE, runs.GUARD_SEARCH_ATTRIBUTE]).toEqual(["agent-runs", "TollgateGuard"]);
	expect([reports.reportScheduleId("daily"), reports.REPORT_TASK_QUEUE]).toEqual(["report/daily", "reports"]);
	expect([sums.SPEND_SUMS_SCHEDULE, sums.SPEND_SUMS_TASK_QUEUE, sums.recountWorkflowId({ from: "2026-10-01", to: "2026-10-31" })]).toEqual([
		...["spend-sums/hourly", "reports", "spend-sums/2026-10-01_2026-10-31"],
	]);
	expect([batches.batchJobWorkflowId("batch_1"), batches.BATCH_TASK_QUEUE]).toEqual(["batch-job/batch_1", "batches"]);
	const scope = { teamId: "demo", protocol: "openai", endpoint: "embeddings", provider: "openai", deployment: "openai/m", model: "m".repeat(2_000) } as const;
	expect(batchCollectorWorkflowId(scope)).toBe("batch-collector/demo/openai/embeddings/d9721a8fd6cfb3305b080ae0");
	expect([months.closeMonthWorkflowId("2026-10"), months.CHARGEBACK_TASK_QUEUE, months.MONTH_END_SCHEDULE]).toEqual([
		"close-month/2026-10",
		"chargeback",
		"close-month",
	]);
	expect(batchCollectorWorkflowId({ ...scope, model: "n" })).not.toBe(batchCollectorWorkflowId(scope));
	expect(batchCollectorWorkflowId({ ...scope, deployment: "other/m" })).not.toBe(batchCollectorWorkflowId(scope));
});

test("messages", () => {
	const { applyPolicyUpdate, freezeUpdate, unfreezeUpdate, totalsReportedSignal, statusQuery } = messages;
	const { requestIncreaseUpdate, decideIncreaseUpdate, withdrawIncreaseUpdate, endIncreaseUpdate } = messages;
	expect([requestIncreaseUpdate, decideIncreaseUpdate, withdrawIncreaseUpdate, endIncreaseUpdate].map(({ type, name }) => `${type} ${name}`)).toEqual([
		"update requestIncrease",
		"update decideIncrease",
		"update withdrawIncrease",
		"update endIncrease",
	]);
	expect([applyPolicyUpdate, freezeUpdate, unfreezeUpdate, totalsReportedSignal, statusQuery].map(({ type, name }) => `${type} ${name}`)).toEqual([
		"update applyPolicy",
		"update freeze",
		"update unfreeze",
		"signal totalsReported",
		"query status",
	]);
	const { approveMoreUpdate, raiseRunUpdate, resumeRunUpdate, stopRunUpdate, runReportedSignal, runStatusQuery } = runs;
	const ofRuns = [approveMoreUpdate, raiseRunUpdate, resumeRunUpdate, stopRunUpdate, runReportedSignal, runStatusQuery];
	expect(ofRuns.map(({ type, name }) => `${type} ${name}`)).toEqual([
		"update approveMore",
		"update raiseRun",
		"update resumeRun",
		"update stopRun",
		"signal runReported",
		"query runStatus",
	]);
	const ofBatches = [batches.cancelBatchUpdate, batches.batchChangedSignal, batches.batchJobStatusQuery];
	expect(ofBatches.map(({ type, name }) => `${type} ${name}`)).toEqual(["update cancelBatch", "signal batchChanged", "query batchJobStatus"]);
	const ofCollectors = [collectors.flushNowUpdate, collectors.itemsCollectedSignal, collectors.batchCollectorStatusQuery];
	expect(ofCollectors.map(({ type, name }) => `${type} ${name}`)).toEqual(["update flushNow", "signal itemsCollected", "query batchCollectorStatus"]);
	const ofMonths = [months.approveStatementsUpdate, months.rejectStatementsUpdate, months.closeMonthStatusQuery];
	expect(ofMonths.map(({ type, name }) => `${type} ${name}`)).toEqual(["update approveStatements", "update rejectStatements", "query closeMonthStatus"]);
});

test("activities, whose capabilities share one name space", () => {
	const never = (): never => {
		throw new Error("not called");
	};
	const store = { writeBudgets: never, setFrozen: never, readBudgets: never, recordEvent: never, heldRevision: never };
	expect(Object.keys(createBudgetActivities({ store, observer: { announced: never } }))).toEqual([
		"writeBudgets",
		"setFrozen",
		"readBudgets",
		"announceEvents",
	]);
	const increases = { readIncreaseRules: never, recordIncrease: never, applyIncrease: never, endIncreaseEarly: never, endIncreases: never };
	expect(Object.keys(createIncreaseActivities(increases))).toEqual([
		"readIncreaseRules",
		"recordIncrease",
		"applyIncrease",
		"endIncreaseEarly",
		"endIncreases",
	]);
	expect(Object.keys(createAgentRunActivities({ decide: never, snapshot: never, remind: never }))).toEqual(["decideRun", "remindRun"]);
	const blobs = {
		store: { list: never, delete: never, removeLeftovers: never },
		retention: { keptDays: 30, keptDaysByPurpose: {} },
		wallClockMs: never,
		neededBodies: never,
	};
	expect(Object.keys(createBlobActivities(blobs))).toEqual(["sweepBlobs"]);
	expect(Object.keys(createBatchJobActivities({ store: {} } as never))).toEqual([
		"readBatchJob",
		"writeBatchParts",
		"chooseBatchLanes",
		"hedgeBatchItems",
		"callRealTimePart",
		"uploadBatchPart",
		"createBatchPart",
		"findBatchPart",
		"pollBatchPart",
		"cancelBatchPart",
		"collectBatchPart",
		"sendItemsAgain",
		"dropBatchPart",
		"endUnsentItems",
		"finishBatch",
		"seekBatchPart",
		"settleDoubleBatch",
		"tellBatchLate",
		"deliverAnswers",
		"askBatchCancel",
	]);
	expect(Object.keys(createChargebackActivities({} as never))).toEqual([
		"listMonthsToClose",
		"beginMonthDraft",
		"writeMonthDraft",
		"shareMonthDraft",
		"finishMonthDraft",
		"askMonthApproval",
		"decideMonth",
	]);
	expect(Object.keys(createCollectorActivities({} as never))).toEqual(["readCollector", "flushCollector"]);
	expect(Object.keys(createReportActivities({} as never))).toEqual(["prepareReports", "writeOrganizationReport", "writeTeamReports"]);
	expect(Object.keys(createSpendActivities({} as never))).toEqual(["countSpendBooked", "recountSpendDay"]);
});

test("patch ids: a new one comes with a fresh history", () => {
	expect(Object.keys(PATCHES)).toEqual(["outbox-lanes", "local-announcements"]);
});

test("error codes are area.problem and none has gone", () => {
	const codes = Object.keys(ERROR_CODES);
	for (const code of codes) expect(code).toMatch(/^[a-z]+\.[a-z_]+$/);
	for (const code of [
		"admin.invalid",
		"admin.not_found",
		"authority.unreachable",
		"budget.exceeded",
		"budget.frozen",
		"budget.none",
		"governance.unreachable",
		"internal.invariant",
		"key.invalid",
		"pricing.unknown_model",
	])
		expect(codes).toContain(code);
});
