import { createInterface } from "node:readline/promises";
import { runCommandLine } from "./run.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
	writeLine: (line) => process.stdout.write(`${line}\n`),
	writeError: (line) => process.stderr.write(`${line}\n`),
	environment: process.env,
	...(process.stdin.isTTY && process.stdout.isTTY && { ask }),
});

async function ask(question: string): Promise<string> {
	const reader = createInterface({ input: process.stdin, output: process.stdout });
	try {
		return await reader.question(question);
	} finally {
		reader.close();
	}
}
