import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { findFreePort } from "#activities/process/free-port.ts";
import { GATEWAY_CORE } from "../machine/processes.ts";
import { BENCH_MODEL } from "../provider/answers.ts";
import { CHAT_PATH, type LaneContext, type LaneStart } from "./lane.ts";
import { untilListening } from "./until-listening.ts";

/** LiteLLM's proxy with one worker, where it is installed; without a database it has no budgets, so this is its bare lane. */
export async function startLiteLlm({ processes, folder, providerPorts }: LaneContext): Promise<LaneStart> {
	try {
		const { stdout } = await promisify(execFile)("litellm", ["--version"], { timeout: 60_000 });
		const port = await findFreePort();
		const config = path.join(folder, "litellm.yaml");
		const upstream = `http://127.0.0.1:${providerPorts["litellm"]}/v1`;
		writeFileSync(
			config,
			`model_list:\n  - model_name: ${BENCH_MODEL}\n    litellm_params: {model: openai/${BENCH_MODEL}, api_base: "${upstream}", api_key: none}\nlitellm_settings: {telemetry: false, num_retries: 0}\n`,
		);
		const command = ["litellm", "--config", config, "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1", "--telemetry", "False"] as const;
		const child = processes.start({ name: "litellm", core: GATEWAY_CORE, command: [...command] });
		child.stdout?.resume();
		await processes.within("litellm", child, untilListening(port));
		const endpoint = { port, path: CHAT_PATH, authorizations: ["Bearer none"], headers: {} };
		return { kind: "served", lane: { name: "litellm", kind: "peer", endpoint, pid: child.pid, version: stdout.trim(), databaseUrl: undefined } };
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		return { kind: "not_served", name: "litellm", reason: code === "ENOENT" ? "litellm is not on PATH" : message };
	}
}
