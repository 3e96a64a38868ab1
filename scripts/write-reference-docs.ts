import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command, Option } from "commander";
import { createProgram } from "../clients/command-line/run.ts";
import { policyJsonSchema } from "../config/policy-schema.ts";
import { describeAdministrationApi } from "../gateway/administration/openapi.ts";
import { ADMINISTRATION_ROUTES } from "../gateway/administration/routes.ts";
import { writeConsoleSchema } from "./write-console-schema.ts";

/**
 * Writes the generated sections of `docs/command-line.md` (from the command line's own program) and
 * `docs/administration.md` (from the routes), and `config/policy.schema.json` and the console's
 * types of the API as a whole. `node scripts/write-reference-docs.ts`;
 * a test fails when a page and the code disagree.
 */

export type ReferenceDoc = { readonly file: URL; render(page: string): string };

export const REFERENCE_DOCS: readonly ReferenceDoc[] = [
	{ file: new URL("../docs/command-line.md", import.meta.url), render: (page) => replaceSection(page, renderCommands()) },
	{ file: new URL("../docs/administration.md", import.meta.url), render: (page) => replaceSection(page, renderRoutes()) },
	{ file: new URL("../config/policy.schema.json", import.meta.url), render: () => `${JSON.stringify(policyJsonSchema(), null, "\t")}\n` },
];

const BEGIN = "<!-- generated -->";
const END = "<!-- end of generated section -->";

function replaceSection(page: string, section: string): string {
	const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
	if (begin < 0 || end < begin) throw new Error(`the page needs the lines "${BEGIN}" and "${END}"`);
	return `${page.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${page.slice(end)}`;
}

/** Options that every command has; the page names them once. */
const COMMON_OPTIONS: ReadonlySet<string | undefined> = new Set(["--home", "--admin-url", "--admin-key-file", "--json"]);

/** The commands that do something, groups left out, as words below `tollgate`. */
export function listCommands(): readonly { readonly words: readonly string[]; readonly command: Command; readonly help: string }[] {
	const lines: string[] = [];
	const program = createProgram({ writeLine: (line) => lines.push(line), writeError: (line) => lines.push(line), environment: {} });
	const leaves = (command: Command, words: readonly string[]): { words: readonly string[]; command: Command }[] =>
		command.commands.length === 0 ? [{ words, command }] : command.commands.flatMap((child) => leaves(child, [...words, child.name()]));
	return leaves(program, []).map((leaf) => {
		lines.length = 0;
		leaf.command.outputHelp();
		return { ...leaf, help: lines.join("\n") };
	});
}

function renderCommands(): string {
	return listCommands()
		.map(({ words, command, help }) => {
			const parameters = command.registeredArguments.map((argument) => (argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`)).join("");
			const example = /^Example:\n\s*\$ (.+)$/m.exec(help)?.[1];
			if (example === undefined) throw new Error(`tollgate ${words.join(" ")} has no example in its help`);
			const options = command.options.filter((option) => !COMMON_OPTIONS.has(option.long)).map(renderOption);
			return [
				`### \`tollgate ${words.join(" ")}${parameters}\``,
				sentence(command.description()),
				...(options.length > 0 ? [["| option | meaning |", "| --- | --- |", ...options].join("\n")] : []),
				`\`\`\`sh\n${example}\n\`\`\``,
			].join("\n\n");
		})
		.join("\n\n");
}

function renderOption(option: Option): string {
	return `| \`${option.flags}\`${option.mandatory ? ", required" : ""} | ${escapeCell(option.description)} |`;
}

type Schema = { readonly properties?: Readonly<Record<string, unknown>>; readonly required?: readonly string[] };
type Operation = {
	readonly summary: string;
	readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
	readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
	readonly responses: Readonly<Record<string, unknown>>;
};

function renderRoutes(): string {
	const paths = describeAdministrationApi(ADMINISTRATION_ROUTES)["paths"] as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
	const rows = Object.entries(paths).flatMap(([path, methods]) =>
		Object.entries(methods).map(
			([method, operation]) => `| \`${method.toUpperCase()} ${path}\` | ${operation.summary} | ${renderInput(operation)} | ${statusOf(operation)} |`,
		),
	);
	return ["| route | what it does | takes | answers |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function renderInput({ parameters, requestBody }: Operation): string {
	const query = parameters.filter((parameter) => parameter.in === "query").map(({ name, required }) => field(name, required));
	const schema = requestBody?.content["application/json"].schema;
	const body = Object.keys(schema?.properties ?? {}).map((name) => field(name, schema?.required?.includes(name) ?? false));
	const parts = [...(query.length > 0 ? [`query ${query.join(", ")}`] : []), ...(body.length > 0 ? [`body ${body.join(", ")}`] : [])];
	return parts.length === 0 ? "–" : parts.join("; ");
}

function field(name: string, isRequired: boolean): string {
	return isRequired ? `**\`${name}\`**` : `\`${name}\``;
}

function statusOf({ responses }: Operation): string {
	return Object.keys(responses)
		.filter((status) => status !== "default")
		.join(", ");
}

function escapeCell(text: string): string {
	return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function sentence(text: string): string {
	return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	for (const { file, render } of REFERENCE_DOCS) writeFileSync(file, render(readFileSync(file, "utf8")));
	await writeConsoleSchema();
}
