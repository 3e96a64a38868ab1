import type { RoleObserver } from "#activities/shared/role-loop.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

/** What a starter of workflows meets: a clock that waits move, and a Temporal that takes what it is told. */
export class StarterStand {
	readonly clock = { nowMs: 0 };
	/** `broken`: the id of what Temporal cannot be told. */
	readonly state = { isStarter: true, isAway: false, broken: "" };
	/** What the starter said of itself. */
	readonly words: string[] = [];

	/** What every starter takes. */
	get options() {
		const observer: RoleObserver & { told(): void } = {
			told: () => undefined,
			reachabilityChanged: (isReachable) => void this.words.push(isReachable ? "back" : "away"),
			roleChanged: (isStarter) => void this.words.push(isStarter ? "starter" : "no starter"),
			failed: () => void this.words.push("failed"),
		};
		const wait = async (ms: number): Promise<void> => {
			this.clock.nowMs += ms;
		};
		return { observer, now: () => this.clock.nowMs, wait };
	}

	/** Throws as Temporal would. */
	take(id: string): void {
		if (this.state.isAway) throw new CostControlError("governance.unreachable", "away");
		if (id === this.state.broken) throw new Error("broken");
	}

	/** So many looks, and so long from the end of one to the next. */
	async cycles(starter: { cycle(): Promise<void> }, count: number, pauseMs: number): Promise<void> {
		for (let cycle = 0; cycle < count; cycle++) {
			await starter.cycle();
			this.clock.nowMs += pauseMs;
		}
	}
}

/** The most of them within any second. */
export function busiestSecond(timesMs: readonly number[]): number {
	return Math.max(0, ...timesMs.map((fromMs) => timesMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + 1_000).length));
}
