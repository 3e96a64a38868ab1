import { LatencyHistogram } from "../statistics/latency-histogram.ts";

/** What the machine did during a window, as shares of it. */
export type MachineLoad = {
	/** Share of core 1 (provider, driver, PostgreSQL) that was not idle, 0 to 1. */
	readonly core1Busy: number;
	/** Share of core 0 used by anything but the gateway under test, 0 to 1. */
	readonly core0Foreign: number;
	/** CPU the host took from this machine, in ticks, and the ticks of the window over both cores. */
	readonly stolenTicks: number;
	readonly ticks: number;
};

export type LoadCounts = {
	/** The driver's own ceiling: the window is meant to fill core 1. */
	readonly isHeadroom?: boolean;
	readonly sent: number;
	readonly dropped: number;
	readonly lagsNs: ArrayLike<number> & Iterable<number>;
};

export const LIMITS = { lagP99Ms: 1, droppedShare: 0.001, stolenShare: 0.01, core1Busy: 0.9 } as const;

/**
 * Why a window measures the bench and not the gateway; empty for a good one. Steal is counted in ticks of 10 ms: a single tick in
 * a short window says less than its share does.
 */
export function whyVoid(counts: LoadCounts, load: MachineLoad): string[] {
	const reasons: string[] = [];
	const lagP99Ms = LatencyHistogram.of(counts.lagsNs).percentileMs(99);
	if (lagP99Ms > LIMITS.lagP99Ms) reasons.push(`the driver sent ${lagP99Ms.toFixed(2)} ms late at p99`);
	const meant = counts.sent + counts.dropped;
	if (counts.dropped > meant * LIMITS.droppedShare) reasons.push(`${counts.dropped} of ${meant} calls found no free connection`);
	if (load.stolenTicks > Math.max(1, load.ticks * LIMITS.stolenShare)) reasons.push(`the host took ${percent(load.stolenTicks / load.ticks)} of the CPU`);
	if (counts.isHeadroom !== true && load.core1Busy > LIMITS.core1Busy) reasons.push(`core 1 was ${percent(load.core1Busy)} busy`);
	return reasons;
}

function percent(share: number): string {
	return `${(share * 100).toFixed(1)} %`;
}
