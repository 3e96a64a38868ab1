/**
 * A value as one word of a POSIX shell: commands that we print are pasted, and names come from callers. Plain
 * names stay readable; all else stands in single quotes, inside of which a shell reads nothing.
 */
export function shellWord(text: string): string {
	return /^[\w.@:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
