import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { coresOf } from "../../bench/machine/cpu.ts";
import { Processes } from "../../bench/machine/processes.ts";
import { WakefulCores } from "../../bench/machine/wakeful-cores.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bench-cores-"));
const processes = new Processes(folder);
const LONG = { timeout: 20_000 } as const;
const SOME_NS = 20_000_000n;

// /proc and taskset are Linux's.
const onLinux = test.skipIf(process.platform !== "linux");
let cores: WakefulCores;

beforeAll(async () => {
	if (process.platform === "linux") cores = await WakefulCores.start(processes);
});

afterAll(async () => {
	await processes.endAll();
	rmSync(folder, { recursive: true, force: true });
});

onLinux("a core is kept awake while that is wanted, and no longer", async () => {
	for (const core of [0, 1]) {
		const asleep = cores.cpuNs(core);
		await cores.keepAwake(true);
		await expect.poll(() => cores.cpuNs(core) > asleep + SOME_NS, LONG).toBe(true);
		await cores.keepAwake(false);
		// It answers from its event loop: what it spins is over then, and it waits for messages.
		await expect.poll(() => stateOf(cores.pid(core)), LONG).toBe("S");
	}
});

onLinux("who keeps a core awake is bound to it, and everybody else comes first", () => {
	for (const core of [0, 1]) {
		expect(coresOf(cores.pid(core))).toEqual([String(core)]);
		expect(policyOf(cores.pid(core))).toBe(SCHED_IDLE);
	}
});

const SCHED_IDLE = 5;

/** Fields 3 and 41 of /proc/<pid>/stat (proc(5)). */
function stateOf(pid: number): string | undefined {
	return fieldsOf(pid)[0];
}

function policyOf(pid: number): number {
	return Number(fieldsOf(pid)[38]);
}

function fieldsOf(pid: number): string[] {
	return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
}
