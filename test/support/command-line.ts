import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { runCommandLine } from "#clients/command-line/run.ts";
import { openTestAdministration, type TestAdministration } from "./administration.ts";

export type CommandLineHome = {
	readonly administration: TestAdministration;
	/** The folder that `TOLLGATE_HOME` names: `endpoints.json`, and the key of "ada" in `admin-key`. */
	readonly home: string;
	close(): Promise<void>;
};

/** An administration API that listens, and a home folder that leads the command line to it. */
export async function openCommandLineHome(): Promise<CommandLineHome> {
	const administration = await openTestAdministration();
	const admin = await administration.app.listen({ host: "127.0.0.1", port: 0 });
	const home = await mkdtemp(path.join(tmpdir(), "tollgate-home-"));
	const adminKeyFile = path.join(home, "admin-key");
	await writeFile(adminKeyFile, `${administration.adminKey}\n`);
	await writeFile(
		path.join(home, "endpoints.json"),
		JSON.stringify({ admin, adminKeyFile, demoKey: `tg-${"d".repeat(43)}`, databaseUrl: administration.databaseUrl }),
	);
	return {
		administration,
		home,
		async close() {
			await administration.close();
			await rm(home, { recursive: true });
		},
	};
}

/**
 * Runs commands in this process and keeps what the last of them wrote. `environmentNow` is what a command finds where
 * the test says nothing else.
 */
export function openTestTerminal(environmentNow: () => Record<string, string>) {
	// The same two lists for every command.
	const output: string[] = [];
	const errors: string[] = [];

	/** The exit code. Words are split at blanks; quoted arguments are given as a list. */
	async function run(line: string | readonly string[], environment: Record<string, string> = environmentNow()): Promise<number> {
		output.length = 0;
		errors.length = 0;
		return runCommandLine(wordsOf(line), { writeLine: (text) => output.push(text), writeError: (text) => errors.push(text), environment });
	}

	/** What a command prints with `--json`, in one line and with exit code 0. */
	async function runJson(line: string | readonly string[]) {
		const code = await run([...wordsOf(line), "--json"]);
		expect(code, errors.join("\n")).toBe(0);
		expect(output).toHaveLength(1);
		return JSON.parse(output[0] ?? "");
	}

	return { output, errors, run, runJson };
}

function wordsOf(line: string | readonly string[]): readonly string[] {
	return typeof line === "string" ? line.split(" ") : line;
}
