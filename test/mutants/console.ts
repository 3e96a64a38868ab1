import type { Mutant } from "./mutant.ts";

/** Rules by which the console opens to whom it should, and shows and changes no more than that. */
const ACCESS_TEST = "test/gateway/administration/access.test.ts";
const ACCESS = { file: "gateway/administration/access.ts", test: ACCESS_TEST } as const;
const KEYS = { file: "activities/administration/admin-keys.ts", test: ACCESS_TEST } as const;
const SESSION_TEST = "test/gateway/administration/sessions.test.ts";
const SESSIONS = { file: "activities/administration/console-sessions.ts", test: SESSION_TEST } as const;
const MIGRATION = { file: "migrations/0036_console.sql", test: SESSION_TEST } as const;
const CALLER = { file: "gateway/administration/caller.ts", test: SESSION_TEST } as const;
const TRIES = { file: "gateway/administration/sign-in-tries.ts", test: SESSION_TEST } as const;
const PAGES = { file: "gateway/administration/console-pages.ts", test: "test/gateway/administration/console-pages.test.ts" } as const;
const FEED = { file: "gateway/administration/change-feed.ts", test: "test/gateway/administration/events.test.ts" } as const;
const OIDC = { file: "activities/identity/oidc.ts", test: "test/gateway/administration/oidc.test.ts" } as const;
const CLAIMS = { file: "domain/access/identity-claims.ts", test: "test/unit/domain/access/identity-claims.test.ts" } as const;
const LEAKS = "team-owner: no answer to any GET holds the id of another team, or of anything it has";
const FOREIGN = "a team owner is refused what another team has, and what there is not, in the same words";

const RIGHTS: readonly Mutant[] = [
	{
		rule: "a route is used by the roles that it names",
		...ACCESS,
		from: 'if (route.kind === "anyone" || route.roles.includes(role)) return;',
		to: "if (true) return;",
		titles: ["a viewer may use the routes that say so, and no other"],
	},
	{
		rule: "what operators do, readers do not",
		...ACCESS,
		from: 'return access(["operator"], teams);',
		to: 'return access(["operator", "viewer"], teams);',
		titles: ["a viewer may use the routes that say so, and no other"],
	},
	{
		rule: "a team owner has what is of his teams alone",
		...ACCESS,
		from: "if (asked.length > 0 && asked.every((teamId) => own.includes(teamId))) return;",
		to: "if (asked.length >= 0) return;",
		titles: [FOREIGN, LEAKS],
	},
	{
		rule: "what there is not is refused a team owner like what another team has",
		...ACCESS,
		from: "asked.length > 0 && asked.every",
		to: "asked.every",
		titles: [FOREIGN],
	},
	{
		rule: "a list that names no team is one of the team of its owner",
		...ACCESS,
		from: '	return asked["teamId"] === undefined ? { ...asked, teamId: only } : query;\n',
		to: "	return query;\n",
		// Of items handed in alone the question needs a team: without one it is no question.
		titles: ["without teamId are those of the only team, and of several teams together"],
	},
	{
		rule: "teams are listed to their owners alone",
		file: "gateway/administration/routes.ts",
		test: ACCESS_TEST,
		from: "listTeams(database, teamIds)",
		to: "listTeams(database)",
		titles: [LEAKS],
	},
	{
		rule: "a team owner reads the policy of his teams alone",
		file: "gateway/administration/policy-routes.ts",
		test: ACCESS_TEST,
		from: 'kind: "write", policyJson, teamIds',
		to: 'kind: "write", policyJson, teamIds: null',
		titles: ["the policy in force is the organisation's and his teams'", LEAKS],
	},
	{
		rule: "a month says to a team owner what his teams owe",
		file: "gateway/administration/statement-routes.ts",
		test: ACCESS_TEST,
		from: "listMonths(database, teamIds)",
		to: "listMonths(database)",
		titles: ["of months say what his teams owe, not what all do"],
	},
	{
		rule: "the last key of an operator stays",
		...KEYS,
		from: "OR EXISTS (SELECT 1 FROM operators o WHERE o.id <> $1))",
		to: "OR true)",
		titles: ["the last operator stays, whatever other keys there are, and two cannot revoke each other at once"],
	},
	{
		rule: "a team owner needs a team",
		file: "domain/access/admin-role.ts",
		test: "test/unit/domain/access/identity-claims.test.ts",
		from: 'if (teamIds.length === 0) return invalid("teamIds", "are missing: a team-owner needs at least one team");\n',
		to: "",
		titles: ["a team owner has teams, and nobody else has any"],
	},
];

const SIGN_IN: readonly Mutant[] = [
	{
		rule: "a link opens one session",
		...SESSIONS,
		from: "WHERE token_hash = $3 AND used_at IS NULL AND",
		to: "WHERE token_hash = $3 AND",
		titles: ["opens one session, in the name of whoever made it, with the rights it says", "is taken by one of many at once"],
	},
	{
		rule: "a link opens nothing after ten minutes",
		...SESSIONS,
		from: "used_at IS NULL AND expires_at > clock_timestamp()\n",
		to: "used_at IS NULL\n",
		titles: ["opens nothing after ten minutes, nor once the key it was made with is revoked, nor where it is none"],
	},
	{
		rule: "a link of a revoked key opens nothing",
		...SESSIONS,
		from: "			AND NOT EXISTS (SELECT 1 FROM tollgate.admin_key k WHERE k.id = l.admin_key_id AND k.revoked_at IS NOT NULL)\n",
		to: "",
		titles: ["opens nothing after ten minutes, nor once the key it was made with is revoked, nor where it is none"],
	},
	{
		rule: "a session ends after twelve hours",
		...MIGRATION,
		from: "WHERE s.expires_at > clock_timestamp() AND ",
		to: "WHERE ",
		titles: ["ends twelve hours after sign-in"],
	},
	{
		rule: "a session ends after two hours without a request",
		...MIGRATION,
		from: "s.last_seen_at > clock_timestamp() - interval '2 hours' AND ",
		to: "",
		titles: ["ends after two hours without a request, and each request counts"],
	},
	{
		rule: "a request keeps a session awake",
		...SESSIONS,
		from: "UPDATE tollgate.console_session SET last_seen_at = clock_timestamp()",
		to: "UPDATE tollgate.console_session SET last_seen_at = last_seen_at",
		titles: ["ends after two hours without a request, and each request counts"],
	},
	{
		rule: "a session ends with the key it came from",
		...MIGRATION,
		from: " AND k.revoked_at IS NULL;",
		to: ";",
		titles: ["ends with the admin key it came from, by key and by link"],
	},
	{
		rule: "signing out ends the session",
		file: "gateway/administration/session-routes.ts",
		test: SESSION_TEST,
		from: "			if (caller.session !== null) await endSession(database, caller.secret);\n",
		to: "",
		titles: ["ends when it is signed out"],
	},
	{
		rule: "a change by a session carries its token",
		...CALLER,
		from: "requireCsrfToken(request.headers[CSRF_HEADER], session.csrfToken)",
		to: "requireCsrfToken(session.csrfToken, session.csrfToken)",
		titles: ["changes nothing without the token of its session"],
	},
	{
		rule: "the token is that of the session",
		...CALLER,
		from: "if (a.length === b.length && timingSafeEqual(a, b)) return;",
		to: "if (a.length === b.length || timingSafeEqual(a, b)) return;",
		titles: ["changes nothing without the token of its session"],
	},
	{
		rule: "another site changes nothing by a session",
		...CALLER,
		from: "if (!isOwn) throw",
		to: "if (!isOwn && false) throw",
		titles: ['{"sec-fetch-site":"same-site"} changes something, or nothing'],
	},
	{
		rule: "tries to sign in are bounded",
		...TRIES,
		from: "(this.#failed.get(address) ?? 0) >= FAILED_MAX",
		to: "(this.#failed.get(address) ?? 0) >= 1_000",
		titles: ["ends after ten failed tries of an address in a minute, whatever is tried, and goes on after it"],
	},
	{
		rule: "a try is counted before it is tried",
		...TRIES,
		from: "		this.#add(address, 1);\n		try {",
		to: "		setTimeout(() => this.#add(address, 1), 100);\n		try {",
		titles: ["is counted before it is tried: many at once are not let through"],
	},
	{
		rule: "only operators make links",
		file: "gateway/administration/session-routes.ts",
		test: SESSION_TEST,
		from: "access: operators(),",
		to: "access: SIGNED_IN,",
		titles: ["is made by operators alone, for rights there are"],
	},
];

const SHOWN: readonly Mutant[] = [
	{
		rule: "each answer of a page has a nonce of its own",
		...PAGES,
		from: 'const nonce = randomBytes(16).toString("base64");',
		to: 'const nonce = randomBytes(0).toString("base64") || "always";',
		titles: ["has a page for every route of its own, with a new nonce each time and nothing else that may run"],
	},
	{
		rule: "a report as a page runs in a sandbox",
		file: "gateway/administration/app.ts",
		test: "test/gateway/administration/console-pages.test.ts",
		from: 'if (answer.type.startsWith("text/html")) reply',
		to: 'if (answer.type.startsWith("text/nothing")) reply',
		titles: ["of a report as a page run in a sandbox"],
	},
	{
		rule: "whoever is kept to his teams is told of their changes alone",
		...FEED,
		from: "teamIds === null || teamId === null || teamIds.includes(teamId)",
		to: "teamIds === null || teamId === null || teamIds.length > 0",
		titles: ["a key is told to whoever may see it, and to nobody else"],
	},
	{
		rule: "events end with the session or key",
		...FEED,
		from: "else this.#end(listener);",
		to: "",
		redBy: "waited",
		titles: ["end at sign-out, when the key is revoked, and when the session expires"],
	},
	{
		rule: "one key or session has so many listeners",
		...FEED,
		from: " || own >= LISTENERS_OF_ONE_MAX",
		to: " || own < 0",
		titles: ["are kept to so many listeners"],
	},
];

const IDENTITY: readonly Mutant[] = [
	{
		rule: "an identity provider's answer is of this browser's state",
		...OIDC,
		from: "expectedState: state,",
		to: "expectedState: client.skipStateCheck,",
		titles: ["where the state is not that of this browser"],
	},
	{
		// The library refuses a nonce that nobody expects.
		rule: "an ID token's nonce is expected",
		...OIDC,
		from: "				expectedNonce: nonce,\n",
		to: "",
		titles: ["gets a session with his name and role, and goes on to the console"],
	},
	{
		rule: "a code is taken with the verifier of this browser",
		...OIDC,
		from: "				pkceCodeVerifier: codeVerifier,\n",
		to: "",
		titles: ["gets a session with his name and role, and goes on to the console"],
	},
	{
		rule: "an identity provider's answer is the issuer's own",
		...OIDC,
		from: "		cameTo.search = query.toString();\n",
		to: '		query.set("iss", this.#options.issuer);\n		cameTo.search = query.toString();\n',
		titles: ["where another issuer is named"],
	},
	{
		rule: "the signature of an ID token is the issuer's",
		...OIDC,
		from: "[client.enableNonRepudiationChecks, ...(",
		to: "[...(",
		titles: ["where the signature of the ID token is not the issuer's"],
	},
	{
		rule: "somebody without a role gets no session",
		...OIDC,
		from: "		if (grant === undefined)\n",
		to: '		if (grant === undefined) return { role: "viewer", teamIds: null, name };\n		if (grant === null)\n',
		titles: ["with roles undefined is told that he has none, and gets no session"],
	},
	{
		rule: "an address that nobody verified is no name",
		...CLAIMS,
		from: "isVerified === true && typeof email",
		to: "isVerified !== undefined && typeof email",
		titles: ["a name is the address that was verified, else the id, if either can stand in a log"],
	},
];

const WORKFLOWS_TEST = "test/gateway/administration/workflows.test.ts";
const SAVINGS = { file: "activities/administration/batch-savings.ts", test: "test/integration/activities/administration/batch-savings.test.ts" } as const;
const LINKED: readonly Mutant[] = [
	{
		rule: "a run that no workflow was told of has no link to one",
		file: "activities/administration/runs.ts",
		test: WORKFLOWS_TEST,
		from: "rows[0]?.has === true ?",
		to: "rows.length > 0 ?",
		titles: ["of a run is there once it was told of it, and then of its calls too"],
	},
	{
		rule: "a run that ended before anybody was told of it has no link to a workflow",
		file: "migrations/0022_run_governance.sql",
		test: WORKFLOWS_TEST,
		from: "SET told_version = r.version, is_governed = false",
		to: "SET told_version = r.version",
		titles: ["of a run that ended before anybody was told of it is none"],
	},
	{
		rule: "a call of a run that no workflow was told of has no link to one",
		file: "activities/administration/explain.ts",
		test: WORKFLOWS_TEST,
		from: "runHasWorkflow && ",
		to: "",
		titles: ["of a call is that of its run and of its batch"],
	},
	{
		rule: "a batch that no workflow drives has no link to one",
		file: "activities/administration/batches.ts",
		test: WORKFLOWS_TEST,
		from: ' && state !== "held"',
		to: "",
		titles: ["of a batch is there once its money is held and a workflow drives it"],
	},
	{
		rule: "what a batch cost is what all of its tries were booked at",
		...SAVINGS,
		from: "sum(b.settled_nano_usd)",
		to: "sum(i.items)",
		titles: ["costs what the ledger booked"],
	},
	{
		rule: "batches that are not over count so far",
		...SAVINGS,
		from: " OR b.ended_at IS NULL",
		to: "",
		titles: ["is told of files and of items handed in alone, of what is not over so far"],
	},
];

export const CONSOLE_MUTANTS: readonly Mutant[] = [...LINKED, ...RIGHTS, ...SIGN_IN, ...SHOWN, ...IDENTITY];
