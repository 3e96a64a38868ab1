import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync } from "node:zlib";

/**
 * `npm run build:console`: builds `console/` to `console/dist` and prints its size. Skipped where the files it is made of
 * are the same as those of the last build; `--force` builds all the same, `--size` only prints.
 */

const PROJECT_FOLDER = path.join(import.meta.dirname, "..");
const CONSOLE_FOLDER = path.join(PROJECT_FOLDER, "console");
const BUILT_FOLDER = path.join(CONSOLE_FOLDER, "dist");
const FINGERPRINT_FILE = "fingerprint";
/** Compressing takes a second and more, which a start of what is already built need not wait for. */
const SIZE_FILE = "size.json";
/** Everything a build reads beside the packages, which the lock file stands for. */
const INPUTS = ["console", "domain", "package-lock.json", "scripts/build-console.ts"];
/** All JavaScript and CSS together, compressed by Brotli as they are served (gateway/administration/console-files.ts). */
export const CONSOLE_BYTES_MAX = 350 * 1024;

export type ConsoleSize = {
	readonly files: readonly { readonly name: string; readonly bytes: number; readonly compressedBytes: number }[];
	readonly compressedBytes: number;
};

if (import.meta.main) await main(process.argv.slice(2));

async function main(options: readonly string[]): Promise<void> {
	const isSizeAsked = options.includes("--size");
	const isBuilt = isSizeAsked ? false : await buildConsole({ isForced: options.includes("--force") });
	const { files, compressedBytes } = isSizeAsked ? measureConsole() : readSize();
	for (const { name, bytes, compressedBytes: compressed } of files) say(`${kibibytes(compressed).padStart(10)}  of ${kibibytes(bytes).padStart(10)}  ${name}`);
	say(
		`console: ${kibibytes(compressedBytes)} of JavaScript and CSS compressed by Brotli, at most ${kibibytes(CONSOLE_BYTES_MAX)}${isBuilt ? "" : " (already built)"}`,
	);
	if (compressedBytes > CONSOLE_BYTES_MAX) process.exitCode = 1;
}

/** @returns false where the last build was of the same files. @throws what Vite says of a file it cannot build; what was built before then stays. */
export async function buildConsole({ isForced = false } = {}): Promise<boolean> {
	const fingerprint = fingerprintInputs();
	if (!isForced && isFresh(fingerprint)) return false;
	mkdirSync(path.join(PROJECT_FOLDER, "node_modules/.cache"), { recursive: true });
	const draftFolder = mkdtempSync(path.join(PROJECT_FOLDER, "node_modules/.cache/console-"));
	try {
		await buildInto(draftFolder);
		writeFileSync(path.join(draftFolder, SIZE_FILE), JSON.stringify(measureConsole(draftFolder)));
		writeFileSync(path.join(draftFolder, FINGERPRINT_FILE), fingerprint);
		publish(draftFolder);
	} finally {
		rmSync(draftFolder, { recursive: true, force: true });
	}
	return true;
}

async function buildInto(folder: string): Promise<void> {
	const { NODE_ENV: outside } = process.env;
	// Else what the caller is (a test, a development) would be built into the pages.
	process.env["NODE_ENV"] = "production";
	try {
		await buildForBrowsers(folder);
	} finally {
		if (outside === undefined) delete process.env["NODE_ENV"];
		else process.env["NODE_ENV"] = outside;
	}
}

async function buildForBrowsers(folder: string): Promise<void> {
	// Not loaded by a start of what is already built.
	const [{ build }, { default: react }] = await Promise.all([import("vite"), import("@vitejs/plugin-react")]);
	await build({
		configFile: false,
		root: CONSOLE_FOLDER,
		base: "/console/",
		logLevel: "warn",
		plugins: [react()],
		// The server puts a nonce of its own in its place in every answer.
		html: { cspNonce: "__CSP_NONCE__" },
		// A picture as data: would be counted as script; a font or picture that a page needs is a file.
		build: { outDir: folder, emptyOutDir: true, assetsInlineLimit: 0, target: "es2022", modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1_000 },
	});
}

/** A browser that loads pages meanwhile finds the old files or the new ones; two builds at once both end with a whole folder. */
function publish(draftFolder: string): void {
	const oldFolder = `${draftFolder}.old`;
	if (existsSync(BUILT_FOLDER)) renameSync(BUILT_FOLDER, oldFolder);
	try {
		renameSync(draftFolder, BUILT_FOLDER);
	} catch (error) {
		// Another build was quicker.
		if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
	} finally {
		rmSync(oldFolder, { recursive: true, force: true });
	}
}

function isFresh(fingerprint: string): boolean {
	const file = path.join(BUILT_FOLDER, FINGERPRINT_FILE);
	return existsSync(file) && readFileSync(file, "utf8") === fingerprint;
}

function fingerprintInputs(): string {
	const hash = createHash("sha256");
	for (const file of INPUTS.flatMap(listFiles))
		hash
			.update(`${file}\0`)
			.update(readFileSync(path.join(PROJECT_FOLDER, file)))
			.update("\0");
	return hash.digest("hex");
}

function listFiles(name: string): string[] {
	if (name === "console/dist") return [];
	if (path.extname(name) !== "") return [name];
	return readdirSync(path.join(PROJECT_FOLDER, name), { withFileTypes: true })
		.map((entry) => ({ name: path.posix.join(name, entry.name), isFolder: entry.isDirectory() }))
		.sort((one, other) => (one.name < other.name ? -1 : 1))
		.flatMap((entry) => (entry.isFolder ? listFiles(entry.name) : [entry.name]));
}

/** What a browser loads, every page together, the largest first. @throws Error where nothing is built. */
export function measureConsole(builtFolder = BUILT_FOLDER): ConsoleSize {
	const folder = path.join(builtFolder, "assets");
	const files = readdirSync(folder)
		.filter((name) => /\.(js|css)$/.test(name))
		.map((name) => {
			const bytes = readFileSync(path.join(folder, name));
			return { name, bytes: bytes.length, compressedBytes: brotliCompressSync(bytes).length };
		})
		.sort((one, other) => other.compressedBytes - one.compressedBytes);
	return { files, compressedBytes: files.reduce((sum, file) => sum + file.compressedBytes, 0) };
}

/** What the build measured. */
function readSize(): ConsoleSize {
	return JSON.parse(readFileSync(path.join(BUILT_FOLDER, SIZE_FILE), "utf8")) as ConsoleSize;
}

function kibibytes(bytes: number): string {
	return `${(bytes / 1024).toFixed(1)} KiB`;
}

function say(line: string): void {
	process.stdout.write(`${line}\n`);
}
