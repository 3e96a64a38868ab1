import type { ErrorCode } from "../errors/codes.ts";
import type { LimitEvidence } from "../limits/limit-name.ts";

/** The form in which a caller hands requests in: a line of an OpenAI request file, or one of the requests of an Anthropic message batch. */
export type LineForm = "openai" | "anthropic";

/** Where the body of a request stands in each form. */
export const BODY_FIELDS = { openai: "body", anthropic: "params" } as const satisfies Record<LineForm, string>;

/** What is wrong with one request of a batch, or with all of it. */
export type LineProblem = {
	/** From 1: the line of a file, the place in a list of requests. null = of no line: the file as a whole. */
	readonly line: number | null;
	/** Path within the line ("custom_id", "body.model"); null = the line as a whole. */
	readonly field: string | null;
	readonly code: ErrorCode;
	readonly message: string;
	/** What it was decided on, where a cap of the team is passed. */
	readonly evidence?: LimitEvidence;
};

/** The first of them, and how many more there are. */
export type LineProblems = { readonly listed: readonly LineProblem[]; readonly unlisted: number };

const LISTED_MAX = 100;

/** Keeps the first hundred and counts the rest: a file may be wrong in every line. */
export class ProblemList {
	readonly #listed: LineProblem[] = [];
	#unlisted = 0;

	add(problem: LineProblem): void {
		if (this.#listed.length < LISTED_MAX) this.#listed.push(problem);
		else this.#unlisted += 1;
	}

	get isEmpty(): boolean {
		return this.#listed.length === 0;
	}

	get problems(): LineProblems {
		return { listed: this.#listed, unlisted: this.#unlisted };
	}
}

/** "line 3: body.model: must be given", or "requests.2.params.model: must be given" as Anthropic counts. */
export function describeLineProblem({ line, field, message }: LineProblem, form: LineForm): string {
	if (form === "openai") return [...(line === null ? [] : [`line ${line}`]), ...(field === null ? [] : [field]), message].join(": ");
	const path = [...(line === null ? [] : [`requests.${line - 1}`]), ...(field === null ? [] : [field])].join(".");
	return path === "" ? message : `${path}: ${message}`;
}
