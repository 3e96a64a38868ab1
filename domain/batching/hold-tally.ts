import { assert } from "../assert.ts";
import { type Amounts, amountIn } from "../budget/lease-book.ts";
import type { Unit } from "../budget/window-lease.ts";

/** A window that items of a batch are held in, and what its holder has there beyond the bounds of the items without an outcome. */
export type TalliedWindow = { readonly windowId: string; readonly unit: Unit; readonly idle: bigint };

/**
 * What a batch holds, while results of its items are booked one after another. As for a call (LeaseBook.settle): a cost above what is reserved for
 * it is taken from idle money, and what that does not cover is the overrun of the window.
 */
export class HoldTally {
	private readonly windows: ReadonlyMap<string, { readonly windowId: string; readonly unit: Unit; idle: bigint }>;

	constructor(windows: readonly TalliedWindow[]) {
		this.windows = new Map(windows.map((window) => [window.windowId, { ...window }]));
	}

	/**
	 * Window id → overrun there, in its unit; a window without one is not named. `windowIds`: those of the item, where it is not held in all of
	 * them: what others left in windows of theirs is not its money.
	 */
	settle(reserved: Amounts, cost: Amounts, windowIds: Iterable<string> = this.windows.keys()): ReadonlyMap<string, bigint> {
		const overruns = new Map<string, bigint>();
		for (const windowId of windowIds) {
			const window = this.windows.get(windowId);
			assert(window !== undefined, `an item is held in window ${windowId}, which its batch does not know`);
			const [held, wanted] = [amountIn(window.unit, reserved), amountIn(window.unit, cost)];
			const covered = held + window.idle;
			const posted = wanted < covered ? wanted : covered;
			window.idle = covered - posted;
			if (posted < wanted) overruns.set(windowId, wanted - posted);
		}
		return overruns;
	}

	/** By window id. */
	idle(): ReadonlyMap<string, bigint> {
		return new Map([...this.windows.values()].map(({ windowId, idle }) => [windowId, idle]));
	}
}
