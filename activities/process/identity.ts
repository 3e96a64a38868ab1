import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** A process that cannot be mistaken for a later one with the same number. `startedAt` compares only on one machine and boot. */
export type ProcessIdentity = { readonly pid: number; readonly startedAt: string };

const execute = promisify(execFile);

/**
 * When the process with this number began: field 22 of /proc/PID/stat (clock ticks since boot, proc(5)) or, where there is
 * no /proc, `ps -o lstart=`. Null when it does not run; a zombie counts as not running.
 */
export async function readProcessStart(pid: number): Promise<string | null> {
	if (process.platform === "linux") return readLinuxStart(pid);
	try {
		const { stdout } = await execute("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { env: { ...process.env, LC_ALL: "C" } });
		const [state, ...startedAt] = stdout.trim().split(/\s+/);
		return state === undefined || state.startsWith("Z") ? null : startedAt.join(" ");
	} catch (error) {
		if (hasExitCode(error)) return null;
		throw error;
	}
}

/** True while that very process runs, not another one that was given its number. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
	return (await readProcessStart(identity.pid)) === identity.startedAt;
}

/** Waits until the process is gone. False when it still runs after `timeoutMs`. */
export async function waitForEnd(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
	const deadline = performance.now() + timeoutMs;
	while (await isRunning(identity)) {
		if (performance.now() > deadline) return false;
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
	return true;
}

/** Sends a signal; a process that ended meanwhile is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

async function readLinuxStart(pid: number): Promise<string | null> {
	try {
		const stat = await readFile(`/proc/${pid}/stat`, "utf8");
		// The command name (field 2) is in parentheses and may itself hold spaces and parentheses.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		if (code === "ENOENT" || code === "ESRCH") return null;
		throw error;
	}
}

function hasExitCode(error: unknown): boolean {
	return typeof (error as { code?: unknown }).code === "number";
}
