import type { Mutant } from "#test/mutants/mutant.ts";

/** One test as vitest's JSON reporter writes it. */
export type TestResult = { readonly title: string; readonly status: string; readonly failureMessages?: readonly string[] };

/** `red`: a named test failed by what it expects. `survived`: all of them passed. `broken`: it could not be told. */
export type Verdict = { readonly kind: "red"; readonly by: string } | { readonly kind: "survived" } | { readonly kind: "broken"; readonly why: string };

/** How vitest words a failed expectation. */
const EXPECTATION = /^AssertionError|^Error: promise (resolved|rejected) "/;

/**
 * What one run of a mutant's tests says of it. A test that fails for another reason than its expectation (the edit does
 * not load, a time-out, an error nobody named) proves nothing. `results` undefined: no results were written.
 */
export function judgeMutant(mutant: Pick<Mutant, "titles" | "redBy">, results: readonly TestResult[] | undefined): Verdict {
	const named = results?.filter(({ title }) => mutant.titles.includes(title)) ?? [];
	const missing = mutant.titles.filter((title) => !named.some((result) => result.title === title));
	if (missing.length > 0) return { kind: "broken", why: `did not run: ${missing.join("; ")}` };
	const failed = named.filter(({ status }) => status === "failed");
	const { redBy } = mutant;
	const isExpected = (message: string): boolean => EXPECTATION.test(message) || (redBy !== undefined && message.includes(redBy));
	const red = failed.find(({ failureMessages }) => failureMessages?.some(isExpected));
	if (red) return { kind: "red", by: red.title };
	const [other] = failed;
	if (other) return { kind: "broken", why: `"${other.title}" failed by something else: ${firstLine(other.failureMessages?.[0] ?? "no message")}` };
	const skipped = named.find(({ status }) => status !== "passed");
	return skipped ? { kind: "broken", why: `"${skipped.title}" was ${skipped.status}` } : { kind: "survived" };
}

/** Titles that must be green before a mutant means anything, and are not. */
export function findNotGreen(titles: readonly string[], results: readonly TestResult[] | undefined): string[] {
	return titles.filter((title) => {
		const named = results?.filter((result) => result.title === title) ?? [];
		return named.length === 0 || named.some(({ status }) => status !== "passed");
	});
}

function firstLine(text: string): string {
	return text.split("\n")[0] ?? "";
}
