import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { findFreePort } from "#activities/process/free-port.ts";
import { until } from "./until.ts";

const NAMED_BY = "TOLLGATE_TEST_OPA_BINARY";

export const HOW_TO_GET_OPA = `no opa on PATH, in ~/.cache/tollgate/opa or in ~/go/bin, and none named by ${NAMED_BY}: GOBIN=~/.cache/tollgate/opa go install github.com/open-policy-agent/opa@latest builds one`;

/** A binary of Open Policy Agent on this machine; undefined = there is none. @throws Error when a named one does not run. */
export function findOpa(environment: NodeJS.ProcessEnv = process.env): string | undefined {
	const named = environment[NAMED_BY];
	if (named !== undefined && named !== "") {
		execFileSync(named, ["version"], { stdio: "ignore" });
		return named;
	}
	const cache = environment["TOLLGATE_CACHE"] ?? path.join(homedir(), ".cache", "tollgate");
	const folders = [...(environment["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute), path.join(cache, "opa"), path.join(homedir(), "go", "bin")];
	return folders.map((folder) => path.join(folder, "opa")).find((file) => existsSync(file));
}

export type OpaServer = {
	/** Origin of its REST API. */
	readonly url: string;
	close(): Promise<void>;
};

/** The real server on a free port of the loopback, with the policies of these files. */
export async function startOpaServer(binary: string, files: readonly string[], flags: readonly string[] = []): Promise<OpaServer> {
	const url = `http://127.0.0.1:${await findFreePort()}`;
	const child = spawn(binary, ["run", "--server", "--addr", new URL(url).host, "--log-level", "error", "--disable-telemetry", ...flags, ...files], {
		stdio: ["ignore", "ignore", "pipe"],
	});
	let output = "";
	child.stderr.on("data", (chunk: Buffer) => {
		output = (output + chunk.toString()).slice(-4_000);
	});
	const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
	await until("OPA to be ready", async () => {
		if (child.exitCode !== null) throw new Error(`opa ended with ${child.exitCode}: ${output}`);
		return fetch(`${url}/health`).then(
			(answer) => answer.ok,
			() => false,
		);
	});
	return {
		url,
		async close() {
			child.kill("SIGTERM");
			await ended;
		},
	};
}
