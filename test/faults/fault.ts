import type { Random } from "./random.ts";
import type { FaultStand, FaultStandOptions } from "./stand.ts";

/** What the black-box checker counted after the heal. */
export type Counts = {
	/** Billed lines of the provider's log. */
	readonly calls: number;
	/** Attempts in the ledger. */
	readonly admitted: number;
	/** Refusal rows. */
	readonly refused: number;
	readonly overspendNanoUsd: bigint;
	readonly falseRefusals: number;
	readonly duplicated: number;
	readonly lost: number;
	readonly estimated: number;
	readonly unresolved: number;
};

export type FaultResult = {
	/** Null where the fault has books of several systems, or none. */
	readonly counts: Counts | null;
	/** From the heal until every gateway served again; null where nothing was ever down. */
	readonly recoveryMs: number | null;
	/** What else a reader should know, such as what could not be done on this machine. */
	readonly note?: string;
};

export type FaultRun = {
	readonly seed: number;
	readonly random: Random;
	/** Gateways, database and provider of one fault; closed when the fault ends, however it ends. */
	open(options?: FaultStandOptions): Promise<FaultStand>;
	/** Called when the fault ends, last first. */
	defer(close: () => unknown): void;
};

export type Fault = {
	/** F1 to F45 of the fault table (docs/faults.md). */
	readonly id: string;
	readonly name: string;
	/** Among those that `npm test` runs. */
	readonly isShort?: boolean;
	/** Rejects, with what broke, when an invariant does not hold. */
	run(run: FaultRun): Promise<FaultResult>;
};
