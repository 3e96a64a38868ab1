import type { BenchSystem } from "../bench-system.ts";
import { idleRuns } from "./idle-runs.ts";
import { leaseGrants } from "./lease-grants.ts";
import { ledgerCeiling } from "./ledger-ceiling.ts";
import type { Measured, Measurement } from "./measurement.ts";
import { memorySlope, tokenizerMemory } from "./memory.ts";
import { startUp } from "./start-up.ts";
import { verifyMillions } from "./verify-millions.ts";
import { workflowMessages } from "./workflow-messages.ts";

const MEASUREMENTS: readonly Measurement[] = [leaseGrants, ledgerCeiling, startUp, tokenizerMemory, workflowMessages, memorySlope, idleRuns, verifyMillions];

/** Runs what is measured beside the lanes, one after the other; one that fails is printed with its reason and fails no other. */
export async function runMeasurements(system: BenchSystem, isQuick: boolean, say: (line: string) => void): Promise<Record<string, Measured>> {
	const measured: Record<string, Measured> = {};
	for (const measurement of MEASUREMENTS) {
		if (isQuick && measurement.isLong) continue;
		say(`measuring ${measurement.name}`);
		measured[measurement.name] = await runOne(measurement, system, isQuick);
	}
	return measured;
}

async function runOne(measurement: Measurement, system: BenchSystem, isQuick: boolean): Promise<Measured> {
	try {
		return await measurement.run(system, isQuick);
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		return { data: { failed: reason.split("\n")[0] }, lines: [`${measurement.name}: NOT MEASURED: ${reason}`] };
	}
}
