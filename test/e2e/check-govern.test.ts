import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, "../..");

/** The last line of `npm run check:govern -- …`. */
async function lastLine(...words: string[]): Promise<Record<string, unknown>> {
	const { stdout } = await run(process.execPath, [path.join(ROOT, "scripts/check-govern.ts"), ...words], { cwd: ROOT });
	return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

test("every alert of a few random runs comes once, whatever is killed", async () => {
	const result = await lastLine("--seed", "3", "--runs", "6");
	expect(result).toMatchObject({ ok: true, seed: 3, runs: 6 });
	expect(result["alerts"], "alerts").toBeGreaterThan(5);
	expect(Object.values(result["kills"] as Record<string, number>).reduce((sum, kills) => sum + kills, 0)).toBeGreaterThan(0);
}, 300_000);

test("what cannot be read is answered by the help", async () => {
	await expect(lastLine("--runs", "0")).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("--seed S") as string });
});
