import { isObject } from "../json.ts";

/**
 * What is to become of a batch, where it is not left to the dice. Given to all batches, the next few or one of them by the control endpoint,
 * to an OpenAI batch as JSON in its metadata `simulate`, and to any batch by `[[simulate-batch:{…}]]` in the text of an item.
 */

export type BatchPlan = {
	/** From its start to its last item; items finish evenly within. Absent: drawn. */
	readonly turnaroundMs?: number;
	/** OpenAI: in `validating`. */
	readonly validationMs?: number;
	/** In `cancelling` or `canceling`. */
	readonly cancelMs?: number;
	/** Share of items that fail, with this status and code; not billed. */
	readonly failShare?: number;
	readonly failStatus?: number;
	readonly failCode?: string;
	readonly unordered?: boolean;
	/** Share of result lines that come twice. */
	readonly duplicateShare?: number;
	/** Share of items that ran and were billed, and have no result line. */
	readonly missingShare?: number;
	/** Result lines with a custom id that nobody sent. */
	readonly unknownLines?: number;
	/** Result lines that are no JSON. */
	readonly unreadableLines?: number;
	/** Share of its bytes that a read of the results gets; the cut is not told. */
	readonly truncateTo?: number;
	/** So many reads are cut, then the file is whole; absent: every one. */
	readonly truncatedReads?: number;
	/** The results are gone as soon as the batch ended, as after their retention. */
	readonly resultsGone?: boolean;
	/** OpenAI: the batch fails as a whole with this code. */
	readonly failValidation?: string;
	/** What becomes of the call that creates it: `cut` and `late` create it, `lost` does not. */
	readonly creation?: CreationFault;
	/** Real milliseconds until a late answer. */
	readonly lateMs?: number;
};

export const CREATION_FAULTS = ["cut", "lost", "late"] as const;
export type CreationFault = (typeof CREATION_FAULTS)[number];

/** A plan nobody can read; a test with a typing error fails loudly. */
export class PlanError extends Error {
	override readonly name = "PlanError";
}

type Check = { readonly expected: string; readonly accepts: (value: unknown) => boolean };

const DURATION: Check = { expected: "a number of at least 0", accepts: (value) => typeof value === "number" && value >= 0 };
const SHARE: Check = { expected: "a number from 0 to 1", accepts: (value) => typeof value === "number" && value >= 0 && value <= 1 };
const COUNT: Check = { expected: "an integer of at least 0", accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0 };
const FLAG: Check = { expected: "true or false", accepts: (value) => typeof value === "boolean" };
const TEXT: Check = { expected: "a non-empty string", accepts: (value) => typeof value === "string" && value !== "" };

const CHECKS: Readonly<Record<keyof BatchPlan, Check>> = {
	turnaroundMs: DURATION,
	validationMs: DURATION,
	cancelMs: DURATION,
	failShare: SHARE,
	failStatus: { expected: "a status from 400 to 599", accepts: (value) => Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599 },
	failCode: TEXT,
	unordered: FLAG,
	duplicateShare: SHARE,
	missingShare: SHARE,
	unknownLines: COUNT,
	unreadableLines: COUNT,
	truncateTo: SHARE,
	truncatedReads: COUNT,
	resultsGone: FLAG,
	failValidation: TEXT,
	creation: { expected: `one of ${CREATION_FAULTS.join(", ")}`, accepts: (value) => (CREATION_FAULTS as readonly unknown[]).includes(value) },
	lateMs: DURATION,
};

/** Throws PlanError naming every field that is wrong. */
export function checkPlan(value: unknown): BatchPlan {
	if (!isObject(value)) throw new PlanError("simulated batch: expected a JSON object");
	const mistakes = Object.entries(value).flatMap(([field, given]) => {
		const check = Object.hasOwn(CHECKS, field) ? CHECKS[field as keyof BatchPlan] : undefined;
		if (check === undefined) return [`unknown field ${field}`];
		return check.accepts(given) ? [] : [`${field} must be ${check.expected}`];
	});
	if (mistakes.length > 0) throw new PlanError(`simulated batch: ${mistakes.join("; ")}`);
	return value as BatchPlan;
}

/** Throws PlanError. */
export function parsePlan(json: string): BatchPlan {
	let value: unknown;
	try {
		value = JSON.parse(json);
	} catch (cause) {
		throw new PlanError(`simulated batch: not JSON: ${json.slice(0, 200)}`, { cause });
	}
	return checkPlan(value);
}

const MARKER_START = "[[simulate-batch:";
const MARKER_END = "]]";

/** The marker in a line as it stands in the file, where it is part of a JSON text; undefined where there is none. Throws PlanError. */
export function planInLine(line: Buffer): BatchPlan | undefined {
	const start = line.indexOf(MARKER_START);
	if (start < 0) return undefined;
	const end = line.indexOf(MARKER_END, start);
	if (end < 0) throw new PlanError("simulated batch: the marker is not closed by ]]");
	return parsePlan(textIn(line.toString("utf8", start + MARKER_START.length, end)));
}

function textIn(text: string): string {
	try {
		return JSON.parse(`"${text}"`) as string;
	} catch (cause) {
		throw new PlanError(`simulated batch: the marker is no part of a JSON text: ${text.slice(0, 200)}`, { cause });
	}
}
