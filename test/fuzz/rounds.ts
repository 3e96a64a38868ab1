import fc from "fast-check";
import { readCorpus } from "./corpus.ts";
import type { FuzzTarget, JsonValue, OpenTarget } from "./target.ts";

export type Failure = { readonly input: JsonValue; readonly message: string; readonly shrinks: number };
export type RoundsResult = { readonly cases: number; readonly failure: Failure | undefined };

export type RoundsOptions = {
	readonly seed: number;
	/** Rounds begin while this holds. */
	mayGoOn(casesSoFar: number): boolean;
	/** Before each case. */
	onCase(input: JsonValue): void;
};

const CASES_PER_ROUND = 200;
const LONGEST_CASE_MS = 10_000;

/** The corpus first, then rounds of new cases, each from a seed of its own, until one fails; that one is shrunk. */
export async function runRounds(target: FuzzTarget, options: RoundsOptions): Promise<RoundsResult> {
	const open = await target.open();
	try {
		let cases = 0;
		for (const { file, input } of readCorpus(target.name)) {
			options.onCase(input);
			cases += 1;
			const message = await problemOf(open, input);
			if (message !== undefined) return { cases, failure: { input, message: `corpus/${file}: ${message}`, shrinks: 0 } };
		}
		for (let round = 0; options.mayGoOn(cases); round += 1) {
			const details = await fc.check(propertyOf(open, options), { seed: (options.seed + round) | 0, numRuns: CASES_PER_ROUND });
			cases += details.numRuns;
			if (!details.failed) continue;
			const input = details.counterexample?.[0] ?? null;
			return { cases, failure: { input, message: messageOf(details.errorInstance), shrinks: details.numShrinks } };
		}
		return { cases, failure: undefined };
	} finally {
		await open.close();
	}
}

function propertyOf(open: OpenTarget, { onCase }: RoundsOptions) {
	return fc.asyncProperty(open.cases, async (input) => {
		onCase(input);
		await bounded(open.check(input));
	});
}

async function problemOf(open: OpenTarget, input: JsonValue): Promise<string | undefined> {
	try {
		await bounded(open.check(input));
		return undefined;
	} catch (error) {
		return messageOf(error);
	}
}

/** A case that waits for ever fails. (One that computes for ever is ended from outside: scripts/fuzz.ts.) */
async function bounded(check: void | Promise<void>): Promise<void> {
	if (!(check instanceof Promise)) return;
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no end within ${LONGEST_CASE_MS} ms`)), LONGEST_CASE_MS);
	});
	await Promise.race([check, late]).finally(() => clearTimeout(timer));
}

function messageOf(error: unknown): string {
	return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
