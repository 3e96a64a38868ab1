import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";

/** One file of the built console. */
export type ConsoleFile = { readonly type: string; readonly body: Buffer; readonly encoding: "br" | "gzip" | undefined };

const TYPES: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".json": "application/json; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
	".ico": "image/x-icon",
	".woff2": "font/woff2",
	".txt": "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
};
const COMPRESSIBLE = /^(text|application\/json|image\/svg)/;
const COMPRESS = { br: promisify(brotliCompress), gzip: promisify(gzip) } as const;
const PAGE = "index.html";

/**
 * The files of the built console in memory, by their names: a few dozen, compressed once each, and no path that leads out of the folder, since nothing is
 * looked up on the disk by what was asked for. Read again where it was built anew.
 */
export class ConsoleFiles {
	readonly #folder: string;
	#files = new Map<string, Buffer>();
	#compressed = new Map<string, Promise<Buffer>>();
	#builtAtMs = 0;

	constructor(folder: string) {
		this.#folder = folder;
	}

	/** The page as it was built; undefined where the console is not built. */
	async page(): Promise<string | undefined> {
		await this.#readAgain();
		return this.#files.get(PAGE)?.toString("utf8");
	}

	/** By its path below the folder, like "assets/main-abc.js"; undefined where there is none. `accepted`: the header Accept-Encoding. */
	async file(name: string, accepted: string | undefined): Promise<ConsoleFile | undefined> {
		await this.#readAgain();
		const body = this.#files.get(name);
		if (body === undefined) return undefined;
		const type = TYPES[path.extname(name)] ?? "application/octet-stream";
		const encoding = COMPRESSIBLE.test(type) ? (["br", "gzip"] as const).find((one) => accepts(accepted, one)) : undefined;
		return { type, encoding, body: encoding === undefined ? body : await this.#compress(name, body, encoding) };
	}

	#compress(name: string, body: Buffer, encoding: "br" | "gzip"): Promise<Buffer> {
		const key = `${encoding} ${name}`;
		const known = this.#compressed.get(key);
		if (known !== undefined) return known;
		const compressed = COMPRESS[encoding](body);
		this.#compressed.set(key, compressed);
		return compressed;
	}

	/** The page is written last: while it is the one that was read, so is everything it names. */
	async #readAgain(): Promise<void> {
		const builtAtMs = await modifiedAtMs(path.join(this.#folder, PAGE));
		if (builtAtMs === this.#builtAtMs) return;
		this.#files = builtAtMs === 0 ? new Map() : await readFiles(this.#folder);
		this.#compressed = new Map();
		this.#builtAtMs = builtAtMs;
	}
}

function accepts(header: string | undefined, encoding: string): boolean {
	return (header ?? "").split(",").some((part) => part.trim() === encoding || (part.trim().startsWith(`${encoding};`) && !/;\s*q=0(\.0*)?$/.test(part)));
}

/** 0: there is none. */
async function modifiedAtMs(file: string): Promise<number> {
	try {
		return (await stat(file)).mtimeMs;
	} catch (error) {
		if (isAbsent(error)) return 0;
		throw error;
	}
}

/** Regular files alone: a link could lead anywhere. */
async function readFiles(folder: string): Promise<Map<string, Buffer>> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	const names = entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
	return new Map(await Promise.all(names.map(async (name) => [name.split(path.sep).join("/"), await readFile(path.join(folder, name))] as const)));
}

function isAbsent(error: unknown): boolean {
	return (error as NodeJS.ErrnoException).code === "ENOENT";
}
