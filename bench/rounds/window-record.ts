import type { WindowResult } from "../driver/window.ts";
import { whyVoid } from "../judge/window-quality.ts";
import type { LaneName } from "../lanes/lane.ts";
import type { loadBetween } from "../machine/cpu.ts";
import type { ScenarioName } from "../scenarios.ts";
import { LatencyHistogram } from "../statistics/latency-histogram.ts";

/** One window as it is kept: histograms instead of samples. */
export type WindowRecord<Lane extends string = LaneName> = {
	readonly lane: Lane;
	readonly scenario: ScenarioName | "frontier" | "concurrent-streams";
	readonly round: number;
	/** Of its round and scenario, from 0. */
	readonly part: number;
	/** Calls a second meant; undefined for a closed loop. */
	readonly ratePerSecond: number | undefined;
	readonly sent: number;
	readonly right: number;
	readonly wrong: number;
	readonly failed: number;
	/** In which way, by count. */
	readonly failures: WindowResult["failures"];
	readonly dropped: number;
	/** Right answers a second. */
	readonly answeredPerSecond: number;
	readonly latency: LatencyHistogram;
	readonly lag: LatencyHistogram;
	readonly firstToken: LatencyHistogram;
	readonly gap: LatencyHistogram;
	readonly core1Busy: number;
	readonly core0Foreign: number;
	/** CPU of the process under test, seconds per 1,000 right answers. */
	readonly cpuSecondsPerThousand: number;
	/** Resident memory of the process under test after the window, bytes. */
	readonly residentBytes: number | undefined;
	/** Why the window is void; empty for a good one. */
	readonly voidBecause: readonly string[];
};

type WindowName<Lane extends string> = Pick<WindowRecord<Lane>, "lane" | "scenario" | "round" | "part" | "ratePerSecond">;

export function recordWindow<Lane extends string>(
	name: WindowName<Lane>,
	result: WindowResult,
	seen: { readonly load: ReturnType<typeof loadBetween>; readonly residentBytes: number | undefined },
): WindowRecord<Lane> {
	const { sent, right, wrong, failed, failures, dropped, elapsedMs } = result;
	return {
		...name,
		sent,
		right,
		wrong,
		failed,
		failures,
		dropped,
		answeredPerSecond: (right / elapsedMs) * 1000,
		latency: LatencyHistogram.of(result.latenciesNs),
		lag: LatencyHistogram.of(result.lagsNs),
		firstToken: LatencyHistogram.of(result.firstTokensNs),
		gap: LatencyHistogram.of(result.gapsNs),
		core1Busy: seen.load.core1Busy,
		core0Foreign: seen.load.core0Foreign,
		cpuSecondsPerThousand: Number(seen.load.gatewayNs) / 1e9 / Math.max(1, right / 1000),
		residentBytes: seen.residentBytes,
		voidBecause: whyVoid({ sent, dropped, lagsNs: result.lagsNs, isHeadroom: name.lane === "direct" && name.ratePerSecond === undefined }, seen.load),
	};
}

/** Good parts of one window, of equal length, as the window that they are. */
export function joinParts([first, ...others]: readonly [WindowRecord, ...WindowRecord[]]): WindowRecord {
	if (others.length === 0) return first;
	const parts = [first, ...others];
	const sum = (of: (part: WindowRecord) => number): number => parts.reduce((total, part) => total + of(part), 0);
	const mean = (of: (part: WindowRecord) => number): number => sum(of) / parts.length;
	const right = sum((part) => part.right);
	return {
		...first,
		sent: sum((part) => part.sent),
		right,
		wrong: sum((part) => part.wrong),
		failed: sum((part) => part.failed),
		failures: sumByName(parts.map(({ failures }) => failures)),
		dropped: sum((part) => part.dropped),
		answeredPerSecond: mean((part) => part.answeredPerSecond),
		latency: LatencyHistogram.sum(parts.map(({ latency }) => latency)),
		lag: LatencyHistogram.sum(parts.map(({ lag }) => lag)),
		firstToken: LatencyHistogram.sum(parts.map(({ firstToken }) => firstToken)),
		gap: LatencyHistogram.sum(parts.map(({ gap }) => gap)),
		core1Busy: mean((part) => part.core1Busy),
		core0Foreign: mean((part) => part.core0Foreign),
		cpuSecondsPerThousand: sum((part) => part.cpuSecondsPerThousand * part.right) / Math.max(1, right),
		residentBytes: parts.at(-1)?.residentBytes,
	};
}

/** Counts under the same name together. */
export function sumByName(counts: readonly WindowResult["failures"][]): WindowResult["failures"] {
	const total: Record<string, number> = {};
	for (const each of counts) for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
	return total;
}
