/**
 * One rule of the source taken out, and the test that must find it gone. `from` stands exactly once: in the whole file,
 * or, where `within` is given, between that text and the end of its SQL function.
 */
export type Mutant = {
	/** Unique; what the rule is, in words. */
	readonly rule: string;
	/** Path in the project. */
	readonly file: string;
	readonly within?: string;
	readonly from: string;
	readonly to: string;
	/** Stands at the end of the mutated file: what has to give way for the edit to run at all. */
	readonly also?: string;
	/** The test file, and titles of tests in it of which at least one must fail. */
	readonly test: string;
	readonly titles: readonly string[];
	/** What the failure may say besides a failed expectation (an error of the database, a broken invariant). */
	readonly redBy?: string;
};

const END_OF_FUNCTION = "$$;";

/** The text with the one edit made. @throws Error when there is not exactly one place for it. */
export function applyEdit(text: string, { within, from, to, also }: Pick<Mutant, "within" | "from" | "to" | "also">): string {
	const start = within === undefined ? 0 : indexOfOnce(text, within);
	const end = within === undefined ? text.length : text.indexOf(END_OF_FUNCTION, start) + END_OF_FUNCTION.length;
	const scope = text.slice(start, end);
	const place = start + indexOfOnce(scope, from);
	if (from === to) throw new Error(`an edit that changes nothing: ${from}`);
	const edited = text.slice(0, place) + to + text.slice(place + from.length);
	return also === undefined ? edited : `${edited}\n${also};\n`;
}

function indexOfOnce(text: string, part: string): number {
	const count = text.split(part).length - 1;
	if (count !== 1) throw new Error(`expected once, found ${count} times: ${part}`);
	return text.indexOf(part);
}
