import { visibleText } from "./cell-words.ts";

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Safe as text of an element and inside a quoted attribute. */
export function escapeHtml(words: string): string {
	return visibleText(words).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Nothing in it becomes Markdown or HTML, an address no link; a cell of a table stays one. */
export function escapeMarkdown(words: string): string {
	return visibleText(words)
		.replaceAll(/[&<>]/g, (character) => ENTITIES[character] ?? character)
		.replaceAll(/[\\`*_[\]#|~@]|:(?=\/\/)|(?<=www)\./gi, (character) => `\\${character}`);
}
