import { readdirSync, readFileSync } from "node:fs";
import { signalProcess } from "#activities/process/identity.ts";

export type Leftover = { readonly pid: number; readonly commandLine: string };

/** Processes that carry the folder of a finished run in their command line or environment: somebody left them running. */
export function findLeftovers(runFolder: string): Leftover[] {
	if (process.platform !== "linux") return [];
	const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
	return pids.flatMap((pid): Leftover[] => {
		const commandLine = readProcessFile(pid, "cmdline");
		if (!commandLine.includes(runFolder) && !readProcessFile(pid, "environ").includes(runFolder)) return [];
		return [{ pid: Number(pid), commandLine: commandLine.replaceAll("\0", " ").trim() }];
	});
}

export function endLeftovers(leftovers: readonly Leftover[]): void {
	for (const leftover of leftovers) signalProcess(leftover.pid, "SIGKILL");
}

function readProcessFile(pid: string, name: string): string {
	try {
		return readFileSync(`/proc/${pid}/${name}`, "utf8");
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code ?? "";
		// Ended meanwhile, or not ours to look at.
		if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(code)) return "";
		throw error;
	}
}
