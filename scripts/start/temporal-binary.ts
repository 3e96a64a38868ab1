import { execFile, spawn } from "node:child_process";
import type { Stats } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

/**
 * Finds the Temporal command line whose `server start-dev` is the local server, or brings one into the cache. In order: the
 * one named by TOLLGATE_TEMPORAL_BINARY (never replaced by another), PATH, the cache, the download that the Temporal SDK
 * itself uses, a build with Go.
 */
export type TemporalBinaryOptions = {
	/** Path given by the user; null when none was. */
	readonly named: string | null;
	/** Folder of downloaded and built binaries. */
	readonly cache: string;
	readonly onProgress: (line: string) => void;
	/** Ends a download or build that is under way. */
	readonly signal?: AbortSignal;
	/** Overrides for tests. */
	readonly environment?: NodeJS.ProcessEnv;
	readonly downloadSilenceMs?: number;
	readonly buildMs?: number;
};

const VERSION = "v1.5.1";
const MODULE = `github.com/temporalio/cli/cmd/temporal@${VERSION}`;
const FILE_NAME = process.platform === "win32" ? "temporal.exe" : "temporal";
const DOWNLOAD_SILENCE_MS = 20_000;
const BUILD_MS = 600_000;
const PROGRESS_EVERY_MS = 15_000;

const execute = promisify(execFile);

/** @returns absolute path of a binary that runs. @throws Error with everything that was tried and what to do. */
export async function acquireTemporalBinary(options: TemporalBinaryOptions): Promise<string> {
	if (options.named !== null) return requireNamed(path.resolve(options.named));
	const cached = path.join(options.cache, "temporal", FILE_NAME);
	const tried: string[] = [];
	const steps: readonly [what: string, step: () => Promise<string>][] = [
		["`temporal` on PATH", () => findOnPath(options.environment ?? process.env)],
		[`the cached ${cached}`, () => requireUsable(cached)],
		["the download of the Temporal SDK", () => intoCache(cached, (folder) => download(folder, options))],
		[`\`go install ${MODULE}\``, () => intoCache(cached, (folder) => build(folder, options))],
	];
	for (const [what, step] of steps) {
		try {
			return await step();
		} catch (error) {
			options.signal?.throwIfAborted();
			tried.push(`  - ${what}: ${error instanceof Error ? error.message : String(error)}`);
		}
	}
	throw new Error(
		`There is no Temporal server to run. Tried:\n${tried.join("\n")}\nInstall the Temporal command line (https://docs.temporal.io/cli) so that \`temporal\` is on PATH, ` +
			"or install Go 1.25 or newer and start again, or name a binary with TOLLGATE_TEMPORAL_BINARY, or set TEMPORAL_ADDRESS to a server of your own.",
	);
}

async function requireNamed(file: string): Promise<string> {
	try {
		return await requireUsable(file);
	} catch (error) {
		const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, " ") : String(error);
		throw new Error(
			`TOLLGATE_TEMPORAL_BINARY names ${file}, which cannot be used: ${reason}. Name the Temporal command line there (https://docs.temporal.io/cli), ` +
				"or unset the variable to have one found, downloaded or built here.",
			{ cause: error },
		);
	}
}

async function requireUsable(file: string): Promise<string> {
	try {
		const { stdout } = await execute(file, ["--version"], { timeout: 30_000 });
		if (/temporal/i.test(stdout)) return file;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Error("not there", { cause: error });
		throw new Error(`${file} does not run (${error instanceof Error ? error.message.trim() : String(error)})`, { cause: error });
	}
	throw new Error(`${file} is not the Temporal command line`);
}

async function findOnPath(environment: NodeJS.ProcessEnv): Promise<string> {
	for (const folder of (environment["PATH"] ?? "").split(path.delimiter).filter(path.isAbsolute)) {
		const candidate = path.join(folder, FILE_NAME);
		if (await exists(candidate)) return requireUsable(candidate);
	}
	throw new Error("not there");
}

/** Whatever ends up in the cache is whole: it is made in a folder of its own beside it, tried, and moved. */
async function intoCache(cached: string, make: (folder: string) => Promise<string>): Promise<string> {
	const parent = path.dirname(cached);
	await mkdir(parent, { recursive: true });
	const folder = await mkdtemp(path.join(parent, "making-"));
	try {
		await rename(await requireUsable(await make(folder)), cached);
		return cached;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

/** The SDK downloads and starts in one step and tells nothing meanwhile, so a child does it and its folder is watched. */
async function download(folder: string, options: TemporalBinaryOptions): Promise<string> {
	options.onProgress("downloading the Temporal dev server (about 50 MB, once)");
	const silenceMs = options.downloadSilenceMs ?? DOWNLOAD_SILENCE_MS;
	const script = path.join(import.meta.dirname, "download-temporal.ts");
	await runBounded(process.execPath, [script, folder], {
		environment: options.environment ?? process.env,
		options,
		what: "downloading",
		isOverdue: watchGrowth(folder, silenceMs),
		overdueMessage: `gave up after ${silenceMs / 1000} s without a byte`,
	});
	const [file] = (await readdir(folder)).filter((name) => !name.endsWith(".downloading"));
	if (file === undefined) throw new Error("it left no file");
	return path.join(folder, file);
}

async function build(folder: string, options: TemporalBinaryOptions): Promise<string> {
	const environment = options.environment ?? process.env;
	await requireGo(environment, options.signal);
	options.onProgress("building the Temporal dev server with Go (about 3 minutes, once)");
	const buildMs = options.buildMs ?? BUILD_MS;
	const deadline = performance.now() + buildMs;
	await runBounded("go", ["install", MODULE], {
		environment: { ...environment, GOBIN: folder },
		options,
		what: "building",
		isOverdue: async () => performance.now() > deadline,
		overdueMessage: `gave up after ${Math.round(buildMs / 60_000)} minutes`,
	});
	return path.join(folder, FILE_NAME);
}

async function requireGo(environment: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<void> {
	try {
		await execute("go", ["version"], { env: environment, timeout: 30_000, ...(signal ? { signal } : {}) });
	} catch (error) {
		throw new Error("there is no Go toolchain here (1.25 or newer is needed, https://go.dev/dl)", { cause: error });
	}
}

function watchGrowth(folder: string, silenceMs: number): () => Promise<boolean> {
	let lastSize = -1;
	let lastGrowthAt = performance.now();
	return async () => {
		const size = await sizeOf(folder);
		if (size !== lastSize) lastGrowthAt = performance.now();
		lastSize = size;
		return performance.now() - lastGrowthAt > silenceMs;
	};
}

async function sizeOf(folder: string): Promise<number> {
	const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await statIfPresent(path.join(folder, name)))?.size ?? 0));
	return sizes.reduce((sum, size) => sum + size, 0);
}

type Bounds = {
	readonly environment: NodeJS.ProcessEnv;
	readonly options: TemporalBinaryOptions;
	readonly what: string;
	readonly isOverdue: () => Promise<boolean>;
	readonly overdueMessage: string;
};

/** Runs a command in a process group of its own, so that giving up ends the compilers it started as well. */
async function runBounded(file: string, args: readonly string[], bounds: Bounds): Promise<void> {
	const startedAt = performance.now();
	const child = spawn(file, args, { env: bounds.environment, stdio: ["ignore", "ignore", "pipe"], detached: true });
	let output = "";
	child.stderr.on("data", (chunk: Buffer) => {
		output = (output + chunk.toString()).slice(-4_000);
	});
	const ended = new Promise<string | null>((resolve) => {
		child.once("error", (error) => resolve(error.message));
		child.once("close", (code, signal) => resolve(code === 0 ? null : `it ended with ${code ?? signal}: ${lastLine(output)}`));
	});
	let nextProgressAt = startedAt + PROGRESS_EVERY_MS;
	for (;;) {
		const outcome = await Promise.race([ended, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 500))]);
		if (outcome === null) return;
		if (outcome !== undefined) throw new Error(outcome);
		const isAborted = bounds.options.signal?.aborted === true;
		if (isAborted || (await bounds.isOverdue())) {
			endGroup(child.pid);
			await ended;
			throw new Error(isAborted ? "stopped" : bounds.overdueMessage);
		}
		if (performance.now() < nextProgressAt) continue;
		nextProgressAt += PROGRESS_EVERY_MS;
		bounds.options.onProgress(`still ${bounds.what} (${Math.round((performance.now() - startedAt) / 1000)} s)`);
	}
}

function endGroup(pid: number | undefined): void {
	if (pid === undefined) return;
	try {
		process.kill(-pid, "SIGKILL");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

function lastLine(output: string): string {
	return output.trim().split("\n").at(-1)?.trim() ?? "";
}

async function exists(file: string): Promise<boolean> {
	return (await statIfPresent(file)) !== null;
}

async function statIfPresent(file: string): Promise<Stats | null> {
	try {
		return await stat(file);
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		if (code === "ENOENT" || code === "ENOTDIR") return null;
		throw error;
	}
}
