/** Reading of messages that others wrote: nothing here trusts a shape. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields | undefined {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function listOf(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string {
	return typeof value === "string" ? value : "";
}

/** As JSON; nesting so deep that it cannot be written stands for itself: a provider's answer may nest without limit. */
export function jsonText(value: unknown): string {
	try {
		return JSON.stringify(value) ?? "";
	} catch (error) {
		if (error instanceof RangeError) return "[nested too deeply]";
		throw error;
	}
}

const PARTS_MAX = 64;

/**
 * Content as text: a string, or the texts of its parts, one below the other. What is no text (an image, a file) stands as its type and the
 * length of its JSON, so that two of them are only alike when they could be.
 */
export function contentText(content: unknown): string {
	if (typeof content === "string") return content;
	if (content === undefined || content === null) return "";
	if (!Array.isArray(content)) return jsonText(content);
	const parts = content.length > PARTS_MAX ? content.slice(-PARTS_MAX) : content;
	return parts.map(partText).join("\n");
}

function partText(part: unknown): string {
	const fields = fieldsOf(part);
	if (fields === undefined) return textOf(part);
	if (typeof fields["text"] === "string") return fields["text"];
	const text = jsonText(part);
	return text.length <= 256 ? text : `[${textOf(fields["type"])} of ${text.length} characters, ${text.slice(-64)}]`;
}

/** How tools tell of failure where the protocol has no field for it. */
const FAILURE =
	/^\s*(?:\{\s*"error"\s*:\s*(?!null|false|""|\[\])|(?:fatal )?error\b|[\w.]*exception\b|traceback \(most recent|command failed|permission denied)/i;

export function readsAsFailure(text: string): boolean {
	return FAILURE.test(text.slice(0, 200));
}
