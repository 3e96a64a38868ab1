import { describeMeasured, readLimitName } from "#domain/limits/limit-name.ts";

const WORDS: Readonly<Record<string, string>> = {
	"budget.exceeded": "beyond the budget",
	"budget.none": "no budget",
	"budget.frozen": "the team is frozen",
	"budget.overrun": "the budget was overrun",
	"budget.needs_approval": "waits for an approval",
	"budget.too_many_windows": "in too many budgets at once",
	"limit.cap": "beyond a cap of one call",
	"limit.requests": "too many requests",
	"limit.tokens": "too many tokens",
	"limit.in_flight": "too many calls at once",
};

/** A reason in words; one that a newer gateway names is told as it calls itself. */
export function refusalWords(code: string): string {
	return WORDS[code] ?? code;
}

/** A limit beside money in words: "60 requests per minute, by user". */
export function limitWords(name: string): string {
	const limit = readLimitName(name);
	return limit === undefined ? name : `${describeMeasured(limit.measure, limit.limit)}, by ${limit.dimension}`;
}
