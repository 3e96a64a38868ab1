import type { Command } from "commander";
import type { AdministrationClient } from "../administration-client.ts";
import { connectToSystem, type SystemOptions } from "./find-system.ts";
import type { Terminal } from "./output.ts";

export type CommonOptions = SystemOptions & { readonly json?: true };

/** What an action gets beside its own arguments and options. */
export type ActionContext<Options> = {
	readonly options: Options & CommonOptions;
	readonly arguments: readonly string[];
	readonly terminal: Terminal;
	/** Connects on first use, so that a command that needs no system works without one. */
	system(): AdministrationClient;
	/** One line of JSON with --json, else the text. */
	print(value: unknown, text: string): void;
};

type CommandDefinition<Options> = {
	/** Name and arguments, like "rotate <KEY_ID>". */
	readonly usage: string;
	readonly summary: string;
	readonly example: string;
	/** flags → description; required ones are written with a leading "!". */
	readonly options?: Readonly<Record<string, string>>;
	run(context: ActionContext<Options>): Promise<void> | void;
};

/** Adds one leaf command with the options every command has, an example in its help, and its action. */
export function addCommand<Options = Record<never, never>>(parent: Command, terminal: Terminal, definition: CommandDefinition<Options>): void {
	const command = parent.command(definition.usage).summary(definition.summary).description(definition.summary);
	for (const [flags, description] of Object.entries(definition.options ?? {})) {
		if (flags.startsWith("!")) command.requiredOption(flags.slice(1), description);
		else command.option(flags, description);
	}
	addSystemOptions(command);
	command.option("--json", "print one line of JSON");
	command.addHelpText("after", `\nExample:\n  $ ${definition.example}`);
	command.action(async () => {
		const options = command.optsWithGlobals<Options & CommonOptions>();
		await definition.run({
			options,
			arguments: command.args,
			terminal,
			system: () => connectToSystem(options, terminal.environment),
			print: (value, text) => terminal.writeLine(options.json ? JSON.stringify(value) : text),
		});
	});
}

/** A command that only groups others. */
export function addGroup(parent: Command, name: string, summary: string): Command {
	return parent.command(name).summary(summary).description(summary);
}

export function addSystemOptions(command: Command): void {
	command.option("--home <FOLDER>", "home of the system; default TOLLGATE_HOME, else .tollgate in the clone");
	command.option("--admin-url <URL>", "administration API elsewhere, with --admin-key-file");
	command.option("--admin-key-file <FILE>", "file that holds the admin key");
}
