import { createHash } from "node:crypto";
import { glob, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { readJson } from "#domain/text/read-json.ts";
import { bundleApart } from "./bundle.ts";

const PROJECT = path.join(import.meta.dirname, "..");
/** What the workflow code is made of, and what makes it. */
const SOURCES = ["workflows/**/*.ts", "domain/**/*.ts", "workers/bundle.ts"];
const PACKAGES = ["@temporalio/workflow", "@temporalio/common", "@temporalio/worker"];
/** Of other versions, and of systems beside this one. */
const KEPT_BUNDLES = 4;
const FILE = /^[0-9a-f]{64}\.json$/;

export type KeptBundleOptions = {
	/** Holds `workflows/` with one file a bundle; made when absent. */
	readonly cacheFolder: string;
	readonly build?: () => Promise<WorkflowBundleWithSourceMap>;
	/** Where the sources lie; default this project. */
	readonly root?: string;
	/** It could not be kept or read: it is built each time. */
	readonly onProblem: (error: unknown) => void;
};

/**
 * The workflow code of every role, built once for the same sources and packages: a worker starts some four seconds of a core sooner. What is
 * kept is found by the hash of all that it is made of, so that nothing older can stand in for it.
 */
export async function keptBundle({ cacheFolder, build = bundleApart, root = PROJECT, onProblem }: KeptBundleOptions): Promise<WorkflowBundleWithSourceMap> {
	const folder = path.join(cacheFolder, "workflows");
	const file = path.join(folder, `${await hashOfSources(root)}.json`);
	const kept = await readKept(file).catch((error: unknown) => {
		onProblem(error);
		return undefined;
	});
	if (kept) return kept;
	const bundle = await build();
	await keep(folder, file, bundle).catch(onProblem);
	return bundle;
}

async function hashOfSources(root: string): Promise<string> {
	const files: string[] = [];
	for (const pattern of SOURCES) for await (const file of glob(pattern, { cwd: root })) files.push(file);
	const require = createRequire(import.meta.url);
	const hash = createHash("sha256").update(process.version);
	for (const name of PACKAGES) hash.update(await readFile(require.resolve(`${name}/package.json`)));
	for (const file of files.sort()) hash.update(`\n${file}\n`).update(await readFile(path.join(root, file)));
	return hash.digest("hex");
}

/** Its own hash stands before it: a disk that was full, or a machine that went down, leaves half of one. */
async function readKept(file: string): Promise<WorkflowBundleWithSourceMap | undefined> {
	let text: string;
	try {
		text = await readFile(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
	const end = text.indexOf("\n");
	const content = text.slice(end + 1);
	if (text.slice(0, end) !== hashOf(content)) return undefined;
	const now = new Date();
	await utimes(file, now, now);
	return readJson(content) as WorkflowBundleWithSourceMap;
}

async function keep(folder: string, file: string, bundle: WorkflowBundleWithSourceMap): Promise<void> {
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const content = JSON.stringify(bundle);
	const draft = `${file}.${process.pid}.new`;
	await writeFile(draft, `${hashOf(content)}\n${content}`, { mode: 0o600 });
	await rename(draft, file);
	await removeOldest(folder);
}

async function removeOldest(folder: string): Promise<void> {
	const files = (await readdir(folder)).filter((name) => FILE.test(name)).map((name) => path.join(folder, name));
	const dated = await Promise.all(files.map(async (file) => ({ file, usedAtMs: (await stat(file)).mtimeMs })));
	dated.sort((left, right) => right.usedAtMs - left.usedAtMs);
	for (const { file } of dated.slice(KEPT_BUNDLES)) await rm(file, { force: true });
}

function hashOf(content: string): string {
	return createHash("sha256").update(content).digest("hex");
}
