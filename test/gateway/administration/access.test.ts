import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AdminRole } from "#domain/access/admin-role.ts";
import { ADMINISTRATION_ROUTES } from "#gateway/administration/routes.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { type OwnedThings, seedOwnedThings } from "#test/support/owned-things.ts";

/**
 * Who may use each route: v(iewer), f(inance), t(eam owner), o(perator), or anyone; a capital T is a team owner who is kept to his teams by what he asks about.
 * A route that is not in the table fails the test.
 */
const TABLE: Readonly<Record<string, string>> = {
	"GET /teams": "vfto",
	"POST /teams": "o",
	"GET /teams/{teamId}": "vfTo",
	"GET /teams/{teamId}/today": "vfTo",
	"PATCH /teams/{teamId}": "o",
	"DELETE /teams/{teamId}": "o",
	"POST /teams/{teamId}/freeze": "o",
	"POST /teams/{teamId}/unfreeze": "o",
	"GET /throttles": "vfTo",
	"DELETE /throttles": "o",
	"GET /keys": "vfTo",
	"POST /keys": "o",
	"POST /keys/{keyId}/rotate": "o",
	"POST /keys/{keyId}/revoke": "o",
	"GET /budgets": "vfTo",
	"PUT /budgets": "o",
	"DELETE /budgets": "o",
	"GET /increases": "vfTo",
	"POST /increases": "To",
	"GET /increases/{increaseId}": "vfTo",
	"POST /increases/{increaseId}/approve": "To",
	"POST /increases/{increaseId}/reject": "To",
	"POST /increases/{increaseId}/withdraw": "To",
	"POST /increases/{increaseId}/end": "To",
	"GET /runs": "vfTo",
	"GET /runs/{runId}": "vfTo",
	"POST /runs/{runId}/resume": "To",
	"POST /runs/{runId}/approve": "To",
	"POST /runs/{runId}/raise": "To",
	"POST /runs/{runId}/stop": "To",
	"POST /runs/{runId}/finish": "o",
	"GET /batches": "vfTo",
	"GET /batches/savings": "vfTo",
	"GET /batches/{batchId}": "vfTo",
	"POST /batches/{batchId}/cancel": "To",
	"POST /batches/{batchId}/retry": "To",
	"GET /deferred": "vfTo",
	"GET /deferred/report": "vfTo",
	"GET /deferred/webhooks": "vfTo",
	"POST /deferred/webhooks/retry": "To",
	"GET /deferred/{deferredId}": "vfTo",
	"POST /deferred/{deferredId}/cancel": "To",
	"GET /policy": "vfto",
	"GET /policy/history": "vfto",
	"GET /policy/{revision}": "vfo",
	"POST /policy/diff": "o",
	"POST /policy/apply": "o",
	"POST /policy/import/litellm": "o",
	"GET /spend": "vfTo",
	"POST /spend/recounts": "o",
	"GET /audit": "vfTo",
	"GET /statements": "vfto",
	"GET /statements/{month}": "vfTo",
	"GET /statements/{month}/lines": "vfTo",
	"POST /statements/{month}/close": "fo",
	"POST /statements/{month}/approve": "fo",
	"POST /statements/{month}/reject": "fo",
	"GET /chargeback-rules": "vfo",
	"PUT /chargeback-rules": "fo",
	"GET /charges": "vfo",
	"GET /reports": "vfTo",
	"POST /reports": "fo",
	"GET /reports/{reportId}": "vfTo",
	"GET /forecast": "vfTo",
	"GET /anomalies": "vfTo",
	"GET /requests": "vfTo",
	"GET /requests/{requestId}": "vfTo",
	"GET /refusals": "vfTo",
	"GET /leases": "vfo",
	"POST /leases/resolve": "o",
	"GET /changes": "vfo",
	"GET /prices": "vfto",
	"PUT /prices": "o",
	"POST /prices/check": "vfto",
	"GET /users": "vfo",
	"PUT /users/{userId}": "o",
	"DELETE /users/{userId}": "o",
	"GET /admin-keys": "vfo",
	"POST /admin-keys": "o",
	"POST /admin-keys/{adminKeyId}/revoke": "o",
	"POST /session": "vfto anyone",
	"GET /session": "vfto",
	"DELETE /session": "vfto",
	"GET /session/ways": "vfto anyone",
	"GET /events": "vfto",
	"POST /console-links": "o",
	"GET /alerts": "vfTo",
	"GET /alerts/{alertId}": "vfTo",
	"POST /alerts/{alertId}/retry": "To",
	"POST /alerts/retry-dead": "o",
	"POST /alerts/{alertId}/acknowledge": "To",
	"GET /alert-channels": "vfo",
	"PUT /alert-channels/{name}": "o",
	"DELETE /alert-channels/{name}": "o",
	"POST /alert-channels/{name}/test": "o",
	"PUT /alert-routes": "o",
};

let administration: TestAdministration;
let origin: string;
let alpha: OwnedThings;
let beta: OwnedThings;
let gamma: OwnedThings;
const keys = new Map<string, string>();

beforeAll(async () => {
	administration = await openTestAdministration();
	origin = await administration.app.listen({ host: "127.0.0.1", port: 0 });
	[alpha, beta, gamma] = (await seedOwnedThings(administration, ["alpha", "beta", "gamma"])) as [OwnedThings, OwnedThings, OwnedThings];
	keys.set("operator", administration.adminKey);
	for (const [name, grant] of Object.entries({
		viewer: { role: "viewer" },
		finance: { role: "finance" },
		"team-owner": { role: "team-owner", teamIds: ["alpha"] },
		"owner of two": { role: "team-owner", teamIds: ["alpha", "gamma"] },
		revoked: {},
	}))
		keys.set(name, (await ask("operator", "POST", "/admin-keys", { name, ...grant })).body.key);
	const { body } = await ask("operator", "GET", "/admin-keys");
	await ask("operator", "POST", `/admin-keys/${body.adminKeys.find((key: { name: string }) => key.name === "revoked").id}/revoke`);
});
afterAll(() => administration.close());

async function ask(who: string | undefined, method: string, path: string, body?: unknown) {
	const answer = await fetch(`${origin}/admin/v1${path}`, {
		method,
		headers: {
			...(who !== undefined && { authorization: `Bearer ${keys.get(who) ?? who}` }),
			...(body !== undefined && { "content-type": "application/json" }),
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
	});
	// Events have no end; test/gateway/administration/events.test.ts reads them.
	const isEvents = answer.headers.get("content-type")?.startsWith("text/event-stream") === true;
	if (isEvents) await answer.body?.cancel();
	const text = isEvents ? "" : await answer.text();
	return {
		status: answer.status,
		text,
		get body() {
			return JSON.parse(text);
		},
	};
}

const NOTHING: OwnedThings = {
	...{ teamId: "nobody", keyId: "key_0", increaseId: "inc_000000000000", runId: "nothing", batchId: "nothing", deferredId: "nothing" },
	...{ alertId: "nothing", reportId: "daily-2026-09-05-nobody", requestId: "nothing" },
};

/** Path and query of a route about what these things are; `month` and the like are the same for all. */
function pathOf(path: string, things: OwnedThings): string {
	const others = { month: "2026-09", revision: "1", userId: "ann", adminKeyId: "adm_none", name: "none" };
	return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ({ ...others, ...things })[name as keyof OwnedThings] ?? "none");
}

const QUERIES: Readonly<Record<string, string>> = { "GET /charges": "?day=2026-09-05" };
/** Bodies of questions that name their team there. */
function bodyOf(route: string, things: OwnedThings): unknown {
	if (route === "POST /spend/recounts") return { from: "2026-09-05", to: "2026-09-04" };
	if (route === "POST /increases") return { teamId: things.teamId, amountUsd: "1", reason: "why" };
	return route === "POST /deferred/webhooks/retry" ? { deferredId: things.deferredId } : {};
}
/** What these routes take, so that nothing but whose it is can be wrong. */
const DECISIONS: Readonly<Record<string, unknown>> = {
	"POST /increases/{increaseId}/reject": { reason: "no" },
	"POST /increases/{increaseId}/end": { reason: "no" },
	"POST /runs/{runId}/resume": { reason: "on" },
	"POST /runs/{runId}/stop": { reason: "off" },
	"POST /runs/{runId}/raise": { limits: { steps: 500 }, reason: "more" },
	"POST /runs/{runId}/approve": { limits: { steps: 500 }, reason: "more" },
};
const namesTeamInQuery = (path: string) => !path.includes("{") || path.startsWith("/statements/");

async function askRoute(who: string | undefined, { method, path }: { readonly method: string; readonly path: string }, things: OwnedThings, isValid = false) {
	const route = `${method} ${path}`;
	const isNarrowed = TABLE[route]?.includes("T") === true && method === "GET" && namesTeamInQuery(path);
	const query = QUERIES[route] ?? (isNarrowed ? `?teamId=${things.teamId}` : "");
	return ask(
		who,
		method,
		`${pathOf(path, things)}${query}`,
		method === "GET" || method === "DELETE" ? undefined : (isValid && DECISIONS[route]) || bodyOf(route, things),
	);
}

describe("roles", () => {
	test("every route is in the table, and nothing else is", () => {
		expect(ADMINISTRATION_ROUTES.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(Object.keys(TABLE).sort());
	});

	test.each<[AdminRole, string]>([
		["viewer", "v"],
		["finance", "f"],
		["team-owner", "t"],
		["operator", "o"],
	])("a %s may use the routes that say so, and no other", async (role, letter) => {
		const wrong: string[] = [];
		// Operators ask about what there is not, so that nothing they are let through to changes anything.
		const things = role === "team-owner" ? alpha : NOTHING;
		for (const route of ADMINISTRATION_ROUTES) {
			const at = `${route.method} ${route.path}`;
			const { status, text } = await askRoute(role, route, things);
			const isLet = !text.includes('"admin.forbidden"');
			const isExpected = TABLE[at]?.toLowerCase().includes(letter) === true;
			if (isLet !== isExpected || status === 401 || status === 500) wrong.push(`${at}: ${status} ${text.slice(0, 120)}`);
		}
		expect(wrong).toEqual([]);
	});

	test("nobody may use any route without a key, or with one that is revoked", async () => {
		for (const route of ADMINISTRATION_ROUTES)
			for (const [who, code] of [
				[undefined, "key.missing"],
				["revoked", "key.invalid"],
			] as const)
				if (TABLE[`${route.method} ${route.path}`]?.includes("anyone") !== true)
					expect((await askRoute(who, route, alpha)).body.error.code, `${route.method} ${route.path}`).toBe(code);
	});

	test("a team owner is refused what another team has, and what there is not, in the same words", async () => {
		for (const route of ADMINISTRATION_ROUTES.filter(({ method, path }) => TABLE[`${method} ${path}`]?.includes("T"))) {
			const answers = [await askRoute("team-owner", route, beta, true), await askRoute("team-owner", route, NOTHING, true)];
			expect(
				answers.map(({ status, body }) => [status, body.error.code]),
				`${route.method} ${route.path}`,
			).toEqual([
				[403, "admin.forbidden"],
				[403, "admin.forbidden"],
			]);
			expect(answers[0]?.text).toBe(answers[1]?.text);
		}
	});

	test("a team owner reaches what his team has: reading it, asking for more, stopping a run", async () => {
		for (const path of [`/runs/${alpha.runId}`, `/batches/${alpha.batchId}`, `/deferred/${alpha.deferredId}`, `/alerts/${alpha.alertId}`])
			expect((await ask("team-owner", "GET", path)).body.teamId, path).toBe("alpha");
		expect((await ask("team-owner", "GET", `/requests/${alpha.requestId}`)).status).toBe(200);
		expect((await ask("team-owner", "GET", `/reports/${alpha.reportId}`)).status).toBe(200);
		expect((await ask("team-owner", "POST", "/increases", { teamId: "alpha", amountUsd: "7", reason: "more" })).body).toMatchObject({
			requestedBy: "team-owner",
		});
		expect((await ask("team-owner", "POST", `/runs/${alpha.runId}/stop`, { reason: "enough" })).body).toMatchObject({ state: "stopped" });
		expect((await ask("team-owner", "POST", `/alerts/${alpha.alertId}/acknowledge`, {})).status).toBe(200);
	});
});

describe("a team owner's lists", () => {
	const gets = ADMINISTRATION_ROUTES.filter(({ method, path }) => method === "GET" && /[tT]/.test(TABLE[`${method} ${path}`] ?? ""));

	test.each([
		["team-owner", ["beta", "gamma"], ["alpha"]],
		["owner of two", ["beta"], ["alpha", "gamma"]],
	])("%s: no answer to any GET holds the id of another team, or of anything it has", async (who, others, own) => {
		const foreign = [beta, ...(others.includes("gamma") ? [gamma] : [])].flatMap((things) => Object.values(things));
		for (const route of gets) {
			for (const things of [alpha, beta, NOTHING]) {
				const paths = [pathOf(route.path, things), `${pathOf(route.path, things)}?teamId=beta`, `${pathOf(route.path, things)}?teamId=alpha`];
				for (const path of paths) {
					const { text, status } = await ask(who, "GET", path);
					expect(status, path).toBeLessThan(500);
					// What was asked for may stand in the words that refuse it.
					for (const id of status < 400 ? foreign : []) expect(text, path).not.toContain(id);
				}
			}
		}
		const { body } = await ask(who, "GET", "/teams");
		expect(body.teams.map(({ id }: { id: string }) => id)).toEqual(own);
	});

	test("without teamId are those of the only team, and of several teams together", async () => {
		const LISTS = ["keys", "budgets", "increases", "runs", "batches", "alerts", "throttles", "reports"];
		for (const list of LISTS) {
			const teamsIn = async (who: string) => [...new Set((await ask(who, "GET", `/${list}`)).body[list].map((row: { teamId: string }) => row.teamId))].sort();
			expect(await teamsIn("viewer"), list).toEqual(expect.arrayContaining(["alpha", "beta", "gamma"]));
			expect(await teamsIn("team-owner"), list).toEqual(["alpha"]);
			expect(await teamsIn("owner of two"), list).toEqual(["alpha", "gamma"]);
		}
		expect((await ask("owner of two", "GET", "/runs?limit=1")).body.runs).toHaveLength(1);
		// A question that takes no answer without a team has it filled in.
		expect((await ask("team-owner", "GET", "/deferred")).body.items).toMatchObject([{ deferredId: alpha.deferredId }]);
		expect((await ask("viewer", "GET", "/deferred")).body.error.field).toBe("teamId");
		const spent = async (who: string, path = "/spend") => (await ask(who, "GET", path)).body;
		expect((await spent("team-owner")).rows.map((row: { groups: object }) => row.groups)).toEqual([{ team: "alpha" }]);
		expect((await spent("owner of two")).error).toMatchObject({ code: "admin.invalid", field: "teamId" });
		expect((await spent("owner of two", "/spend?teamId=gamma")).rows).toHaveLength(1);
	});

	test("of months say what his teams owe, not what all do", async () => {
		expect((await ask("viewer", "GET", "/statements")).body.months).toMatchObject([{ teams: 3, costNanoUsd: "2100" }]);
		expect((await ask("team-owner", "GET", "/statements")).body.months).toMatchObject([{ teams: 1, costNanoUsd: "700", decisionReason: null }]);
		expect((await ask("owner of two", "GET", "/statements/2026-09")).body).toMatchObject({
			month: { teams: 2, costNanoUsd: "1400" },
			statements: [{ teamId: "alpha" }, { teamId: "gamma" }],
		});
	});

	test("the policy in force is the organisation's and his teams'", async () => {
		const { body } = await ask("team-owner", "GET", "/policy");
		expect(Object.keys(body.policy.teams)).toEqual(["alpha"]);
		expect(body.text).not.toContain("beta");
		expect(Object.keys((await ask("viewer", "GET", "/policy")).body.policy.teams)).toEqual(["alpha", "beta", "gamma"]);
	});
});

describe("rights", () => {
	test.each([
		[{ name: "x", role: "team-owner" }, "teamIds"],
		[{ name: "x", role: "team-owner", teamIds: [] }, "teamIds"],
		[{ name: "x", role: "viewer", teamIds: ["alpha"] }, "teamIds"],
		[{ name: "x", role: "root" }, "role"],
		[{ name: "<b>", role: "viewer" }, "name"],
	])("%j is refused", async (body, field) => {
		expect((await ask("operator", "POST", "/admin-keys", body)).body.error).toMatchObject({ code: "admin.invalid", field });
	});

	test("a team that does not exist is none to own", async () => {
		expect((await ask("operator", "POST", "/admin-keys", { name: "x", role: "team-owner", teamIds: ["nobody"] })).body.error.code).toBe("admin.not_found");
	});

	test("the last operator stays, whatever other keys there are, and two cannot revoke each other at once", async () => {
		const idOf = async (name: string) => (await ask("operator", "GET", "/admin-keys")).body.adminKeys.find((key: { name: string }) => key.name === name).id;
		expect((await ask("operator", "POST", `/admin-keys/${await idOf("ada")}/revoke`, {})).body).toMatchObject({ error: { code: "admin.conflict" } });
		const { body: grace } = await ask("operator", "POST", "/admin-keys", { name: "grace" });
		const both = await Promise.all([
			ask("operator", "POST", `/admin-keys/${grace.id}/revoke`, {}),
			ask(grace.key, "POST", `/admin-keys/${await idOf("ada")}/revoke`, {}),
		]);
		expect(both.filter(({ status }) => status === 200)).toHaveLength(1);
	});
});
