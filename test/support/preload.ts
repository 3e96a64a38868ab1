/**
 * NODE_OPTIONS of a process that loads modules of this folder before its own, after what the test run itself loads. A module may
 * take an argument: `crash-hook.mjs?after-send:2`.
 */
export function preloading(...modules: readonly string[]): string {
	return [process.env["NODE_OPTIONS"] ?? "", ...modules.map((name) => `--import=${new URL(name, import.meta.url).href}`)].join(" ").trim();
}
