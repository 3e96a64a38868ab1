export { teamBudgetWorkflow } from "./team-budget/workflow.ts";
