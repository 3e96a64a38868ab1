import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

test("packages are not installed through a link, which would empty the folder it leads to", () => {
	const folder = mkdtempSync(path.join(tmpdir(), "tollgate-setup-"));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	const [project, elsewhere] = [path.join(folder, "project"), path.join(folder, "elsewhere")];
	mkdirSync(path.join(project, "scripts"), { recursive: true });
	mkdirSync(elsewhere);
	writeFileSync(path.join(elsewhere, "kept"), "");
	for (const file of ["package.json", "package-lock.json", "scripts/setup.mjs"]) copyFileSync(path.join(PROJECT_FOLDER, file), path.join(project, file));
	symlinkSync(elsewhere, path.join(project, "node_modules"));
	const { status, stderr } = spawnSync(process.execPath, [path.join(project, "scripts/setup.mjs")], { encoding: "utf8" });
	expect(stderr).toContain("node_modules is a link");
	expect(status).toBe(1);
	expect(existsSync(path.join(elsewhere, "kept"))).toBe(true);
});
