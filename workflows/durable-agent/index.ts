/** `tollgate/workflow`: for the workflow bundle of whoever runs durable agents. */
export type { AgentPrompt, AgentStatus, DurableAgentInput, DurableAgentResult, ToolDefinition } from "./messages.ts";
export { durableAgentWorkflow } from "./workflow.ts";
