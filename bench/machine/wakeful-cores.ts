import type { ChildProcess } from "node:child_process";
import path from "node:path";
import { cpuNsOf } from "./cpu.ts";
import { askProcess, GATEWAY_CORE, OTHER_CORE, type Processes } from "./processes.ts";
import { takeWhatIsLeft } from "./scheduling.ts";
import type { StayAwakeOrder } from "./stay-awake.ts";

/**
 * Keeps cores from sleeping while calls come at fixed times. A core that has nothing to do for a moment sleeps, a virtual one gives itself back to its host,
 * and what it takes to have it again, tens of microseconds or some milliseconds, would be measured with every call. One process per core that anybody else
 * comes before (SCHED_IDLE) prevents that.
 */
export class WakefulCores {
	/** By core. */
	readonly #keepers: ReadonlyMap<number, ChildProcess>;

	private constructor(keepers: ReadonlyMap<number, ChildProcess>) {
		this.#keepers = keepers;
	}

	/** Both cores may sleep until `keepAwake`. */
	static async start(processes: Processes): Promise<WakefulCores> {
		const keepers = new Map<number, ChildProcess>();
		for (const core of [GATEWAY_CORE, OTHER_CORE]) {
			const name = `core-${core}`;
			const keeper = processes.start({ name, core, command: [process.execPath, path.join(import.meta.dirname, "stay-awake.ts")], hasIpc: true });
			await processes.within(name, keeper, order(keeper, { isAwake: false }));
			if (keeper.pid !== undefined) takeWhatIsLeft(keeper.pid);
			keepers.set(core, keeper);
		}
		return new WakefulCores(keepers);
	}

	async keepAwake(isAwake: boolean): Promise<void> {
		await Promise.all([...this.#keepers.values()].map((keeper) => order(keeper, { isAwake })));
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

function order(keeper: ChildProcess, wanted: StayAwakeOrder): Promise<StayAwakeOrder> {
	return askProcess<StayAwakeOrder>(keeper, wanted);
}
