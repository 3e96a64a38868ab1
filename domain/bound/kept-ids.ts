const ANSWER_ID = /^[\x21-\x7e]{1,256}$/;
const ITEM_ID = /^[\x21-\x7e]{1,128}$/;

/** Whether a text can be the id of a kept answer. Providers' ids are short and printable; nothing else is stored or looked up. */
export function isAnswerId(text: unknown): text is string {
	return typeof text === "string" && ANSWER_ID.test(text);
}

/** The same for an item of a kept answer. */
export function isItemId(text: unknown): text is string {
	return typeof text === "string" && ITEM_ID.test(text);
}
