import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { findFreePort } from "#activities/process/free-port.ts";
import { GATEWAY_CORE } from "../machine/processes.ts";
import { installPeers } from "./install-peers.ts";
import { CHAT_PATH, type LaneContext, type LaneStart } from "./lane.ts";
import { untilListening } from "./until-listening.ts";

const PACKAGE = "node_modules/@portkey-ai/gateway";

/** Portkey's open-source gateway as its README starts it, without its console; which provider is meant travels in headers. */
export async function startPortkey({ processes, providerPorts }: LaneContext): Promise<LaneStart> {
	try {
		const folder = path.join(await installPeers(process.env["TOLLGATE_CACHE"] ?? path.join(homedir(), ".cache/tollgate")), PACKAGE);
		const { version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as { version: string };
		const port = await findFreePort();
		const command = [process.execPath, path.join(folder, "build/start-server.js"), "--headless", `--port=${port}`] as const;
		const child = processes.start({ name: "portkey", core: GATEWAY_CORE, command: [...command], environment: { NODE_ENV: "production" } });
		child.stdout?.resume();
		await processes.within("portkey", child, untilListening(port));
		const headers = { "x-portkey-provider": "openai", "x-portkey-custom-host": `http://127.0.0.1:${providerPorts["portkey"]}/v1` };
		const endpoint = { port, path: CHAT_PATH, authorizations: ["Bearer none"], headers };
		return { kind: "served", lane: { name: "portkey", kind: "peer", endpoint, pid: child.pid, version, databaseUrl: undefined } };
	} catch (error) {
		return { kind: "not_served", name: "portkey", reason: error instanceof Error ? error.message : String(error) };
	}
}
