import type { Command } from "commander";
import type { AppliedPolicy, PolicyDiff, PolicyFileRequest } from "../../administration-client.ts";
import { PolicyRefusal } from "../../errors.ts";
import { type ActionContext, addCommand, addGroup } from "../command.ts";
import { CommandFailure, cell, type Terminal, table } from "../output.ts";
import { readNamedFile } from "../values.ts";

type FileOptions = { prune?: boolean };
type ApplyOptions = FileOptions & { basis?: string; yes?: boolean };

const REFUSED = 1;
/** Of `diff`, which says with 1 that something would change. */
const UNREADABLE = 2;
const PRUNE = "archive what the file leaves out; without it everything else stays as it is";

export function addPolicyCommands(program: Command, terminal: Terminal): void {
	addDiff(program, terminal);
	addApply(program, terminal);
	const policy = addGroup(program, "policy", { summary: "the policy as a whole: show, history", example: "npx tollgate policy show > policy.yaml" });
	addCommand(policy, terminal, {
		usage: "show [REVISION]",
		summary: "what holds now, or held since a revision, as a file that apply takes",
		example: "npx tollgate policy show > policy.yaml",
		run: async ({ system, print, arguments: [revision] }) => {
			const shown = revision === undefined ? await system().policy.read() : await system().policy.show(revision);
			print(shown, shown.text.trimEnd());
		},
	});
	addCommand(policy, terminal, {
		usage: "history",
		summary: "policies that were applied, by whom and when, the newest first",
		example: "npx tollgate policy history",
		run: async ({ system, print }) => {
			const revisions = await system().policy.history();
			const rows = revisions.map(({ revision, at, adminName, changeCount, parent }) => [revision, at, adminName, String(changeCount), cell(parent)]);
			print(revisions, table(["REVISION", "AT", "BY", "CHANGES", "AFTER"], rows));
		},
	});
	const imports = addGroup(program, "import", {
		summary: "a policy out of another system's settings",
		example: "npx tollgate import litellm config.yaml > policy.yaml",
	});
	addCommand(imports, terminal, {
		usage: "litellm <CONFIG>",
		summary: "print a LiteLLM proxy configuration as a policy file, and on stderr what it cannot carry over",
		example: "npx tollgate import litellm config.yaml > policy.yaml",
		run: async ({ system, print, arguments: [config = ""] }) => {
			const file = readNamedFile(config, "CONFIG");
			const imported = await refusedWith(REFUSED, () => system().policy.importLiteLlm({ file, fileName: config.slice(-200) }));
			print(imported, imported.text.trimEnd());
			for (const { line, path, problem } of imported.notes) terminal.writeError(`${config}:${line} ${path === "" ? "" : `${path}: `}${problem}`);
		},
	});
}

function addDiff(program: Command, terminal: Terminal): void {
	addCommand<FileOptions>(program, terminal, {
		usage: "diff <FILE>",
		summary: "what a policy file would change; exits 0 when nothing, 1 when something, 2 when the file is wrong",
		example: "npx tollgate diff policy.yaml",
		options: { "--prune": PRUNE },
		run: async ({ system, print, options, arguments: [file = ""] }) => {
			const diff = await refusedWith(UNREADABLE, () => system().policy.diff(readPolicy(file, options)));
			print(diff, diff.text);
			if (diff.changes.length > 0) throw new CommandFailure(1, "");
		},
	});
}

function addApply(program: Command, terminal: Terminal): void {
	addCommand<ApplyOptions>(program, terminal, {
		usage: "apply <FILE>",
		summary: "put a policy file in force, all of it or nothing; shows first what it changes and asks",
		example: "npx tollgate apply policy.yaml",
		options: {
			"--prune": PRUNE,
			"--basis <REVISION>": "refuse where anything was changed since this basis of an earlier diff",
			"--yes": "apply without asking; needed where there is no terminal",
		},
		run: async (context) => {
			const {
				system,
				options,
				arguments: [file = ""],
			} = context;
			const request = readPolicy(file, options);
			const diff = await refusedWith(REFUSED, () => system().policy.diff(request));
			if (options.json !== true) terminal.writeLine(diff.text);
			if (diff.changes.length > 0 && options.yes !== true) await confirm(context);
			const applied = await refusedWith(REFUSED, () => system().policy.apply({ ...request, basis: options.basis ?? diff.basis }));
			context.print({ ...applied, basis: diff.basis, changes: diff.changes }, sentence(applied, diff));
		},
	});
}

function readPolicy(file: string, { prune }: FileOptions): PolicyFileRequest {
	return { file: readNamedFile(file, "FILE"), fileName: file.slice(-200), ...(prune !== undefined && { prune }) };
}

async function confirm({ terminal, options }: ActionContext<ApplyOptions>): Promise<void> {
	if (terminal.ask === undefined || options.json === true) throw new CommandFailure(2, "nothing was applied: where nobody can be asked, say --yes");
	const answer = await terminal.ask("Apply? [y/N] ");
	if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure(REFUSED, "nothing was applied");
}

function sentence({ revision, isChanged }: AppliedPolicy, { changes }: PolicyDiff): string {
	if (isChanged) return `In force as revision ${revision ?? ""}. Who and when: npx tollgate policy history`;
	return changes.length === 0 && revision !== null ? `Revision ${revision} holds.` : "Nothing was changed.";
}

/** Every mistake on a line of its own; where somebody was faster, what the file would change now. */
async function refusedWith<Result>(exitCode: number, work: () => Promise<Result>): Promise<Result> {
	try {
		return await work();
	} catch (error) {
		if (!(error instanceof PolicyRefusal)) throw error;
		const { mistakes, diff, publicMessage, code } = error;
		if (diff !== null) throw new CommandFailure(exitCode, `${publicMessage} (${code})\n${diff.text}\nTo apply this: --basis ${diff.basis}`);
		const lines = mistakes.map(({ file, line, column, path, problem }) => `${file}:${line}:${column} ${path === "" ? "" : `${path}: `}${problem}`);
		throw new CommandFailure(exitCode, `nothing was done (${code}):\n${lines.length > 0 ? lines.join("\n") : publicMessage}`);
	}
}
