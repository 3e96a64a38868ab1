import { fork } from "node:child_process";
import { readFileSync } from "node:fs";

/** Runs a module in a process of its own, which tells one message when it is done and waits: that, and the most memory it held, by the kernel's own count. */
export function forkMeasured<Outcome extends object>(module: URL, args: readonly string[]): Promise<Outcome & { readonly peakMegabytes: number }> {
	const child = fork(module, args, { env: { PATH: process.env["PATH"] } });
	return new Promise((resolve, reject) => {
		child.once("exit", (code) => reject(new Error(`${module.pathname} ended with ${code}`)));
		child.once("message", (outcome) => {
			const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1];
			resolve({ ...(outcome as Outcome), peakMegabytes: (Number(peak) * 1024) / 1e6 });
			child.disconnect();
		});
	});
}
