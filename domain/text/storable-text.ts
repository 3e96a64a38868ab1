/**
 * The one rule for text from people that outlives the request: well-formed Unicode without control characters.
 * PostgreSQL refuses U+0000 (22021) and, in JSON, halves of surrogate pairs (22P02); an accepted change that it then
 * refuses could never be carried out, so such text is refused where it comes in.
 */
const UNSTORABLE = /[\p{Cc}\p{Cs}]/u;

export const STORABLE_TEXT_RULE = "must be well-formed text without control characters";

export function isStorableText(text: string): boolean {
	return !UNSTORABLE.test(text);
}

/** What is wrong with `value` as a text of `minLength` to `maxLength` UTF-16 units; undefined = nothing. */
export function storableTextProblem(value: unknown, { minLength, maxLength }: { readonly minLength: number; readonly maxLength: number }): string | undefined {
	if (typeof value !== "string" || value.length < minLength || value.length > maxLength) return `must be text of ${minLength} to ${maxLength} characters`;
	return isStorableText(value) ? undefined : STORABLE_TEXT_RULE;
}

/** The path of a string in a JSON value that is not storable, names of properties included; undefined = all are. Any depth. */
export function findUnstorableText(root: unknown): string | undefined {
	const open: { readonly path: string; readonly value: unknown }[] = [{ path: "", value: root }];
	for (let next = open.pop(); next !== undefined; next = open.pop()) {
		const { path, value } = next;
		if (typeof value === "string" && !isStorableText(value)) return path;
		if (typeof value !== "object" || value === null) continue;
		for (const [name, item] of Object.entries(value)) {
			if (!isStorableText(name)) return path;
			open.push({ path: path === "" ? name : `${path}.${name}`, value: item });
		}
	}
	return undefined;
}
