import type { Mutant } from "./mutant.ts";

/** What the pages of the console do by themselves, as a browser finds it. */
const ROLES_TEST = "test/console/roles.test.ts";
const STATES_TEST = "test/console/states.test.ts";
const RIGHTS = { file: "console/api/rights.ts", test: ROLES_TEST } as const;
const FOREIGN = "an owner who names what is another team's in an address is told so, sees nothing of it, and goes on with his own";

const ROLES: readonly Mutant[] = [
	{
		rule: "whoever keeps no books is not offered to",
		...RIGHTS,
		from: 'export function mayKeepBooks(session: Session): boolean {\n	return isOneOf(session, ["operator", "finance"]);',
		to: 'export function mayKeepBooks(session: Session): boolean {\n	return isOneOf(session, ["operator", "finance", "viewer"]);',
		titles: ["is led to the page statements, with what is his there and what he may do"],
	},
	{
		rule: "whoever governs nothing is not offered to",
		...RIGHTS,
		from: 'return isOneOf(session, ["operator", "team-owner"]);',
		to: 'return isOneOf(session, ["operator", "team-owner", "finance"]);',
		titles: ["is led to the page alerts, with what is his there and what he may do"],
	},
	{
		rule: "whoever operates nothing is not offered to",
		...RIGHTS,
		from: 'return isOneOf(session, ["operator"]);',
		to: 'return isOneOf(session, ["operator", "team-owner"]);',
		titles: ["is led to the page keys, with what is his there and what he may do"],
	},
	{
		rule: "a team owner is offered what he may do",
		...RIGHTS,
		from: 'return isOneOf(session, ["operator", "team-owner"]);',
		to: 'return isOneOf(session, ["operator"]);',
		titles: ["opens the address of a run, with what is his there and what he may do, or is told that he may not"],
	},
	{
		rule: "a page does not ask what its role may not know",
		file: "console/pages/statements/rules-page.tsx",
		test: ROLES_TEST,
		from: "isAsked: isIncluded",
		to: "isAsked: true",
		titles: ["opens the address of a rules, with what is his there and what he may do, or is told that he may not"],
	},
	{
		rule: "another team's id in the address is said, not passed over",
		file: "console/frame/use-team.ts",
		test: ROLES_TEST,
		from: "return team ?? teamIds?.[0];",
		to: 'return teamIds === null || teamIds.includes(team ?? "") ? team : teamIds[0];',
		redBy: "Timeout",
		titles: [FOREIGN],
	},
	{
		rule: "an owner of two teams looks at the first until he chooses",
		file: "console/frame/use-team.ts",
		test: ROLES_TEST,
		from: "return team ?? teamIds?.[0];",
		to: "return team ?? teamIds?.[1];",
		redBy: "Timeout",
		titles: ["is led to the page overview, with what is his there and what he may do"],
	},
	{
		rule: "a chart waits for no figures that were refused",
		file: "console/pages/explore/page.tsx",
		test: ROLES_TEST,
		from: "spend.isError && spend.data === undefined ?",
		to: "spend.isError && spend.data !== undefined ?",
		redBy: "waited",
		titles: [FOREIGN],
	},
];

const SAID: readonly Mutant[] = [
	{
		rule: "what changed is asked again by the page that shows it",
		file: "console/api/use-answer.ts",
		test: STATES_TEST,
		from: ".some((topic) => topics.includes(topic))",
		to: ".some(() => false)",
		titles: ["what somebody else changes is shown without asking for it"],
		redBy: "Timeout",
	},
	{
		rule: "markup in a name stays text",
		file: "console/frame/data-table.tsx",
		test: "test/console/books.test.ts",
		from: "									{cell(row)}\n",
		to: '									{typeof cell(row) === "string" ? <span dangerouslySetInnerHTML={{ __html: String(cell(row)) }} /> : cell(row)}\n',
		titles: ["names are text in reports and statements, whatever they hold"],
		redBy: "Timeout",
	},
	{
		rule: "an answer that is late is said to be",
		file: "console/frame/states.tsx",
		test: STATES_TEST,
		from: "const SLOW_AFTER_MS = 2_000;",
		to: "const SLOW_AFTER_MS = 2_000_000;",
		titles: ["an API that is slow: the page says so and the rest of it stays usable"],
		redBy: "Timeout",
	},
	{
		rule: "an answer that breaks off is said to",
		file: "console/api/problem.ts",
		test: STATES_TEST,
		from: "if (error instanceof SyntaxError) return",
		to: "if (error instanceof EvalError) return",
		titles: ["an API that breaks off: the page says so and the rest of it stays usable"],
		redBy: "Timeout",
	},
	{
		rule: "no answer is waited for without end",
		file: "console/api/client.ts",
		test: STATES_TEST,
		from: "const TIMEOUT_MS = 10_000;",
		to: "const TIMEOUT_MS = 10_000_000;",
		titles: ["an API that does not answer: the page says so and the rest of it stays usable"],
		redBy: "Timeout",
	},
	{
		rule: "what was known stays with its time",
		file: "console/frame/states.tsx",
		test: STATES_TEST,
		from: "			{query.error !== null && <Stale error={query.error} sinceMs={query.dataUpdatedAt} onRetry={again} />}\n",
		to: "",
		titles: ["what was known stays with its time when it cannot be read again"],
		redBy: "Timeout",
	},
	{
		rule: "a change of a page carries the token of its session",
		file: "console/api/client.ts",
		test: STATES_TEST,
		from: "request.headers.set(CSRF_HEADER, csrfToken);",
		to: "request.headers.set(CSRF_HEADER, csrfToken.toLowerCase().slice(1));",
		titles: ["a rejection needs a reason, and says who decided"],
		redBy: "Timeout",
	},
	{
		rule: "a session that ended is asked for again",
		file: "console/api/query-client.ts",
		test: STATES_TEST,
		from: "error.status === 401) void refreshSession",
		to: "error.status === 418) void refreshSession",
		titles: ["a session that ends while somebody works asks who it is, and goes on at the same place"],
		redBy: "Timeout",
	},
];

export const CONSOLE_PAGE_MUTANTS: readonly Mutant[] = [...ROLES, ...SAID];
