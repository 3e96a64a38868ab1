import { readdirSync, readFileSync } from "node:fs";
import type { MachineLoad } from "../judge/window-quality.ts";
import { GATEWAY_CORE, OTHER_CORE } from "./processes.ts";

/** Ticks of one core since the machine started, from /proc/stat (proc(5)). */
export type CoreTicks = { readonly total: number; readonly idle: number; readonly stolen: number };

export type CpuMark = {
	readonly cores: readonly CoreTicks[];
	readonly gatewayNs: bigint;
	/** By core: time of whoever only keeps it awake, which is as good as idle. */
	readonly awakeNs: readonly bigint[];
	readonly atNs: bigint;
};

/** Reads the lines `cpu0 …`, `cpu1 …` of /proc/stat. */
export function parseCores(stat: string): CoreTicks[] {
	return stat
		.split("\n")
		.filter((line) => /^cpu\d+ /.test(line))
		.map((line) => {
			const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, stolen = 0] = line.split(/ +/).slice(1).map(Number);
			return { total: user + nice + system + idle + ioWait + irq + softIrq + stolen, idle: idle + ioWait, stolen };
		});
}

/** CPU time of a process over all its threads that live, nanoseconds; 0 when it is gone or was never there. */
export function cpuNsOf(pid: number | undefined): bigint {
	if (pid === undefined) return 0n;
	let sum = 0n;
	for (const thread of threadsOf(pid)) {
		const text = readIfThere(`/proc/${pid}/task/${thread}/schedstat`);
		if (text !== undefined) sum += BigInt(text.split(" ")[0] ?? 0);
	}
	return sum;
}

export function markCpu(gatewayPid: number | undefined, awakeNsOf: (core: number) => bigint): CpuMark {
	const cores = parseCores(readFileSync("/proc/stat", "utf8"));
	return { cores, gatewayNs: cpuNsOf(gatewayPid), awakeNs: cores.map((_, core) => awakeNsOf(core)), atNs: process.hrtime.bigint() };
}

/** What the machine did between two marks. */
export function loadBetween(before: CpuMark, after: CpuMark): MachineLoad & { readonly gatewayNs: bigint } {
	const gatewayNs = after.gatewayNs - before.gatewayNs;
	const shareOf = (spentNs: bigint): number => Number(spentNs) / Number(after.atNs - before.atNs);
	const ticks = (pick: (core: CoreTicks) => number, core: number): number => {
		const [earlier, later] = [before.cores[core], after.cores[core]];
		return earlier && later ? pick(later) - pick(earlier) : 0;
	};
	const busy = (core: number): number => {
		const total = ticks((of) => of.total, core);
		const awakeNs = (after.awakeNs[core] ?? 0n) - (before.awakeNs[core] ?? 0n);
		return total === 0 ? 0 : Math.max(0, 1 - ticks((of) => of.idle, core) / total - shareOf(awakeNs));
	};
	return {
		core1Busy: busy(OTHER_CORE),
		core0Foreign: Math.max(0, busy(GATEWAY_CORE) - shareOf(gatewayNs)),
		stolenTicks: ticks((of) => of.stolen, GATEWAY_CORE) + ticks((of) => of.stolen, OTHER_CORE),
		ticks: ticks((of) => of.total, GATEWAY_CORE) + ticks((of) => of.total, OTHER_CORE),
		gatewayNs,
	};
}

/** Resident memory of a process, bytes. */
export function residentBytesOf(pid: number): number {
	const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
	return Number(kibibytes ?? Number.NaN) * 1024;
}

/** Cores each thread of a process may run on, as the kernel writes them ("0", "0-1"). */
export function coresOf(pid: number): string[] {
	const lists = threadsOf(pid).map((thread) => /^Cpus_allowed_list:\s+(\S+)$/m.exec(readIfThere(`/proc/${pid}/task/${thread}/status`) ?? "")?.[1]);
	return [...new Set(lists.filter((list) => list !== undefined))];
}

function threadsOf(pid: number): string[] {
	try {
		return readdirSync(`/proc/${pid}/task`);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
		throw error;
	}
}

/** A thread may end while it is looked at. */
function readIfThere(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
		throw error;
	}
}
