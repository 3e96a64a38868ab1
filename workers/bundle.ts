import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from "@temporalio/worker";

/** The workflow code of every role, built once per process by the SDK's own bundler (two to three seconds). */
export function buildWorkflowBundle(): Promise<WorkflowBundleWithSourceMap> {
	return bundleWorkflowCode({
		workflowsPath: fileURLToPath(new URL("../workflows/index.ts", import.meta.url)),
		logger: new DefaultLogger("WARN"),
	});
}
