import type { BudgetSelector, WindowKind } from "#domain/budget/scope.ts";
import { MAX_LIMIT_NANO_USD } from "#domain/money/nano-usd.ts";
import type { BudgetFile } from "#domain/policy/policy.ts";
import { VARIABLE_PATTERN } from "#domain/policy/written-form.ts";
import type { Cursor } from "../cursor.ts";

/**
 * Values as LiteLLM's proxy writes them. What is not understood leaves a note on its cursor. No note repeats a value: any of
 * them may be a secret that stands in the wrong place.
 */

/** Its budgets turn over with the calendar: 1d at midnight, 7d on Mondays, 30d on the first of a month. */
const WINDOWS: Readonly<Record<string, WindowKind>> = {
	"1h": "hour",
	"60m": "hour",
	"1d": "day",
	"24h": "day",
	"7d": "week",
	"1w": "week",
	"30d": "month",
	"1mo": "month",
	"3mo": "quarter",
	hourly: "hour",
	daily: "day",
	weekly: "week",
	monthly: "month",
};

/** No duration: never reset. undefined = there is no such window here. */
export function readWindow(duration: Cursor | undefined): WindowKind | undefined {
	if (duration === undefined || duration.isNothing()) return "lifetime";
	const text = duration.written() ?? "";
	if (Object.hasOwn(WINDOWS, text)) return WINDOWS[text];
	return duration.fail("is no window here: hours, days, weeks, months, quarters and the lifetime are. Its budget is not carried over");
}

const DECIMAL = /^(\d{1,30})(?:\.(\d{0,30}))?(?:[eE]([+-]?\d{1,3}))?$/;

/** Dollars as a float is written, exponents included, exactly; a fraction of a nano-dollar is left off. */
export function readDollars(cursor: Cursor): string | undefined {
	const [, whole, fraction = "", exponent = "0"] = DECIMAL.exec(cursor.written() ?? "") ?? [];
	if (whole === undefined) return cursor.fail("is no amount of dollars that can be carried over");
	// digits × 10^(shift) nano-dollars
	const shift = 9 - fraction.length + Number(exponent);
	const digits = BigInt(whole + fraction);
	const nano =
		shift >= 0
			? shift > 60 && digits > 0n
				? MAX_LIMIT_NANO_USD + 1n
				: digits * 10n ** BigInt(Math.min(shift, 60))
			: digits / 10n ** BigInt(Math.min(-shift, 400));
	if (nano > MAX_LIMIT_NANO_USD) return cursor.fail("is more than a budget can hold (one billion dollars); it is not carried over");
	if (shift < 0 && digits % 10n ** BigInt(Math.min(-shift, 400)) !== 0n) cursor.fail("has a fraction of a nano-dollar, which is left off");
	return nano.toString();
}

/** A count of 1 or more; 0 and nothing say "no limit" there. */
export function readCount(cursor: Cursor | undefined): number | undefined {
	if (cursor === undefined || cursor.isNothing()) return undefined;
	const text = cursor.written() ?? "";
	if (!/^\d{1,12}(\.0*)?$/.test(text)) return cursor.fail("is no whole number; it is not carried over");
	return Number(text) === 0 ? cursor.fail("is 0, for which there is no limit here; it is not carried over") : Number(text);
}

/** NAME of "os.environ/NAME". */
export function readEnvironmentName(cursor: Cursor | undefined): string | undefined {
	const [, name] = /^os\.environ\/(.+)$/.exec(cursor?.written() ?? "") ?? [];
	return name !== undefined && VARIABLE_PATTERN.test(name) ? name : undefined;
}

export function budgetOf(selector: Omit<BudgetSelector, "unit">, limitAmount: string): BudgetFile {
	return { ...selector, unit: "nano_usd", limitAmount };
}

/** The fields of a map by name; nothing for anything else, which is noted. */
export function fieldsOf(cursor: Cursor): ReadonlyMap<string, Cursor> {
	return new Map((cursor.entries() ?? []).map(([name, value]) => [name, value]));
}
