import { runCommandLine } from "./run.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
	writeLine: (line) => process.stdout.write(`${line}\n`),
	writeError: (line) => process.stderr.write(`${line}\n`),
	environment: process.env,
});
