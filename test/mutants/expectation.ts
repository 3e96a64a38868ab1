import type { Mutant } from "./mutant.ts";

/** Rules of the expected day: what it is the median of, and that every entry is counted once, on its day. */
const UNIT = "test/unit/domain/budget/expected-day.test.ts";
const SWEEP = "test/integration/activities/expectation.test.ts";
const DOMAIN = { file: "domain/budget/expected-day.ts", test: UNIT } as const;
const SQL = { file: "migrations/0018_spend_days.sql", test: SWEEP } as const;
const COUNT = { file: "migrations/0032_rollups.sql", test: SWEEP, within: "CREATE FUNCTION tollgate.add_spend(" } as const;

export const EXPECTATION_MUTANTS: readonly Mutant[] = [
	{
		rule: "one wild week does not move what is expected of a day",
		...DOMAIN,
		from: "medianOf(sameWeekdays(facts, firstDay))",
		to: "sameWeekdays(facts, firstDay).reduce((sum, one) => sum + one, 0n) / 6n",
		also: "void medianOf",
		titles: ["is the median of the same weekday over six weeks, of which one wild week moves nothing"],
	},
	{
		rule: "corrections make nothing expected negative",
		...DOMAIN,
		from: "return amount < 0n ? 0n : amount;",
		to: "return amount;",
		titles: ["a day on which nothing was booked counts as nothing spent, and corrections that outweigh a day too"],
	},
	{
		rule: "a month is as many days long as it is",
		...DOMAIN,
		from: "BigInt(Math.round((endsAtMs - startsAtMs) / DAY_MS))",
		to: "30n",
		titles: ["a month of 28 days"],
	},
	{
		rule: "a chunk is counted once",
		...COUNT,
		from: "x.chunk_seq > d.after_seq",
		to: "x.chunk_seq > 0",
		titles: ["belong to the calendar of the team's day budget, else its month budget, else the organisation's"],
	},
	{
		rule: "a correction counts on the day of what it corrects",
		...COUNT,
		from: "coalesce(o.at, b.at) AS at",
		to: "b.at",
		titles: ["a correction counts on the day of what it corrects, what was booked late on the day it was booked"],
	},
	{
		rule: "a day is judged by the highest limit that was in force on it",
		...SQL,
		within: "CREATE FUNCTION tollgate.highest_limit(",
		from: "SELECT max(e.limit_amount)",
		to: "SELECT min(e.limit_amount)",
		titles: ["is judged by the highest of that day: what it allowed is not told when it is lowered again"],
	},
	{
		rule: "a day is judged by no limit of days before",
		...SQL,
		within: "CREATE FUNCTION tollgate.highest_limit(",
		from: "x.at > p_from AND x.at < p_to",
		to: "x.at < p_to",
		titles: ["is not judged by one of days before"],
	},
	{
		rule: "a day is told of once",
		...SQL,
		within: "CREATE FUNCTION tollgate.judge_spend(",
		from: "|| '/' || x.date, x.\"teamId\"",
		to: "|| '/' || x.date || (x.alert ->> 'spent'), x.\"teamId\"",
		titles: ["is told once, however often it is judged and however much follows"],
	},
];
