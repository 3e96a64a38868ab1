#!/usr/bin/env node
// Both agents in a system of their own: temporary data, free ports, simulated provider, nothing left behind.
// Plain Node, because it also sets up a fresh clone.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ensureInstalled } from "../../scripts/setup.mjs";

const folder = path.dirname(fileURLToPath(import.meta.url));
const LOOK_EVERY_MS = 100;
const PORTS = ["GATEWAY", "ADMIN", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "PROVIDER"];
const KEPT = new Set(["TOLLGATE_CACHE", "TOLLGATE_TEMPORAL_BINARY"]);
/** A live system's settings, other servers and real keys are none of this example's business. */
const FOREIGN = /^(TOLLGATE_|TEMPORAL_|OPENAI_|ANTHROPIC_|DATABASE_URL$|PG[A-Z]+$|npm_)/;

const nodeBinary = await ensureInstalled();
const home = mkdtempSync(path.join(tmpdir(), "tollgate-quick-start-"));
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.has(name) || !FOREIGN.test(name)));
const ports = Object.fromEntries(PORTS.map((name) => [`TOLLGATE_${name}_PORT`, "0"]));
const system = run(path.join(folder, "../../scripts/start.ts"), { ...ports, TOLLGATE_HOME: home });
// A Ctrl-C reaches the children as well; this process goes on to clean up behind them.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => system.child.kill(signal));
try {
	const { gateway, demoKey } = await readWhenReady(path.join(home, "endpoints.json"));
	process.exitCode = await runAgents(gateway, demoKey);
} finally {
	system.child.kill("SIGTERM");
	await system.ended;
	rmSync(home, { recursive: true, force: true });
}

/** Exit code of the first agent that fails, else 0. */
async function runAgents(gateway, demoKey) {
	const agents = {
		"openai-agent.ts": { OPENAI_BASE_URL: `${gateway}/v1`, OPENAI_API_KEY: demoKey },
		"anthropic-agent.ts": { ANTHROPIC_BASE_URL: gateway, ANTHROPIC_API_KEY: demoKey },
	};
	for (const [file, environment] of Object.entries(agents)) {
		process.stdout.write(`\n${file}\n`);
		const exitCode = await run(path.join(folder, file), environment).ended;
		if (exitCode !== 0) return exitCode;
	}
	return 0;
}

function run(file, environment) {
	const child = spawn(nodeBinary, [file], { env: { ...inherited, ...environment }, stdio: "inherit" });
	const ended = new Promise((resolve, reject) => {
		child.once("error", reject);
		child.once("exit", (code) => resolve(code ?? 1));
	});
	return { child, ended };
}

/** The system writes its addresses in one step once it serves. */
async function readWhenReady(file) {
	const death = system.ended.then((code) => ({ code }));
	while (!existsSync(file)) {
		const dead = await Promise.race([death, delay(LOOK_EVERY_MS)]);
		if (dead !== undefined) throw new Error(`the system ended while starting (exit code ${dead.code})`);
	}
	return JSON.parse(readFileSync(file, "utf8"));
}
