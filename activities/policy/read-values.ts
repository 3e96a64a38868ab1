import { readLimitAmount, readLimitUsd } from "#domain/budget/scope.ts";
import { isTimeZone } from "#domain/budget/window.ts";
import { isAttributionValue } from "#domain/keys/virtual-key.ts";
import { KEY_ID_PATTERN, MODEL_ID_PATTERN, MONTHS, WEEKDAYS } from "#domain/policy/written-form.ts";
import { storableTextProblem } from "#domain/text/storable-text.ts";
import type { Cursor } from "./cursor.ts";

/** Values that stand in several places of a policy. */

/** Decimal string of nano-USD. Dollars are read as they are written, with or without quotes: never through a float. */
export function readUsd(cursor: Cursor): string | undefined {
	const written = cursor.written();
	if (written === undefined) return cursor.fail("must be an amount of dollars, like 25 or 0.05");
	if (/^-?[0-9]+\.[0-9]{10,}$/.test(written)) return cursor.fail("has more than nine decimals: a fraction of a nano-dollar does not exist");
	const read = readLimitUsd(written, "");
	return read.kind === "valid" ? read.value.toString() : cursor.fail(read.problems[0]?.problem ?? "is no amount");
}

/** Decimal string. */
export function readTokens(cursor: Cursor): string | undefined {
	const written = cursor.written();
	const read = readLimitAmount(written, "");
	if (read.kind === "valid") return read.value.toString();
	return cursor.fail(written?.startsWith("-") ? "must not be negative" : "must be a whole number of tokens, at most 10^18");
}

export function readTimeZone(cursor: Cursor): string | undefined {
	return cursor.text({ isMeant: isTimeZone, problem: "is no IANA time zone, like Europe/Berlin" });
}

/** 1 for Monday. */
export function readWeekday(cursor: Cursor): number | undefined {
	const name = cursor.oneOf(WEEKDAYS);
	return name === undefined ? undefined : WEEKDAYS.indexOf(name) + 1;
}

/** 1 for January. */
export function readMonth(cursor: Cursor): number | undefined {
	const name = cursor.oneOf(MONTHS);
	return name === undefined ? undefined : MONTHS.indexOf(name) + 1;
}

export function readModelId(cursor: Cursor): string | undefined {
	return cursor.text({
		isMeant: (text) => MODEL_ID_PATTERN.test(text),
		problem: "must be a model name of at most 256 printable ASCII characters without blanks",
	});
}

/** A feature, user or environment. */
export function readAttribution(cursor: Cursor): string | undefined {
	return cursor.text({ isMeant: isAttributionValue, problem: "must be text of 1 to 128 printable characters without blanks around it" });
}

/** Not repeated where it is wrong: it may be the secret itself. */
export function readKeyId(cursor: Cursor): string | undefined {
	return cursor.text({ isMeant: (text) => KEY_ID_PATTERN.test(text), problem: KEY_ID_RULE });
}

export const KEY_ID_RULE = "must be a key id: key_ and 16 hex digits, as npx tollgate key list shows them";

/** What budgets, caps and rates count by; kept in keys of our own, so that quotes and their separator have no place in it. */
export function readCounted(cursor: Cursor, dimension: string): string | undefined {
	if (dimension === "key") return readKeyId(cursor);
	const name = dimension === "model" ? readModelId(cursor) : readAttribution(cursor);
	if (name !== undefined && name.length > 128) return cursor.fail("must be at most 128 characters");
	return name !== undefined && /[|\\"`]/.test(name) ? cursor.fail("must hold no quote, backslash or |") : name;
}

/** Each name once. */
export function readNames(cursor: Cursor, max: number, read: (item: Cursor) => string | undefined = readName): readonly string[] | undefined {
	const seen = new Set<string>();
	return cursor.list(max, (item) => {
		const name = read(item);
		if (name !== undefined && seen.has(name)) return item.fail(`${JSON.stringify(name)} stands here twice`);
		if (name !== undefined) seen.add(name);
		return name;
	});
}

/** `null` says: none. */
export function orNone<Value>(cursor: Cursor, read: (cursor: Cursor) => Value | undefined): Value | null | undefined {
	return cursor.isNothing() ? null : read(cursor);
}

function readName(cursor: Cursor): string | undefined {
	const bounds = { minLength: 1, maxLength: 128 };
	return cursor.text({ isMeant: (text) => storableTextProblem(text, bounds) === undefined, problem: "must be text of 1 to 128 characters" });
}
