import { type Command, Option } from "commander";
import type { AdministrationClient } from "../administration-client.ts";
import { CostControlError } from "../errors.ts";
import { connectToSystem, type SystemOptions } from "./find-system.ts";
import { CommandFailure, type Terminal } from "./output.ts";

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

export type OptionDefinition = string | readonly [description: string, read: (text: string) => unknown];

type CommandDefinition<Options> = {
	/** Name and arguments, like "rotate <KEY_ID>". */
	readonly usage: string;
	/** Runs where its group is named alone. Default false. */
	readonly isDefault?: boolean;
	readonly summary: string;
	readonly example: string;
	/** flags → description, with the reader of its value if not any text is one; required ones are written with a leading "!". */
	readonly options?: Readonly<Record<string, OptionDefinition>>;
	run(context: ActionContext<Options>): Promise<void> | void;
};

/** Adds one leaf command with the options every command has, an example in its help, and its action. */
export function addCommand<Options = Record<never, never>>(parent: Command, terminal: Terminal, definition: CommandDefinition<Options>): void {
	const command = parent
		.command(definition.usage, { isDefault: definition.isDefault ?? false })
		.summary(definition.summary)
		.description(definition.summary);
	for (const [flags, option] of Object.entries(definition.options ?? {})) command.addOption(optionOf(flags, option));
	addSystemOptions(command);
	command.option("--json", "print one line of JSON");
	command.addHelpText("after", `\nExample:\n  $ ${definition.example}`);
	command.action(async () => {
		const options = command.optsWithGlobals<Options & CommonOptions>();
		let adminKeyFile: string | undefined;
		const system = () => {
			const connection = connectToSystem(options, terminal.environment);
			adminKeyFile = connection.adminKeyFile;
			return connection.client;
		};
		const print = (value: unknown, text: string) => terminal.writeLine(options.json ? JSON.stringify(value) : text);
		try {
			await definition.run({ options, arguments: command.args, terminal, system, print });
		} catch (error) {
			if (!(error instanceof CostControlError)) throw error;
			if (error.code === "key.invalid") throw refusedKey(error, adminKeyFile);
			throw error.code === "admin.invalid" ? invalidOptions(error, command) : error;
		}
	});
}

function optionOf(flags: string, definition: OptionDefinition): Option {
	const [description, read] = typeof definition === "string" ? [definition, undefined] : definition;
	const isRequired = flags.startsWith("!");
	const option = new Option(isRequired ? flags.slice(1) : flags, description).makeOptionMandatory(isRequired);
	return read === undefined ? option : option.argParser(read);
}

/** What the administration API finds wrong with a field is wrong with the option that filled it: that is the name a person knows. */
function invalidOptions({ publicMessage, code }: CostControlError, command: Command): CommandFailure {
	return new CommandFailure(2, `${nameOptions(publicMessage, command)} (${code})`);
}

const FIELD_OF_PROBLEM = /(?<=^|; )([a-z]\w*)((?:\.\w+|\[\d+\])*)(?=:? )/g;
/** What a field's name has beyond that of its option: `amountUsd` is filled by --amount. */
const FIELD_SUFFIX = /(?:Usd|Amount|Kind|Ids?|InMs|BasisPoints|s)$/;

function nameOptions(message: string, command: Command): string {
	return message.replaceAll(FIELD_OF_PROBLEM, (field: string, root: string, path: string) => {
		const whole = optionFilling(root, command);
		if (whole !== undefined) return `${whole}${path === "" ? "" : ` ${path.replace(/^\./, "")}`}`;
		// Where options fill an object one by one: `channel.urlEnv` is filled by --url-env.
		return optionFilling(path.replace(/^\./, ""), command) ?? field;
	});
}

function optionFilling(field: string, command: Command): string | undefined {
	return command.options.find((other) => [field, field.replace(FIELD_SUFFIX, "")].includes(other.attributeName()))?.long ?? undefined;
}

/** Whoever revoked the first key has another one: what is missing is where the command line finds it. */
function refusedKey(error: CostControlError, file: string | undefined): CommandFailure {
	const from = file === undefined ? "" : ` It was read from ${file}; the file of another key is named with --admin-key-file FILE.`;
	return new CommandFailure(1, `${error.publicMessage}${from} (${error.code})`);
}

/** A command that only groups others; `example` is one of them. */
export function addGroup(parent: Command, name: string, texts: { readonly summary: string; readonly example: string }): Command {
	return parent.command(name).summary(texts.summary).description(texts.summary).addHelpText("after", `\nExample:\n  $ ${texts.example}`);
}

export function addSystemOptions(command: Command): void {
	command.option("--home <FOLDER>", "home of the system; default TOLLGATE_HOME, else .tollgate in the clone");
	command.option("--admin-url <URL>", "administration API elsewhere, with --admin-key-file");
	command.option("--admin-key-file <FILE>", "file that holds the admin key");
}
