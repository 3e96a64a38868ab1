import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, it } from "vitest";
import { readProcessStart } from "#activities/process/identity.ts";
import { runIsolatedCheck } from "../../../scripts/isolated-check.ts";
import { PROJECT_FOLDER } from "../../support/project-files.ts";
import { until } from "../../support/until.ts";

const folder = mkdtempSync(path.join(tmpdir(), "checked-"));
const entry = path.join(folder, "check.mjs");
const pidFile = path.join(folder, "pid");

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A check that starts a process of its own and ends before it, as a signal makes it. */
const CHECK = `
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
const child = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000)"], { detached: true, stdio: "ignore" });
child.unref();
writeFileSync(process.argv[2], String(child.pid));
process.exitCode = 3;
`;

it("ends what a check started and left behind", async () => {
	writeFileSync(entry, CHECK);
	expect(await runIsolatedCheck("leaving", path.relative(PROJECT_FOLDER, entry), () => [pidFile])).toBe(3);
	const pid = Number(readFileSync(pidFile, "utf8"));
	await until("the end of the process", async () => (await readProcessStart(pid)) === null);
});
