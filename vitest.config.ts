import { defineConfig } from "vitest/config";
import { spreadingSequencer } from "./test/support/file-order.ts";

const PROJECTS = [
	"unit",
	"domain",
	"property",
	"architecture",
	"replay",
	"gateway",
	"contract",
	"workflow",
	"integration",
	"faults",
	"console",
	"e2e",
] as const;
const SLOW_PROJECTS: ReadonlySet<string> = new Set(["contract", "workflow", "integration", "faults", "console", "e2e"]);
/** Rules are pure: their files leave nothing behind for the next one, and share a process. */
const DOMAIN_FOLDER = "test/unit/domain";

export default defineConfig({
	test: {
		pool: "forks",
		maxWorkers: 2,
		sequence: { sequencer: spreadingSequencer(SLOW_PROJECTS) },
		globalSetup: ["test/support/global-setup.ts"],
		projects: PROJECTS.map((name) => ({
			extends: true,
			test: {
				name,
				include: [`${name === "domain" ? DOMAIN_FOLDER : `test/${name}`}/**/*.test.ts`],
				exclude: name === "unit" ? [`${DOMAIN_FOLDER}/**`] : [],
				isolate: name !== "domain",
				testTimeout: SLOW_PROJECTS.has(name) ? 120_000 : 60_000,
				hookTimeout: 120_000,
			},
		})),
	},
});
