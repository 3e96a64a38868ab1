import type { Problem } from "../problem.ts";

/**
 * A refusal that is found within a stream, while others read and write it: thrown there, it ends all of them, so that what was being
 * written is kept by nobody; and whoever began it finds here what to tell the caller, however the error was wrapped on its way.
 */
export class Refusing {
	#problem: Problem | undefined;

	/** The first refusal stays: what follows from the end of the stream is none. */
	refuse(problem: Problem): never {
		this.#problem ??= problem;
		throw new Error(`refused: ${this.#problem.code}`);
	}

	get problem(): Problem | undefined {
		return this.#problem;
	}
}
