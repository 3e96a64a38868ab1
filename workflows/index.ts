export { agentRunWorkflow } from "./agent-run/workflow.ts";
export { teamBudgetWorkflow } from "./team-budget/workflow.ts";
