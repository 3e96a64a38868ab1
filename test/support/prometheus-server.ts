import { spawn, spawnSync } from "node:child_process";
import { findFreePort } from "#activities/process/free-port.ts";
import { until } from "./until.ts";

export const HOW_TO_GET_PROMETHEUS = "(skipped without the programs: apt-get install prometheus prometheus-alertmanager)";

/** Whether a program of Prometheus runs on this machine. */
export function hasProgram(name: "prometheus" | "promtool" | "amtool"): boolean {
	return spawnSync(name, ["--version"]).status === 0;
}

type Answer<Data> = { readonly status: string; readonly error?: string; readonly data: Data };

export type PrometheusServer = {
	/** `data` of an answer of its API v1. @throws Error with what it says of a query it does not take. */
	ask<Data>(path: string, parameters?: Readonly<Record<string, string>>): Promise<Data>;
	/** Values of an instant query, by their labels. */
	query(expression: string): Promise<readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]>;
	close(): Promise<void>;
};

/** The real server on a free port of the loopback. */
export async function startPrometheus(configFile: string, dataFolder: string): Promise<PrometheusServer> {
	const url = `http://127.0.0.1:${await findFreePort()}`;
	const child = spawn("prometheus", [`--config.file=${configFile}`, `--storage.tsdb.path=${dataFolder}`, `--web.listen-address=${new URL(url).host}`], {
		stdio: ["ignore", "ignore", "pipe"],
	});
	let output = "";
	child.stderr.on("data", (chunk: Buffer) => {
		output = (output + chunk.toString()).slice(-4_000);
	});
	const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
	await until("Prometheus to be ready", async () => {
		if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}: ${output}`);
		return fetch(`${url}/-/ready`).then(
			(answer) => answer.ok,
			() => false,
		);
	});
	const ask = async <Data>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Data> => {
		const answer = (await (await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)).json()) as Answer<Data>;
		if (answer.status !== "success") throw new Error(`${path} ${JSON.stringify(parameters)}: ${answer.error}`);
		return answer.data;
	};
	return {
		ask,
		async query(expression) {
			const { result } = await ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>("query", { query: expression });
			return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
		},
		async close() {
			child.kill("SIGTERM");
			await ended;
		},
	};
}
