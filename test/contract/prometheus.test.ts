import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readQueries } from "#test/support/monitoring.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { HOW_TO_GET_PROMETHEUS, hasProgram } from "#test/support/prometheus-server.ts";

/** Files under deploy/, judged by the programs that read them. */
function run(program: string, args: readonly string[]): { readonly code: number | null; readonly output: string } {
	const { status, stdout, stderr } = spawnSync(program, args, { cwd: PROJECT_FOLDER, encoding: "utf8" });
	return { code: status, output: `${stdout}${stderr}` };
}

const hasPromtool = hasProgram("promtool");
describe.skipIf(!hasPromtool)(`promtool ${hasPromtool ? "" : HOW_TO_GET_PROMETHEUS}`, () => {
	test.each([
		["the configuration and its rules", ["check", "config", "deploy/prometheus/prometheus.yml"]],
		["the rules", ["check", "rules", "deploy/prometheus/tollgate.rules.yml"]],
		["that each rule fires and is silent", ["test", "rules", "deploy/prometheus/tollgate.rules.test.yml"]],
	])("takes %s", (_what, args) => {
		const { code, output } = run("promtool", args);
		expect(code, output).toBe(0);
		expect(output).toContain("SUCCESS");
	});

	test("finds every query of the dashboards well-formed", () => {
		const folder = mkdtempSync(path.join(tmpdir(), "tollgate-queries-"));
		const file = path.join(folder, "queries.yml");
		const rules = readQueries().map(({ expression }, index) => ({ record: `query:${index}`, expr: expression }));
		writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] }));
		const { code, output } = run("promtool", ["check", "rules", file]);
		rmSync(folder, { recursive: true });
		expect(code, output).toBe(0);
		expect(output).toContain(`${rules.length} rules found`);
	});
});

const hasAmtool = hasProgram("amtool");
describe.skipIf(!hasAmtool)(`amtool ${hasAmtool ? "" : HOW_TO_GET_PROMETHEUS}`, () => {
	test("takes the configuration of Alertmanager", () => {
		const { code, output } = run("amtool", ["check-config", "deploy/alertmanager/alertmanager.yml"]);
		expect(code, output).toBe(0);
	});
});
