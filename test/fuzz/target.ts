import type fc from "fast-check";

/** What a case is made of is JSON, so that a failing one can be kept as a file. Bytes stand in it as latin1 text. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** One thing that takes what others wrote. `check` throws when the case breaks a property. */
export type FuzzTarget = {
	readonly name: string;
	/** What it needs while it is fuzzed; closed afterwards. */
	open(): Promise<OpenTarget>;
};

export type OpenTarget = {
	readonly cases: fc.Arbitrary<JsonValue>;
	check(input: JsonValue): void | Promise<void>;
	close(): Promise<void>;
};

type PureTarget<Case extends JsonValue> = { readonly name: string; readonly cases: fc.Arbitrary<Case>; check(input: Case): void };

/** A target that needs nothing but its input. */
export function pureTarget<Case extends JsonValue>(target: PureTarget<Case>): FuzzTarget {
	return {
		name: target.name,
		open: async () => ({ cases: target.cases, check: (input) => target.check(input as Case), close: async () => undefined }),
	};
}

/** Throws with what was expected, and with both sides where they are values. */
export function holds(condition: boolean, expectation: string, ...seen: readonly unknown[]): void {
	if (condition) return;
	throw new Error([expectation, ...seen.map((value) => JSON.stringify(value))].join("\n  "));
}
