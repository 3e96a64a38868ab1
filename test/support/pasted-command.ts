import { execFileSync } from "node:child_process";
import { runCommandLine } from "#clients/command-line/run.ts";

const TOLLGATE = ["npx", "tollgate"];

/** The words that a POSIX shell hands to `npx` when the command is pasted. */
export function pastedWords(command: string): string[] {
	const script = `npx() { printf 'npx\\0'; printf '%s\\0' "$@"; }\n${command}`;
	return execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
}

/**
 * Exit code of the command line for a command out of a message, with its capitals filled in. No system is there: a command
 * that the command line understands ends with 3, one that it does not with 2.
 */
export async function exitCodeOfPasted(command: string): Promise<number> {
	const words = pastedWords(command.replaceAll(/\b(USD|TOKENS|STEPS)\b/g, "1000"));
	if (words.slice(0, 2).join() !== TOLLGATE.join()) throw new Error(`not one of our commands: ${words.join(" ")}`);
	return runCommandLine(words.slice(2), { writeLine: () => {}, writeError: () => {}, environment: { TOLLGATE_HOME: "/nonexistent" } });
}
