import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { keptBundle } from "../../../workers/kept-bundle.ts";

let root: string;
let cacheFolder: string;
let built: number;
let problems: unknown[];

beforeEach(async () => {
	root = await mkdtemp(path.join(tmpdir(), "sources-"));
	cacheFolder = path.join(root, "cache");
	await writeSources("export const a = 1;");
	built = 0;
	problems = [];
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function writeSources(content: string): Promise<void> {
	await mkdir(path.join(root, "domain"), { recursive: true });
	await writeFile(path.join(root, "domain", "rule.ts"), content);
}

const build = async () => ({ code: `code ${++built}`, sourceMap: "" });
const bundle = async (): Promise<string> => (await keptBundle({ cacheFolder, root, build, onProblem: (error) => problems.push(error) })).code;
const keptFiles = async (): Promise<string[]> => (await readdir(path.join(cacheFolder, "workflows"))).map((name) => path.join(cacheFolder, "workflows", name));

it("builds once for the same sources, and again for others", async () => {
	expect([await bundle(), await bundle()]).toEqual(["code 1", "code 1"]);
	await writeSources("export const a = 2;");
	expect([await bundle(), await bundle()]).toEqual(["code 2", "code 2"]);
	await writeSources("export const a = 1;");
	expect(await bundle()).toBe("code 1");
	expect(problems).toEqual([]);
});

it("builds again, and keeps it, where half of a file is left", async () => {
	await bundle();
	const [file = ""] = await keptFiles();
	const whole = await readFile(file, "utf8");
	for (const damaged of [whole.slice(0, -2), "", whole.replace("code 1", "code 7")]) {
		await writeFile(file, damaged);
		expect(await bundle()).not.toBe("code 7");
		expect(await bundle()).toBe(`code ${built}`);
	}
	expect([built, problems]).toEqual([4, []]);
});

it("builds at each start, and says why, where nothing can be kept", async () => {
	await writeFile(cacheFolder, "no folder");
	expect([await bundle(), await bundle()]).toEqual(["code 1", "code 2"]);
	expect(problems.map((problem) => (problem as NodeJS.ErrnoException).code)).toEqual(["ENOTDIR", "ENOTDIR", "ENOTDIR", "ENOTDIR"]);
});

it("keeps the four that were used last, and no drafts", async () => {
	for (let version = 1; version <= 4; version++) {
		await writeSources(`version ${version}`);
		await bundle();
		const age = new Date(Date.now() - (10 - version) * 60_000);
		for (const file of await keptFiles()) if ((await readFile(file, "utf8")).includes(`"code ${version}"`)) await utimes(file, age, age);
	}
	await writeSources("version 1");
	expect(await bundle()).toBe("code 1");
	await writeSources("version 5");
	await bundle();
	const codes = await Promise.all((await keptFiles()).map(async (file) => /code \d/.exec(await readFile(file, "utf8"))?.[0]));
	expect(codes.sort()).toEqual(["code 1", "code 3", "code 4", "code 5"]);
});
