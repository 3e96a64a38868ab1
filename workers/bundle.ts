import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from "@temporalio/worker";

/**
 * The pure rules that workflows import, under domain/. They are evaluated once per process and shared, where each cached workflow
 * would otherwise have its own copy: with a cache of hundreds that is most of a worker's memory. They keep no state of a workflow.
 */
export const SHARED_RULES: readonly string[] = [
	"agents/ceilings.ts",
	"agents/run-governance-state.ts",
	"agents/run-governance.ts",
	"agents/run-limits.ts",
	"assert.ts",
	"batching/collector-plan.ts",
	"batching/collector-reducer.ts",
	"batching/collector-state.ts",
	"batching/job-plan.ts",
	"batching/job-reducer.ts",
	"batching/job-state.ts",
	"budget/increase-input.ts",
	"budget/increases.ts",
	"budget/line-requests.ts",
	"budget/older-definition.ts",
	"budget/publication.ts",
	"budget/scope.ts",
	"budget/team-budget-outbox.ts",
	"budget/team-budget-reducer.ts",
	"budget/team-budget-state.ts",
	"budget/window.ts",
	"errors/cost-control-error.ts",
	"money/wire.ts",
	"reports/report-period.ts",
	"text/storable-text.ts",
];

/**
 * The workflow code of every role, built by the SDK's own bundler (two to three seconds). A worker holds it about ten times while it starts, so that it is
 * kept small: its map names files and lines, not the sources themselves, and each character takes one byte, not two.
 */
export async function buildWorkflowBundle(): Promise<WorkflowBundleWithSourceMap> {
	const bundle = await bundleWorkflowCode({
		workflowsPath: fileURLToPath(new URL("../workflows/index.ts", import.meta.url)),
		preloadModules: SHARED_RULES.map((rule) => fileURLToPath(new URL(`../domain/${rule}`, import.meta.url))),
		webpackConfigHook: (config) => ({ ...config, devtool: "inline-nosources-cheap-module-source-map" }),
		logger: new DefaultLogger("WARN"),
	});
	return { ...bundle, code: escapeWideCharacters(bundle.code) };
}

/** One character above U+00FF makes V8 keep the whole text in two bytes a character. The escape means the same in strings, patterns and comments. */
function escapeWideCharacters(code: string): string {
	return code.replace(/[\u0100-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same, by a process of its own: the bundler takes some 300 MB, which a worker would keep for as long as it runs. */
export async function bundleApart(): Promise<WorkflowBundleWithSourceMap> {
	const child = fork(new URL("./bundle-child.ts", import.meta.url), { stdio: ["ignore", 2, "inherit", "ipc"] });
	const ended = once(child, "exit").then(([code, signal]) => {
		throw new Error(`the workflow code could not be bundled: the bundler ended with ${String(signal ?? code)}`);
	});
	const [bundle] = (await Promise.race([once(child, "message"), ended])) as [WorkflowBundleWithSourceMap];
	ended.catch(() => undefined); // it has told what was asked of it
	return bundle;
}
