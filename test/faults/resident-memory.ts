import { readFileSync } from "node:fs";

/** Memory of a process that is in RAM now, as Linux tells it. */
export function residentMegabytes(pid: number | undefined): number {
	return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
}
