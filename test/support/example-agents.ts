import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { type Example, hasPackages } from "../../scripts/example-packages.ts";
import { PROJECT_FOLDER } from "./project-files.ts";

/** The agents of `examples/` that are runs, and the packages they need beside Tollgate's own. */
export const EXAMPLE_AGENTS: readonly (readonly [file: string, packages: Example | undefined])[] = [
	["plain-agent/agent.ts", undefined],
	["plain-agent/anthropic-agent.ts", undefined],
	["vercel-ai-sdk/agent.ts", "vercel-ai-sdk"],
	["langchain/agent.ts", "langchain"],
];

/** The same question twelve times, then an answer in words: what the simulated model is told to do. */
const LOOP = [{ name: "find_order", arguments: { order: "A-1007" }, times: 12 }];

export type AgentEnd = { readonly output: string; readonly exitCode: number | null };

export type AgentAsked = {
	readonly gatewayUrl: string;
	readonly key: string;
	/** Default: none, a pause ends it. */
	readonly waitMs?: number;
	/** Further variables that the example reads. */
	readonly environment?: Readonly<Record<string, string>>;
	readonly onOutput?: (outputSoFar: string) => void;
};

/** An example as its reader runs it: a process of its own, configured by environment alone. */
export async function runExample(file: string, { gatewayUrl, key, waitMs, environment, onOutput }: AgentAsked): Promise<AgentEnd> {
	const child = spawn(process.execPath, [path.join(PROJECT_FOLDER, "examples", file)], {
		env: {
			...{ PATH: process.env["PATH"], NODE_OPTIONS: process.env["NODE_OPTIONS"], GATEWAY_URL: gatewayUrl, TOLLGATE_KEY: key },
			SYSTEM_PROMPT: `[[simulate:${JSON.stringify({ toolCalls: LOOP })}]]`,
			...(waitMs !== undefined && { WAIT_MS: String(waitMs) }),
			...environment,
		},
		stdio: ["ignore", "pipe", "inherit"],
	});
	let output = "";
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		output += text;
		onOutput?.(output);
	});
	await once(child, "close");
	return { output, exitCode: child.exitCode };
}

/** @throws Error where `npm test` could not install them: its first lines say why. */
export function requirePackages(packages: Example | undefined): void {
	if (packages !== undefined && !hasPackages(packages))
		throw new Error(`the packages of examples/${packages} are not installed: npm ci --ignore-scripts --prefix examples/${packages}`);
}
