import type { BenchSystem } from "../bench-system.ts";

/** A measurement beside the lanes: what it prints, and what goes into the results file. */
export type Measured = {
	readonly lines: readonly string[];
	readonly data: unknown;
	/** Resident memory of a gateway while calls come at a fixed rate, sample by sample: what the bar of steady memory is about. */
	readonly steadyMegabytes?: readonly number[];
};

export type Measurement = {
	readonly name: string;
	/** Left out of --quick. */
	readonly isLong: boolean;
	run(system: BenchSystem, isQuick: boolean): Promise<Measured>;
};
