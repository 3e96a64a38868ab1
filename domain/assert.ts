/** A broken invariant is a programmer error: never caught, never retried into success. */
export class InvariantViolation extends Error {
	override readonly name = "InvariantViolation";
}

/** Bare `assert` would pull a Node built-in into the workflow bundle. */
export function assert(condition: unknown, message: string): asserts condition {
	if (!condition) throw new InvariantViolation(message);
}
