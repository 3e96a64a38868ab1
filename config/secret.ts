import { inspect } from "node:util";

/** A credential that prints as `[redacted]` wherever it is logged, serialised or inspected. */
export class Secret {
	readonly #text: string;

	constructor(text: string) {
		this.#text = text;
	}

	/** The credential itself. Call it only where it is written to its own wire. */
	reveal(): string {
		return this.#text;
	}

	toString(): string {
		return "[redacted]";
	}

	toJSON(): string {
		return "[redacted]";
	}

	[inspect.custom](): string {
		return "[redacted]";
	}
}
