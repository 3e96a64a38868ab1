import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
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

beforeAll(() => {
	if (process.platform === "linux") cores = new WakefulCores(processes);
});

afterAll(async () => {
	await processes.endAll();
	rmSync(folder, { recursive: true, force: true });
});

onLinux("a core is kept awake while that is wanted, and no longer", async () => {
	for (const core of [0, 1]) {
		const asleep = cores.cpuNs(core);
		cores.keepAwake();
		await expect.poll(() => cores.cpuNs(core) > asleep + SOME_NS, LONG).toBe(true);
		cores.letSleep();
		await expect.poll(() => fieldsOf(cores.pid(core))[STATE], LONG).toBe("T");
	}
});

onLinux("who keeps a core awake is bound to it, and everybody else comes first", async () => {
	cores.keepAwake();
	for (const core of [0, 1]) {
		await expect.poll(() => fieldsOf(cores.pid(core))[POLICY], LONG).toBe(SCHED_IDLE);
		expect(coresOf(cores.pid(core))).toEqual([String(core)]);
		expect(getPriority(cores.pid(core))).toBe(19);
		// Within a session niceness says nothing of other sessions: each process of the bench has its own.
		if (existsSync("/proc/self/autogroup")) expect(readFileSync(`/proc/${cores.pid(core)}/autogroup`, "utf8")).toMatch(/ nice 19$/m);
	}
	cores.letSleep();
});

onLinux("one that was stopped is ended like any other", async () => {
	const stopped = processes.start({ name: "stopped", core: 1, command: ["sleep", "60"] });
	stopped.kill("SIGSTOP");
	await expect.poll(() => fieldsOf(stopped.pid ?? 0)[STATE], LONG).toBe("T");
	await processes.end(stopped);
	expect(stopped.signalCode).toBe("SIGTERM");
});

/** Fields 3 and 41 of /proc/<pid>/stat (proc(5)), those before the third left out. */
const STATE = 0;
const POLICY = 38;
const SCHED_IDLE = "5";

function fieldsOf(pid: number): string[] {
	return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
}
