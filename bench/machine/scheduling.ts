import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/** How the kernel schedules who shares a core (sched(7)); by chrt of util-linux. */

/** Who comes before whom on a core: nicenesses. Everybody else has 0, what else the machine has to do among them. */
export const RANKS = { measured: -20, postgres: 10, keepsAwake: 19 } as const;

/**
 * Gives a process its rank, and the threads and processes that it starts from then on. A kernel that weighs sessions against each other lets niceness count
 * within a session alone (autogroup): its session gets the rank as well. Where the machine does not allow it, it runs as it is.
 */
export function rank(pid: number, niceness: number): void {
	whereAllowed(() => setPriority(pid, niceness));
	whereAllowed(() => writeFileSync(`/proc/${pid}/autogroup`, String(niceness)));
}

/** A kernel without autogroup has no such file. */
const NOT_ALLOWED: ReadonlySet<unknown> = new Set(["EPERM", "EACCES", "EAGAIN", "ENOENT", "ESRCH"]);

function whereAllowed(work: () => void): void {
	try {
		work();
	} catch (error) {
		const { code, info } = error as NodeJS.ErrnoException & { readonly info?: { readonly code?: string } };
		if (!NOT_ALLOWED.has(info?.code ?? code)) throw error;
	}
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
