import type { ChildProcess } from "node:child_process";
import { cpuNsOf } from "./cpu.ts";
import { GATEWAY_CORE, OTHER_CORE, type Processes } from "./processes.ts";
import { RANKS } from "./scheduling.ts";

/**
 * Keeps cores from sleeping while calls come at fixed times, where that is asked for. A core that has nothing to do for a moment sleeps, a virtual one gives
 * itself back to its host, and what it takes to have it again, tens of microseconds or some milliseconds, is measured with every call. One process per core
 * that anybody else comes before prevents that; it ends with the bench, however that ends (setpriv(1)).
 */
export class WakefulCores {
	/** By core. */
	readonly #keepers: ReadonlyMap<number, ChildProcess>;

	/** Both cores may sleep until `keepAwake`. */
	constructor(processes: Processes) {
		const command = ["setpriv", "--pdeathsig", "KILL", "chrt", "--idle", "0", "sh", "-c", "while :; do :; done"] as const;
		const keeperOf = (core: number): ChildProcess => processes.start({ name: `core-${core}`, core, command: [...command], niceness: RANKS.keepsAwake });
		this.#keepers = new Map([GATEWAY_CORE, OTHER_CORE].map((core) => [core, keeperOf(core)]));
		this.letSleep();
	}

	keepAwake(): void {
		for (const keeper of this.#keepers.values()) keeper.kill("SIGCONT");
	}

	letSleep(): void {
		for (const keeper of this.#keepers.values()) keeper.kill("SIGSTOP");
	}

	/** Of who keeps it awake; 0 for any other core. */
	pid(core: number): number {
		return this.#keepers.get(core)?.pid ?? 0;
	}

	/** CPU time that keeping a core awake has taken so far, nanoseconds: load of nobody. */
	cpuNs(core: number): bigint {
		return cpuNsOf(this.pid(core));
	}
}
