import { defineConfig } from "vitest/config";
import { spreadingSequencer } from "./test/support/file-order.ts";

const PROJECTS = ["unit", "property", "architecture", "replay", "gateway", "contract", "workflow", "integration", "faults", "console", "e2e"] as const;
const SLOW_PROJECTS: ReadonlySet<string> = new Set(["contract", "workflow", "integration", "faults", "console", "e2e"]);

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
				include: [`test/${name}/**/*.test.ts`],
				testTimeout: SLOW_PROJECTS.has(name) ? 120_000 : 60_000,
				hookTimeout: 120_000,
			},
		})),
	},
});
