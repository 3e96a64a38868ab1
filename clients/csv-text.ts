/** A name in CSV: one that a spreadsheet would take for a formula has an apostrophe in front. Not for amounts: a correction may be negative. */
export function asCsvText(name: string | null | undefined): string | null | undefined {
	return name !== null && name !== undefined && /^[=+\-@\t\r]/.test(name) ? `'${name}` : name;
}
