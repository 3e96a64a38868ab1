import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { describeSettings } from "#config/schema.ts";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
const SECTIONS = ["Context.", "Decision.", "Alternatives.", "Cost.", "We would notice it was wrong"];

test("every decision says its context, alternatives, cost, and how we would notice that it was wrong", () => {
	const decisions = listProjectFiles([".md"]).filter((file) => file.startsWith("docs/adr/"));
	expect(decisions.length).toBeGreaterThan(5);
	for (const file of decisions) expect([file, SECTIONS.filter((section) => !read(file).includes(`**${section}**`))]).toEqual([file, []]);
});

test("docs/simulated-provider.md and the settings agree on the port", () => {
	const expected = describeSettings().find(({ name }) => name === "TOLLGATE_PROVIDER_PORT")?.expected ?? "";
	expect(/default (\d+)/.exec(expected)?.[1]).toBe(/`TOLLGATE_PROVIDER_PORT` \| (\d+)/.exec(read("docs/simulated-provider.md"))?.[1]);
});
