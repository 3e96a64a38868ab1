import path from "node:path";
import { Command, Option } from "commander";
import { openBenchSystem, pinThisProcess } from "./bench-system.ts";
import { LANE_NAMES, type LaneName } from "./lanes/lane.ts";
import { type BenchOptions, runBench } from "./run-bench.ts";
import { SCENARIOS, type ScenarioName } from "./scenarios.ts";

/** `npm run bench`: see docs/bench.md. */
const RESULTS = path.join(import.meta.dirname, "results");

type Given = {
	readonly quick: boolean;
	readonly check: boolean;
	readonly only?: LaneName[];
	readonly scenario?: ScenarioName[];
	readonly profile: boolean;
	readonly awake: boolean;
	readonly publish: boolean;
	readonly seed: number;
	readonly results: string;
};

const command = new Command("bench")
	.description("Measures Tollgate side by side with a bare proxy and with peers, books checked. Loopback only; provider keys are ignored.")
	.option("--quick", "shorter windows, and without the 10-minute and 5-million measurements: below 4 minutes a pass", false)
	.option("--check", "exit 1 when a bar is missed or a lane of ours or floor is void, 2 when a bar is unclear after one repeat, else 0", false)
	.addOption(new Option("--only <lane...>", "these lanes, beside direct; nothing else is measured").choices(LANE_NAMES))
	.addOption(new Option("--scenario <name...>", "these scenarios; nothing else is measured").choices(SCENARIOS.map(({ name }) => name)))
	.option("--profile", "also where the governed lane's time goes: a profile and a flame graph beside the results (kept by itself when a bar is missed)", false)
	.option("--awake", "keeps both cores from sleeping between calls: for a machine whose host takes long to give them back", false)
	.option("--publish", "also puts the plots and the table into docs/bench, where the README shows them", false)
	.option("--seed <number>", "of the order of windows", (text) => Number.parseInt(text, 10), Math.floor(Date.now() / 1000))
	.option("--results <folder>", "where results go", RESULTS)
	.action(async (given: Given) => {
		const options: BenchOptions = {
			isQuick: given.quick,
			isCheck: given.check,
			only: given.only,
			scenarios: given.scenario,
			seed: given.seed,
			isProfiled: given.profile,
			isAwake: given.awake,
			isPublished: given.publish,
			resultsFolder: given.results,
		};
		pinThisProcess();
		const lanes = options.only === undefined ? LANE_NAMES : [...new Set<LaneName>(["direct", ...options.only])];
		const system = await openBenchSystem(lanes, options);
		try {
			process.exitCode = await runBench(system, options);
		} finally {
			await system.close();
		}
	});

command.parseAsync().then(
	// A signal handler and IPC channels would keep the process.
	() => process.exit(),
	(error: unknown) => {
		process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
		process.exit(1);
	},
);
