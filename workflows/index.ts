export { agentRunWorkflow } from "./agent-run/workflow.ts";
export { batchCollectorWorkflow } from "./batch-collector/workflow.ts";
export { batchJobWorkflow } from "./batch-job/workflow.ts";
export { monthEndWorkflow } from "./close-month/month-end.ts";
export { closeMonthWorkflow } from "./close-month/workflow.ts";
export { reportWorkflow } from "./report/workflow.ts";
export { spendSumsWorkflow } from "./spend-sums/workflow.ts";
export { teamBudgetWorkflow } from "./team-budget/workflow.ts";
