#!/usr/bin/env node
// `npx tollgate …`: sets the clone up when needed, then runs the command line with the project's own Node.
import { spawn } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ensureInstalled } from "./setup.mjs";

const nodeBinary = await ensureInstalled();
const main = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "clients", "command-line", "main.ts");
const compiled = path.join(process.env.TOLLGATE_CACHE || path.join(homedir(), ".cache", "tollgate"), "compiled");
const child = spawn(nodeBinary, [main, ...process.argv.slice(2)], { stdio: "inherit", env: { NODE_COMPILE_CACHE: compiled, ...process.env } });
// A terminal sends Ctrl-C to the child as well; this process only has to outlive it and hand on its exit code.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("error", (error) => {
	process.stderr.write(`tollgate: ${error.message}\n`);
	process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
