// Installs the packages of package-lock.json when they are missing or stale. Plain Node, no dependencies: it runs before
// anything is installed. All output goes to stderr, so that a command behind it keeps its stdout to itself.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, lstatSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const projectFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const markFile = path.join(projectFolder, "node_modules", ".tollgate-installed");
const nodeBinary = path.join(projectFolder, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
const OLDEST_NODE = [20, 11];
const PROGRESS_EVERY_MS = 10_000;

/** Path of the Node 24 that runs everything; installs first when the lock file or the dependencies changed since the last time. */
export async function ensureInstalled() {
	requireNode();
	const fingerprint = readFingerprint();
	if (!isInstalled(fingerprint)) await withInstallLock(fingerprint);
	return nodeBinary;
}

function requireNode() {
	const [major, minor] = process.versions.node.split(".").map(Number);
	if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
	fail(
		`Tollgate sets itself up with Node ${OLDEST_NODE.join(".")} or newer, and this is Node ${process.versions.node}. Install a newer Node (nodejs.org) and run the command again.`,
	);
}

function readFingerprint() {
	const { dependencies, devDependencies, overrides, allowScripts } = JSON.parse(readFileSync(path.join(projectFolder, "package.json"), "utf8"));
	return (
		createHash("sha256")
			.update(readFileSync(path.join(projectFolder, "package-lock.json")))
			.update(JSON.stringify([dependencies, devDependencies, overrides, allowScripts]))
			// Packages carry binaries for one platform.
			.update(`${process.platform} ${process.arch}`)
			.digest("hex")
	);
}

function isInstalled(fingerprint) {
	return existsSync(markFile) && readFileSync(markFile, "utf8") === fingerprint && existsSync(nodeBinary);
}

async function withInstallLock(fingerprint) {
	// Outside node_modules, which an install deletes.
	const lockFile = path.join(tmpdir(), `tollgate-install-${createHash("sha256").update(projectFolder).digest("hex").slice(0, 16)}.lock`);
	await takeLock(lockFile);
	try {
		if (!isInstalled(fingerprint)) await install(fingerprint);
	} finally {
		rmSync(lockFile, { force: true });
	}
}

async function takeLock(lockFile) {
	for (let isFirstTry = true; ; isFirstTry = false) {
		try {
			const descriptor = openSync(lockFile, "wx");
			writeSync(descriptor, String(process.pid));
			closeSync(descriptor);
			return;
		} catch (error) {
			if (error.code !== "EEXIST") throw error;
		}
		if (isAbandoned(lockFile)) rmSync(lockFile, { force: true });
		else {
			if (isFirstTry) say("another process is installing packages here; waiting for it");
			await new Promise((resolve) => setTimeout(resolve, 500));
		}
	}
}

function isAbandoned(lockFile) {
	try {
		const pid = Number(readFileSync(lockFile, "utf8"));
		// A holder that has not written its number yet is at most a moment old.
		if (pid === 0) return Date.now() - statSync(lockFile).mtimeMs > 5_000;
		process.kill(pid, 0);
		return false;
	} catch (error) {
		return error.code === "ESRCH";
	}
}

/** `npm ci` empties the folder it installs into, and behind a link that is another one's. */
function refuseLink() {
	const folder = path.join(projectFolder, "node_modules");
	if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink())
		fail(`${folder} is a link, and installing here would empty the folder it leads to. Remove the link, then run the command again.`);
}

async function install(fingerprint) {
	refuseLink();
	say("installing packages from package-lock.json (about a minute the first time)");
	const startedAt = Date.now();
	const timer = setInterval(() => say(`still installing packages (${Math.round((Date.now() - startedAt) / 1000)} s)`), PROGRESS_EVERY_MS);
	// A package whose install script nobody allowed stops the install. An older npm, which knows no such policy, takes no notice.
	const { code, output } = await runNpm(["ci", "--include=dev", "--strict-allow-scripts", "--no-audit", "--no-fund"]);
	clearInterval(timer);
	if (code !== 0) {
		fail(`\`npm ci\` failed (exit code ${code}):\n${pickErrors(output)}\nCheck that the package registry is reachable, then run the command again.`);
	}
	checkNode();
	writeFileSync(markFile, fingerprint);
	say(`packages installed in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

function runNpm(args) {
	// The npm that runs this script, when one does; its file runs with whatever Node this is.
	const npmScript = process.env.npm_execpath;
	const isNpm = npmScript !== undefined && /npm-cli\.c?js$/.test(npmScript);
	const [file, fullArgs] = isNpm ? [process.execPath, [npmScript, ...args]] : [process.platform === "win32" ? "npm.cmd" : "npm", args];
	return new Promise((resolve) => {
		const child = spawn(file, fullArgs, { cwd: projectFolder, stdio: ["ignore", "pipe", "pipe"] });
		let output = "";
		for (const stream of [child.stdout, child.stderr]) {
			stream.on("data", (chunk) => {
				output = (output + chunk).slice(-20_000);
			});
		}
		child.on("error", (error) => resolve({ code: error.code, output: error.message }));
		child.on("close", (code, signal) => resolve({ code: code ?? signal, output }));
	});
}

function pickErrors(output) {
	const lines = output.trim().split("\n");
	const errors = lines.filter((line) => line.startsWith("npm error") && line.trim() !== "npm error");
	return (errors.length > 0 ? errors.slice(0, 12) : lines.slice(-20)).join("\n");
}

function checkNode() {
	const version = spawnSync(nodeBinary, ["--version"], { encoding: "utf8" });
	if (version.status === 0) return;
	fail(
		"The packages are installed, but the `node` package brought no Node 24: install scripts seem to be switched off. Allow them (`npm config get ignore-scripts` should say false) and run the command again.",
	);
}

function say(line) {
	process.stderr.write(`tollgate: ${line}\n`);
}

function fail(message) {
	process.stderr.write(`\n${message}\n`);
	process.exit(1);
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await ensureInstalled();
