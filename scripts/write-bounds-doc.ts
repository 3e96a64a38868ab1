import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadFieldTables } from "../config/request-fields/load.ts";
import type { FieldTable } from "../domain/bound/field-table.ts";

/**
 * Writes the generated section of `docs/bounds.md` from the tables in `config/request-fields/`.
 * `node scripts/write-bounds-doc.ts`; a test fails when the page and the tables disagree.
 */

export const BOUNDS_DOC = new URL("../docs/bounds.md", import.meta.url);

const BEGIN = "<!-- generated: request fields -->";
const END = "<!-- end of generated section -->";

/** The page with its generated section replaced by what the tables say now. Throws when the markers are missing. */
export function renderBoundsDoc(page: string): string {
	const begin = page.indexOf(BEGIN);
	const end = page.indexOf(END);
	if (begin < 0 || end < begin) throw new Error(`docs/bounds.md needs the lines "${BEGIN}" and "${END}"`);
	const tables = Object.values(loadFieldTables());
	return `${page.slice(0, begin + BEGIN.length)}\n\n${tables.map(renderTable).join("\n\n")}\n\n${page.slice(end)}`;
}

type Row = { readonly rule: string; readonly note: string; readonly raisesCost?: boolean };

function renderTable(table: FieldTable): string {
	const costly = rows(table.fields).filter(([, row]) => row.raisesCost === true);
	const neutral = rows(table.fields).filter(([, row]) => row.raisesCost !== true);
	const sections = [
		`### ${table.endpoint}`,
		costly.length === 0 ? "Nothing raises the cost: counting tokens is free." : section("Field that can raise the cost", costly),
		`Price-neutral fields: ${neutral.map(([name]) => `\`${name}\``).join(", ")}.`,
		...(table.endpoint === "count_tokens"
			? []
			: [
					section("Content part", rows(table.parts)),
					section("Input item", rows(table.items)),
					section("Tool type", rows(table.tools)),
					section("`anthropic-beta` value", rows(table.betas)),
				]),
	];
	return sections.filter((text) => text !== "").join("\n\n");
}

function rows(entries: Readonly<Record<string, Row>>): [string, Row][] {
	return Object.entries(entries);
}

function section(title: string, entries: readonly [string, Row][]): string {
	if (entries.length === 0) return "";
	const lines = entries.map(([name, row]) => `| \`${name}\` | ${row.rule} | ${row.note} |`);
	return [`| ${title} | rule | what bounds it |`, "| --- | --- | --- |", ...lines].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	writeFileSync(BOUNDS_DOC, renderBoundsDoc(readFileSync(BOUNDS_DOC, "utf8")));
}
