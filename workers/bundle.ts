import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from "@temporalio/worker";

/**
 * The pure rules that workflows import, under domain/. They are evaluated once per process and shared, where each cached workflow
 * would otherwise have its own copy: with a cache of hundreds that is most of a worker's memory. They keep no state of a workflow.
 */
export const SHARED_RULES: readonly string[] = [
	"assert.ts",
	"budget/increase-input.ts",
	"budget/increases.ts",
	"budget/older-definition.ts",
	"budget/publication.ts",
	"budget/scope.ts",
	"budget/team-budget-outbox.ts",
	"budget/team-budget-reducer.ts",
	"budget/team-budget-state.ts",
	"budget/window.ts",
	"errors/cost-control-error.ts",
	"money/wire.ts",
	"text/storable-text.ts",
];

/** The workflow code of every role, built once per process by the SDK's own bundler (two to three seconds). */
export function buildWorkflowBundle(): Promise<WorkflowBundleWithSourceMap> {
	return bundleWorkflowCode({
		workflowsPath: fileURLToPath(new URL("../workflows/index.ts", import.meta.url)),
		preloadModules: SHARED_RULES.map((rule) => fileURLToPath(new URL(`../domain/${rule}`, import.meta.url))),
		logger: new DefaultLogger("WARN"),
	});
}
