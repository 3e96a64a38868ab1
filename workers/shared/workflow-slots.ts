import type { CustomSlotSupplier, SlotPermit, SlotReserveContext, WorkflowSlotInfo } from "@temporalio/worker";

/** At once, of workflows that are cached here and of those that have to be replayed. A slot is taken before it is asked for a task. */
export type WorkflowSlotCounts = { readonly cached: number; readonly replayed: number };

type Kind = keyof WorkflowSlotCounts;
type Permit = { readonly kind: Kind };
type Waiting = { take(): void };

/**
 * Slots of workflow tasks, counted apart for the two queues that a worker asks. Of one number for both, as the SDK counts them, few are soon all taken by
 * whoever asks the one queue, and what lies in the other waits until that has asked for a minute in vain.
 */
export class WorkflowSlots implements CustomSlotSupplier<WorkflowSlotInfo> {
	readonly type = "custom";
	readonly #free: Record<Kind, number>;
	readonly #waiting: Record<Kind, Set<Waiting>> = { cached: new Set(), replayed: new Set() };

	constructor(counts: WorkflowSlotCounts) {
		this.#free = { ...counts };
	}

	async reserveSlot(context: SlotReserveContext, abort: AbortSignal): Promise<SlotPermit> {
		const kind = kindOf(context);
		if (this.#free[kind] === 0) await this.#freed(kind, abort);
		else this.#free[kind]--;
		return { kind } satisfies Permit;
	}

	tryReserveSlot(context: SlotReserveContext): SlotPermit | null {
		const kind = kindOf(context);
		if (this.#free[kind] === 0) return null;
		this.#free[kind]--;
		return { kind } satisfies Permit;
	}

	markSlotUsed(): void {
		// It was taken when it was reserved.
	}

	releaseSlot({ permit }: { readonly permit: SlotPermit }): void {
		const { kind } = permit as Permit;
		const [next] = this.#waiting[kind];
		if (next === undefined) this.#free[kind]++;
		else next.take();
	}

	/** Resolves with a slot that somebody gave back, first come first served. */
	#freed(kind: Kind, abort: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const waiting = this.#waiting[kind];
			const leave = (): void => {
				waiting.delete(one);
				reject(abort.reason);
			};
			const one: Waiting = {
				take() {
					waiting.delete(one);
					abort.removeEventListener("abort", leave);
					resolve();
				},
			};
			if (abort.aborted) return reject(abort.reason);
			waiting.add(one);
			abort.addEventListener("abort", leave, { once: true });
		});
	}
}

function kindOf({ isSticky }: SlotReserveContext): Kind {
	return isSticky ? "cached" : "replayed";
}
