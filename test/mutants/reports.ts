import type { Mutant } from "./mutant.ts";

/** Rules of reports: what they say is in the books, they stay what they are, they are told once, and no name becomes markup. */
const MAKE = "test/integration/activities/reports/make-report.test.ts";
const RENDERING = "test/unit/domain/reports/rendering.test.ts";
const PERIOD = "test/unit/domain/reports/report-period.test.ts";
const MIGRATION = "migrations/0035_reports.sql";
const STAYS = "stays what it is when it is asked for again, whatever was booked meanwhile; asked for anew it is another edition";
const TOLD = "once, to channels of its own team, and wakes nobody who asked for everything";

export const REPORT_MUTANTS: readonly Mutant[] = [
	{
		rule: "reports: names are escaped in pages",
		file: "domain/reports/rendering/escape.ts",
		from: "	return visibleText(words).replaceAll(/[&<>\"']/g, (character) => ENTITIES[character] ?? character);",
		to: "	return visibleText(words);",
		test: RENDERING,
		titles: ['is built the same whatever a name is: "<script>alert(1)</script>"'],
	},
	{
		rule: "reports: a cell of Markdown stays one",
		file: "domain/reports/rendering/escape.ts",
		from: "[\\\\`*_[\\]#|~@]|:",
		to: "[\\\\`*_[\\]#~@]|:",
		test: RENDERING,
		titles: ['keeps its lines and cells whatever a name is: "a | b \\\\| c \\\\"'],
	},
	{
		rule: "reports: a name neither breaks a line nor turns the direction of reading",
		file: "domain/reports/rendering/cell-words.ts",
		from: '	return words.replaceAll(/[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]/gu, " ");',
		to: "	return words;",
		test: RENDERING,
		titles: ['keeps its lines and cells whatever a name is: "line\\nbreak\\r\\n\\ttab"'],
	},
	{
		rule: "reports: what is not shown one by one is in the sum of the others",
		file: "domain/reports/sections/spend-tables.ts",
		from: "	const others = ranked.slice(ROWS_MAX);",
		to: "	const others = ranked.slice(ROWS_MAX + 1);",
		redBy: "Property failed",
		test: RENDERING,
		titles: ["tables add up: their rows to the row of all, and that to what was spent in all"],
	},
	{
		rule: "reports: what was written is given back as it is, until it is asked for again",
		file: "activities/reports/make-report.ts",
		from: "	const before = request.again === true ? undefined : await findReport(database, name);\n	const isNew = before === undefined ? await writeAndStore(maker, period, request) : false;",
		to: "	const before = undefined;\n	const isNew = await writeAndStore(maker, period, { ...request, again: true });",
		test: MAKE,
		titles: [STAYS],
	},
	{
		rule: "reports: written anew it is another edition only where it says something else",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.store_report(",
		from: "p_again AND v_digest <> p_digest",
		to: "p_again",
		test: MAKE,
		titles: [STAYS, "by several at once it is written once"],
	},
	{
		rule: "reports: a report is told once, whatever its editions",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.tell_report(",
		from: "'|' || p_date || '|' || p_team;",
		to: "'|' || p_date || '|' || p_team || clock_timestamp();",
		test: MAKE,
		titles: [TOLD],
	},
	{
		rule: "reports: of a team they go where routes of that team say",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.tell_report(",
		from: "WHERE r.team_id = p_team AND",
		to: "WHERE r.team_id IN (p_team, '@organization') AND",
		test: MAKE,
		titles: [TOLD],
	},
	{
		rule: "reports: no route without kinds takes them to what wakes people",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.tell_report(",
		from: " AND c.kind NOT IN ('pagerduty', 'alertmanager')",
		to: "",
		test: MAKE,
		titles: [TOLD],
	},
	{
		rule: "reports: the dearest calls of an hour are the dearest of all its chunks",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.count_dear_calls(",
		from: "WHERE NOT r.is_new AND r.place > 10 AND",
		to: "WHERE false AND",
		test: MAKE,
		titles: ["dearest calls are the same in whatever pieces they are looked for, and by several at once"],
	},
	{
		rule: "reports: a day that is not finished is none yet",
		file: "domain/reports/report-period.ts",
		from: "	if (period.toMs > nowMs) return",
		to: "	if (period.toMs > nowMs + 86_400_000) return",
		test: PERIOD,
		titles: ["that is not over, or before the first booking, is refused with what would do"],
	},
	{
		rule: "reports: days of a zone leave no hour out and count none twice",
		file: "domain/reports/report-period.ts",
		from: "	return Math.ceil(ms / HOUR_MS) * HOUR_MS;",
		to: "	return ms;",
		redBy: "Property failed",
		test: PERIOD,
		titles: ["any number of them, one after the other, leave no hour out and count none twice"],
	},
];
