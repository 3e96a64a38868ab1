import type { ControlAnswer } from "../control.ts";
import type { JsonObject } from "../json.ts";
import type { ProviderState } from "../provider-state.ts";
import { BATCH_CONTROL, controlBatches } from "./batch-control.ts";
import { BATCH_PATHS, performanceOf, unknownCall } from "./batch-routes.ts";
import { SimulatedClock } from "./clock.ts";
import { type BatchDesk, PlanShelf } from "./desk.ts";
import { BatchDisk } from "./disk.ts";
import { forgetExpired } from "./files.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { OperationFaults } from "./operation-faults.ts";
import { act, type BatchCall } from "./reply.ts";
import { BatchRunner } from "./runner.ts";

/** Files and batches of a simulated provider, put together. What an earlier process left goes on at once. */
export class BatchSide {
	readonly #state: ProviderState;
	readonly #desk: BatchDesk;
	readonly #faults: OperationFaults;
	readonly #seed: number;

	constructor(state: ProviderState, options: { readonly folder: string; readonly seed: number }) {
		const disk = new BatchDisk(options.folder);
		const clock = new SimulatedClock(disk.clockAnchor);
		const runner: BatchRunner = new BatchRunner({ disk, state, seed: options.seed }, clock, () => this.#desk.limits);
		this.#state = state;
		this.#seed = options.seed;
		this.#faults = new OperationFaults(options.seed);
		this.#desk = { disk, clock, runner, plans: new PlanShelf(), limits: DEFAULT_LIMITS };
		forgetExpired(this.#desk);
		runner.wakeAll();
	}

	serves(path: string): boolean {
		return BATCH_PATHS.some((root) => path === root || path.startsWith(`${root}/`));
	}

	/** Throws ProviderError, and what else goes onto the wire as an error. */
	async answer(call: BatchCall): Promise<void> {
		const performance = performanceOf(this.#desk, call);
		if (performance === undefined) throw unknownCall(call);
		await act(call, { performance, fault: this.#faults.draw(performance.operation), holds: this.#state.holds });
	}

	steers(path: string): boolean {
		return path === BATCH_CONTROL || path.startsWith(`${BATCH_CONTROL}/`);
	}

	control(call: { readonly method: string; readonly path: string; readonly body: JsonObject }): Promise<ControlAnswer> {
		return controlBatches({ desk: this.#desk, faults: this.#faults, seed: this.#seed }, call);
	}

	/** Nothing begins any more; what is being written is written whole. */
	stop(): void {
		this.#desk.runner.stop();
	}
}

/** Beside the call log, under its name: what is billed there is kept here. */
export function batchFolderOf(callLogPath: string): string {
	return `${callLogPath.replace(/\.jsonl$/, "")}-batches`;
}
