/** Text in a CSV file, not for amounts: one that a spreadsheet would take for a formula has an apostrophe in front. */
export function csvText<Text extends string | null | undefined>(text: Text): Text | string {
	return text !== null && text !== undefined && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
