#!/usr/bin/env node
// The agent in a system of its own (temporary data, free ports, simulated provider), with its worker killed in the middle.
// Plain Node, because it also sets up a fresh clone.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
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
const home = mkdtempSync(path.join(tmpdir(), "tollgate-durable-agent-"));
const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.has(name) || !FOREIGN.test(name)));
const ports = Object.fromEntries(PORTS.map((name) => [`TOLLGATE_${name}_PORT`, "0"]));
const system = run(path.join(folder, "../../scripts/start.ts"), { ...ports, TOLLGATE_HOME: home });
let worker;
// A Ctrl-C reaches the children as well; this process goes on to clean up behind them.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => system.child.kill(signal));
try {
	const endpoints = await readWhenReady(path.join(home, "endpoints.json"));
	process.exitCode = await runAgent(endpoints);
} finally {
	worker?.child.kill("SIGTERM");
	await worker?.ended;
	system.child.kill("SIGTERM");
	await system.ended;
	rmSync(home, { recursive: true, force: true });
}

async function runAgent({ gateway, demoKey, temporalAddress, simulatedProvider }) {
	const environment = { GATEWAY_URL: gateway, GATEWAY_KEY: demoKey, TEMPORAL_ADDRESS: temporalAddress, AGENT_FOLDER: home };
	const startWorker = () => run(path.join(folder, "worker.ts"), environment, "pipe");
	worker = startWorker();
	const starter = run(path.join(folder, "start.ts"), environment);
	await sees(worker, "find_part");
	process.stdout.write("the worker is killed in the middle of find_part; another one starts\n");
	worker.child.kill("SIGKILL");
	worker = startWorker();
	void sees(worker, "").catch(() => undefined); // shows what it prints
	const exitCode = await starter.ended;
	const orders = readFileSync(path.join(home, "orders.jsonl"), "utf8").trim().split("\n");
	const paid = readFileSync(simulatedProvider.callLog, "utf8").trim().split("\n");
	process.stdout.write(`${orders.length} order, ${paid.length} model calls paid\n`);
	return exitCode;
}

/** Passes on what a worker prints; resolves at the first line that begins with `text`. */
async function sees(running, text) {
	return new Promise((resolve, reject) => {
		createInterface(running.child.stdout).on("line", (line) => {
			process.stdout.write(`  ${line}\n`);
			if (text !== "" && line.startsWith(text)) resolve();
		});
		void running.ended.then((code) => reject(new Error(`the worker ended (exit code ${code})`)));
	});
}

function run(file, environment, stdout = "inherit") {
	const child = spawn(nodeBinary, [file], { env: { ...inherited, ...environment }, stdio: ["ignore", stdout, "inherit"] });
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
