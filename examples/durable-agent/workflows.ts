/** The workflow bundle of this worker: yours, with the durable agent in it. */
export { durableAgentWorkflow } from "tollgate/workflow";
