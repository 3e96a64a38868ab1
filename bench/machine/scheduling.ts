import { execFileSync } from "node:child_process";
import { constants, setPriority } from "node:os";

/** How the kernel schedules what shares core 1 (sched(7)); by chrt of util-linux. */

/** It has the core whenever nobody but who stays awake there wants it, and never takes it from somebody. Processes it starts later inherit that. */
export function yieldCore(pid: number): void {
	chrt(["--batch", "--pid", "0", String(pid)]);
	setPriority(pid, constants.priority.PRIORITY_LOW);
}

/** It has the core only when nobody else wants it, and gives it up at once. */
export function takeWhatIsLeft(pid: number): void {
	chrt(["--idle", "--pid", "0", String(pid)]);
}

/**
 * Whoever keeps time comes before everything else. The kernel stops such processes for a moment once they have had 95 % of a core, so only
 * where load is far below that. Where the machine does not allow it nothing is changed.
 */
export function takeCoreFirst(pids: readonly number[]): void {
	try {
		for (const pid of pids) chrt(["--all-tasks", "--rr", "--pid", "1", String(pid)]);
	} catch {
		takeTurns(pids);
	}
}

/** As every process is by default. */
export function takeTurns(pids: readonly number[]): void {
	for (const pid of pids) chrt(["--all-tasks", "--other", "--pid", "0", String(pid)]);
}

function chrt(words: readonly string[]): void {
	execFileSync("chrt", words, { stdio: "ignore" });
}
