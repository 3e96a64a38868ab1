import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

const { scripts } = JSON.parse(readFileSync(path.join(PROJECT_FOLDER, "package.json"), "utf8")) as { scripts: Record<string, string> };

test("every npm script sets a fresh clone up before it runs TypeScript, which the Node of the machine may not know", () => {
	const running = Object.keys(scripts).filter((name) => /\.ts\b|\btsc\b/.test(scripts[name] ?? ""));
	expect(running).toContain("check");
	for (const name of running) expect([name, scripts[`pre${name}`]]).toEqual([name, "node scripts/setup.mjs"]);
});
