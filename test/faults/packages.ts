import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { expect } from "vitest";
import type { Fault, FaultRun } from "./fault.ts";

/** A package that is not what the lock file names. The set-up of this project installs it from a registry on loopback. */

const SETUP = path.join(import.meta.dirname, "../../scripts/setup.mjs");
const BLOCK = 512;

type Package = { readonly name: string; readonly files: Readonly<Record<string, string>> };

/** A tarball as npm packs it: ustar, everything under `package/`. */
async function pack({ files }: Package): Promise<Buffer> {
	const blocks = Object.entries(files).flatMap(([name, text]) => {
		const content = Buffer.from(text);
		const head = Buffer.alloc(BLOCK);
		head.write(`package/${name}`, 0);
		head.write("0000644\0", 100);
		head.write("0000000\0", 108);
		head.write("0000000\0", 116);
		head.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
		head.write("00000000000\0", 136);
		head.write("        ", 148);
		head.write("0", 156);
		head.write("ustar\u000000", 257);
		const sum = head.reduce((total, byte) => total + byte, 0);
		head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
		return [head, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
	});
	return promisify(gzip)(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)])) as Promise<Buffer>;
}

const integrityOf = (tarball: Buffer): string => `sha512-${createHash("sha512").update(tarball).digest("base64")}`;

function toll(marker: string, script?: string): Package {
	const manifest = { name: "toll", version: "1.0.0", ...(script !== undefined && { scripts: { postinstall: script } }) };
	return { name: "toll", files: { "package.json": JSON.stringify(manifest), "index.js": `module.exports = ${JSON.stringify(marker)};\n` } };
}

async function serve(run: FaultRun, tarball: Buffer): Promise<string> {
	const server = createServer((_request, response) => response.writeHead(200, { "content-type": "application/octet-stream" }).end(tarball));
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	run.defer(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A clone whose lock file names one package, and the set-up of this project run in it. */
async function setUp(
	run: FaultRun,
	{ served, locked, hasInstallScript }: { served: Buffer; locked: string; hasInstallScript: boolean },
): Promise<{ folder: string; exitCode: number; output: string }> {
	const folder = await mkdtemp(path.join(tmpdir(), "tollgate-clone-"));
	run.defer(() => rm(folder, { recursive: true, force: true }));
	const registry = await serve(run, served);
	const dependencies = { toll: "1.0.0" };
	await mkdir(path.join(folder, "scripts"));
	await cp(SETUP, path.join(folder, "scripts/setup.mjs"));
	await writeFile(path.join(folder, "package.json"), JSON.stringify({ name: "clone", version: "1.0.0", type: "module", dependencies, allowScripts: {} }));
	const entry = { version: "1.0.0", resolved: `${registry}/toll/-/toll-1.0.0.tgz`, integrity: locked, ...(hasInstallScript && { hasInstallScript: true }) };
	await writeFile(
		path.join(folder, "package-lock.json"),
		JSON.stringify({
			name: "clone",
			version: "1.0.0",
			lockfileVersion: 3,
			requires: true,
			packages: { "": { name: "clone", version: "1.0.0", dependencies }, "node_modules/toll": entry },
		}),
	);
	const child = spawn(process.execPath, [path.join(folder, "scripts/setup.mjs")], {
		cwd: folder,
		env: {
			...process.env,
			npm_config_registry: registry,
			npm_config_cache: path.join(folder, "cache"),
			npm_config_fetch_retries: "0",
			npm_config_update_notifier: "false",
		},
		stdio: ["ignore", "pipe", "pipe"],
	});
	let output = "";
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk));
	const [exitCode] = (await once(child, "close")) as [number];
	return { folder: path.join(folder, "node_modules/toll"), exitCode, output };
}

async function askNpm(setting: string): Promise<string> {
	const { stdout } = await promisify(execFile)("npm", ["config", "get", setting]);
	return stdout.trim();
}

export const PACKAGE_FAULTS: readonly Fault[] = [
	{
		id: "F42",
		name: "a package that is not the one of the lock file, and one with an install script nobody allowed",
		async run(run) {
			const genuine = await pack(toll("genuine"));
			const tampered = await pack(toll(`tampered ${run.random.text(8)}`));
			const refused = await setUp(run, { served: tampered, locked: integrityOf(genuine), hasInstallScript: false });
			expect([refused.exitCode, refused.output]).toEqual([1, expect.stringContaining("EINTEGRITY")]);
			expect(existsSync(refused.folder), "the tampered package").toBe(false);
			// The same set-up takes the genuine one, so that it was the hash which stopped it.
			const installed = await setUp(run, { served: genuine, locked: integrityOf(genuine), hasInstallScript: false });
			expect(await readFile(path.join(installed.folder, "index.js"), "utf8"), installed.output).toContain("genuine");
			if ((await askNpm("strict-allow-scripts")) !== "false")
				return { counts: null, recoveryMs: null, note: "install scripts not run: this npm knows no policy for them" };
			const scripted = await pack(toll("scripted", "node -e \"require('fs').writeFileSync('ran','')\""));
			const stopped = await setUp(run, { served: scripted, locked: integrityOf(scripted), hasInstallScript: true });
			expect([stopped.exitCode, stopped.output]).toEqual([1, expect.stringContaining("toll@1.0.0 (install")]);
			expect(existsSync(path.join(stopped.folder, "ran")), "an install script nobody allowed").toBe(false);
			return { counts: null, recoveryMs: null };
		},
	},
];
