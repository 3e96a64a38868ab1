import { appendFileSync } from "node:fs";
import { describe, it } from "vitest";
import type { Fault, FaultResult, FaultRun } from "./fault.ts";
import { createRandom } from "./random.ts";
import { FaultStand } from "./stand.ts";
import { FAULTS } from "./table.ts";

/**
 * The fault table. `npm test` runs the short ones with one seed; `npm run test:faults` says by TOLLGATE_TEST_FAULTS which ones
 * (`all`, or ids with commas), by TOLLGATE_TEST_FAULT_SEEDS with which seeds, and collects one JSON line for each run.
 */
const wanted = process.env["TOLLGATE_TEST_FAULTS"];
const seeds = (process.env["TOLLGATE_TEST_FAULT_SEEDS"] ?? "1").split(",").map(Number);
const resultsFile = process.env["TOLLGATE_TEST_FAULT_RESULTS"];
const FAULT_TIMEOUT_MS = 240_000;

if (wanted !== undefined && wanted !== "all")
	for (const id of wanted.split(",")) if (!FAULTS.some((fault) => fault.id === id)) throw new Error(`there is no fault ${id}; docs/faults.md lists them`);

const chosen = FAULTS.filter(({ id, isShort }) => (wanted === undefined ? isShort : wanted === "all" || wanted.split(",").includes(id)));

for (const fault of chosen) {
	describe(`${fault.id} ${fault.name}`, () => {
		for (const seed of seeds) it(`seed ${seed}`, () => carryOut(fault, seed), FAULT_TIMEOUT_MS);
	});
}

async function carryOut(fault: Fault, seed: number): Promise<void> {
	const closes: (() => unknown)[] = [];
	const startedAtMs = performance.now();
	const run: FaultRun = {
		seed,
		random: createRandom(seed * 1_000 + Number(fault.id.slice(1))),
		async open(options = {}) {
			const stand = await FaultStand.open(options);
			closes.push(() => stand.close());
			return stand;
		},
		defer: (close) => void closes.push(close),
	};
	try {
		const result = await fault.run(run);
		report(fault, { seed, seconds: (performance.now() - startedAtMs) / 1_000, result });
	} catch (error) {
		report(fault, { seed, seconds: (performance.now() - startedAtMs) / 1_000, problem: error instanceof Error ? error.message : String(error) });
		throw error;
	} finally {
		for (const close of closes.reverse()) await close();
	}
}

type Outcome = { readonly seed: number; readonly seconds: number; readonly result?: FaultResult; readonly problem?: string };

function report({ id, name }: Fault, outcome: Outcome): void {
	if (resultsFile === undefined) return;
	const line = JSON.stringify({ id, name, ...outcome }, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
	appendFileSync(resultsFile, `${line}\n`);
}
