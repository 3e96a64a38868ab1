import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { isTimeZone } from "#domain/budget/window.ts";
import { readJson } from "#domain/text/read-json.ts";
import { CommandFailure } from "./output.ts";

/** Readers of option values. What is none is a mistake of usage (exit 2), told before anything is asked of the system. */
type Reader<Value = string> = (text: string) => Value;

export function oneOf(choices: readonly string[]): Reader {
	return (text) => (choices.includes(text) ? text : refuse(`It is one of: ${choices.join(", ")}.`));
}

/** A list like "a,b" of what is given here. */
export function someOf(choices: readonly string[]): Reader {
	return (text) => {
		for (const item of text.split(",")) oneOf(choices)(item.trim());
		return text;
	};
}

export function wholeNumber(lowest: number, highest: number): Reader {
	return (text) =>
		/^\d{1,15}$/.test(text) && Number(text) >= lowest && Number(text) <= highest ? text : refuse(`It is a whole number from ${lowest} to ${highest}.`);
}

/** In percent, at most two decimals: budgets count in hundredths. */
export function percent(text: string): string {
	return /^\d{1,3}(\.\d{1,2})?$/.test(text) && Number(text) > 0 && Number(text) <= 100 ? text : refuse("It is a percentage from 0.01 to 100, like 80.");
}

export function someText(text: string): string {
	return text.trim() === "" ? refuse("It must not be empty.") : text;
}

export function time(text: string): string {
	const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text) && !Number.isNaN(Date.parse(text));
	return isTime ? text : refuse("It is a time like 2026-11-01 or 2026-11-01T12:00:00Z.");
}

export function day(text: string): string {
	return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : refuse("It is a day like 2026-11-01.");
}

export function month(text: string): string {
	return /^\d{4}-(0[1-9]|1[0-2])$/.test(text) ? text : refuse("It is a month like 2026-11.");
}

export function timeZone(text: string): string {
	return isTimeZone(text) ? text : refuse("It is the IANA name of a time zone, like Europe/Berlin.");
}

/** The longest life the administration API takes: ten years. */
const LONGEST_MS = 315_576_000_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** "30d", "1h", "90m" in milliseconds. */
export function duration(text: string): number {
	const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(text) ?? [];
	const milliseconds = Number(count) * (UNIT_MS[unit ?? ""] ?? 0);
	return milliseconds >= 1 && milliseconds <= LONGEST_MS ? milliseconds : refuse("It is a duration like 30d, 12h, 90m or 45s, at most 10 years.");
}

/** As `duration`, and "0". */
export function durationOrNone(text: string): number {
	return text === "0" ? 0 : duration(text);
}

/** A file that the command line names. @throws CommandFailure with exit code 2 when it cannot be read. */
export function readNamedFile(file: string, option: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
		throw new CommandFailure(
			2,
			`${option}: ${file} ${isAbsent ? "does not exist" : `cannot be read (${error instanceof Error ? error.message : String(error)})`}`,
		);
	}
}

/** A JSON object out of an option or a file. @throws CommandFailure with exit code 2 when it is none. */
export function readJsonObject(text: string, name: string): Record<string, unknown> {
	try {
		const value: unknown = readJson(text);
		if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
	} catch (error) {
		throw new CommandFailure(2, `${name} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
	}
	throw new CommandFailure(2, `${name} must be a JSON object`);
}

function refuse(message: string): never {
	throw new InvalidArgumentError(message);
}
