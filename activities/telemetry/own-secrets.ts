import { ADMIN_KEY_PREFIX, CHILD_KEY_PREFIX, VIRTUAL_KEY_PREFIX } from "#domain/keys/virtual-key.ts";

const MARK = "[redacted]";
/** Whatever looks like one of our credentials: a caller may have put his into a prompt, or into a field of his own making. */
const OUR_KEYS = new RegExp(`(?:${VIRTUAL_KEY_PREFIX}|${ADMIN_KEY_PREFIX})[A-Za-z0-9_-]{32,128}|${CHILD_KEY_PREFIX}key_[0-9a-f]{16}\\.[A-Za-z0-9_.-]+`, "g");
/** No text without one of these holds such a key: most texts are not searched further. */
const BEGINNINGS = [VIRTUAL_KEY_PREFIX, ADMIN_KEY_PREFIX, CHILD_KEY_PREFIX];

/** The text without keys of Tollgate. */
export function withoutOwnKeys(text: string): string {
	return BEGINNINGS.some((beginning) => text.includes(beginning)) ? text.replaceAll(OUR_KEYS, MARK) : text;
}
