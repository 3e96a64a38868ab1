import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import path from "node:path";

export type MachineSheet = Readonly<Record<"cpu" | "cores" | "memoryBytes" | "kernel" | "architecture" | "node" | "commit", string>>;

/** What somebody needs to compare a result, and nothing that says whose machine it is: no host name, no path, no address. */
export function readMachineSheet(): MachineSheet {
	return {
		cpu: cpus()[0]?.model ?? "unknown",
		cores: String(cpus().length),
		memoryBytes: String(totalmem()),
		kernel: release().split("-")[0] ?? "",
		architecture: arch(),
		node: process.versions.node,
		commit: readCommit(),
	};
}

/** Versions of what takes part, by package, from the lock file. */
export function readVersions(names: readonly string[]): Record<string, string> {
	const lockFile = path.join(import.meta.dirname, "../../package-lock.json");
	const { packages } = JSON.parse(readFileSync(lockFile, "utf8")) as { packages: Record<string, { version?: string } | undefined> };
	return Object.fromEntries(names.map((name) => [name, packages[`node_modules/${name}`]?.version ?? "unknown"]));
}

function readCommit(): string {
	try {
		return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { cwd: import.meta.dirname, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
	} catch {
		return "unknown"; // a copy without its history is measured all the same
	}
}
