import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { ADMINISTRATION_ROUTES } from "#gateway/administration/routes.ts";
import { openTestAdministration, TEST_PRICE_LINE, type TestAdministration } from "#test/support/administration.ts";

let administration: TestAdministration;

beforeAll(async () => {
	administration = await openTestAdministration();
	await ask("POST", "/teams", { id: "search", budget: { limitUsd: "100", windowKind: "day" } });
});
afterEach(() => {
	administration.governor.isAway = false;
	expect(administration.unexpected).toEqual([]);
});
afterAll(() => administration.close());

async function ask(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown, key = administration.adminKey) {
	const answer = await administration.app.inject({
		method,
		url: `/admin/v1${path}`,
		headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
		...(body === undefined ? {} : { payload: JSON.stringify(body) }),
	});
	return { status: answer.statusCode, body: answer.json() };
}

describe("who may administer", () => {
	test("every route but sign-in refuses a caller without an admin key", async () => {
		for (const route of ADMINISTRATION_ROUTES.filter(({ access }) => access.kind !== "anyone")) {
			const url = `/admin/v1${route.path.replaceAll(/\{\w+\}/g, "x")}`;
			const answers = [
				await administration.app.inject({ method: route.method, url }),
				await administration.app.inject({ method: route.method, url, headers: { authorization: "Bearer tga-unknown" } }),
			];
			expect(answers.map((answer) => answer.json().error.code)).toEqual(["key.missing", "key.invalid"]);
			expect(answers.map((answer) => answer.statusCode)).toEqual([401, 401]);
		}
	});

	test("a virtual key cannot administer", async () => {
		const { body } = await ask("POST", "/keys", { teamId: "search" });
		expect((await ask("GET", "/teams", undefined, body.key)).status).toBe(401);
	});

	test("admin keys are per person, end when revoked, and the last one stays", async () => {
		const { body: grace } = await ask("POST", "/admin-keys", { name: "grace" });
		await ask("POST", "/teams", { id: "graces-team" }, grace.key);
		const { body: list } = await ask("GET", "/admin-keys");
		const adaId = list.adminKeys.find((key: { name: string }) => key.name === "ada").id;
		expect((await ask("POST", `/admin-keys/${grace.id}/revoke`)).status).toBe(200);
		expect((await ask("GET", "/teams", undefined, grace.key)).body.error.code).toBe("key.invalid");
		expect((await ask("POST", `/admin-keys/${adaId}/revoke`)).body.error.code).toBe("admin.conflict");
		const { body: log } = await ask("GET", "/changes?limit=1000");
		expect(log.changes.find((change: { subject: string }) => change.subject === "graces-team").adminName).toBe("grace");
		expect(JSON.stringify(list)).not.toContain("tga-");
	});
});

describe("the document", () => {
	test("describes every route the server has, and no other", async () => {
		const document = (await administration.app.inject({ url: "/admin/v1/openapi.json" })).json();
		const described = Object.entries(document.paths).flatMap(([path, methods]) =>
			Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
		);
		expect(described.sort()).toEqual(ADMINISTRATION_ROUTES.map((route) => `${route.method} /admin/v1${route.path}`).sort());
		for (const route of ADMINISTRATION_ROUTES)
			expect(administration.app.hasRoute({ method: route.method, url: `/admin/v1${route.path.replaceAll(/\{(\w+)\}/g, ":$1")}` })).toBe(true);
		expect(new Set(ADMINISTRATION_ROUTES.map((route) => route.operationId)).size).toBe(ADMINISTRATION_ROUTES.length);
	});

	test("gives each operation its parameters, body and answer", async () => {
		const { paths } = (await administration.app.inject({ url: "/admin/v1/openapi.json" })).json();
		expect(paths["/admin/v1/keys/{keyId}/rotate"].post.parameters).toEqual([{ name: "keyId", in: "path", required: true, schema: { type: "string" } }]);
		expect(paths["/admin/v1/keys"].post.requestBody.content["application/json"].schema.required).toEqual(["teamId"]);
		expect(paths["/admin/v1/spend"].get.responses["200"].content["application/json"].schema.properties).toHaveProperty("totalNanoUsd");
	});

	test("a path nobody serves is not found", async () => {
		expect((await ask("GET", "/nothing")).body.error.code).toBe("request.not_found");
		expect((await ask("GET", "/%zz")).body.error).toMatchObject({ code: "request.invalid", field: null });
	});
});

describe("limits and throttles", () => {
	const limits = { caps: [{ feature: null, outputTokens: 4_000 }], rates: [{ dimension: "user", dimensionValue: "*", inFlight: 2 }] };

	test("limits are set as a whole, shown, kept by other changes, and taken away", async () => {
		expect((await ask("POST", "/teams", { id: "limited", limits })).body.team.limits).toEqual(limits);
		expect((await ask("PATCH", "/teams/limited", { policy: { admissionWaitMs: 1 } })).body.limits).toEqual(limits);
		const others = { caps: [], rates: [{ dimension: "team", dimensionValue: "", requestsPerMinute: 60 }] };
		expect((await ask("PATCH", "/teams/limited", { limits: others })).body.limits).toEqual(others);
		expect((await ask("GET", "/teams/limited")).body.limits).toEqual(others);
		expect((await ask("PATCH", "/teams/limited", { limits: {} })).body.limits).toEqual({ caps: [], rates: [] });
	});

	test("limits that are wrong change nothing, and every mistake is named", async () => {
		await ask("PATCH", "/teams/search", { limits });
		const wrong = { caps: [{ feature: 7 }], rates: [{ dimension: "team", dimensionValue: "x", inFlight: 0 }] };
		const { status, body } = await ask("PATCH", "/teams/search", { limits: wrong, policy: { admissionWaitMs: 7 } });
		expect([status, body.error.code, body.error.field]).toEqual([422, "admin.invalid", "limits.caps[0].feature"]);
		for (const field of ["limits.caps[0].feature", "limits.caps[0] names no cap", "limits.rates[0].dimensionValue", "limits.rates[0].inFlight"])
			expect(body.error.message).toContain(field);
		expect((await ask("GET", "/teams/search")).body).toMatchObject({ limits, policy: {} });
		await ask("PATCH", "/teams/search", { limits: {} });
	});

	test("throttles are listed and ended", async () => {
		await administration.pool.query(
			"SELECT tollgate.set_throttle('search', 'user', 'ann', 3, clock_timestamp() + interval '1 hour', 'why', 'velocity/1', 'test')",
		);
		expect((await ask("GET", "/throttles?teamId=search")).body.throttles).toMatchObject([
			{ teamId: "search", dimension: "user", value: "ann", requestsPerMinute: 3, reason: "why", setBy: "test" },
		]);
		expect((await ask("DELETE", "/throttles?teamId=search&dimension=user&value=ann")).body).toEqual({ done: true });
		expect((await ask("GET", "/throttles")).body.throttles).toEqual([]);
		expect((await ask("DELETE", "/throttles?teamId=search&dimension=user&value=ann")).body.error.code).toBe("admin.not_found");
		expect((await ask("GET", "/throttles?teamId=nobody")).status).toBe(404);
	});
});

describe("teams and budgets", () => {
	test("a team is created with its budget, in force", async () => {
		const { status, body } = await ask("POST", "/teams", { id: "ranking", budget: { limitUsd: "0.25", windowKind: "day" } });
		expect(status).toBe(201);
		expect(body).toMatchObject({
			team: { id: "ranking", isUnlimited: false, isFrozen: false },
			budget: { teamId: "ranking", dimension: "team", limitAmount: "250000000", leftAmount: "250000000", windowKind: "day" },
		});
		expect((await ask("GET", "/teams/ranking")).body.id).toBe("ranking");
	});

	test.each([
		["-1", "limit"],
		["0.0000000001", "limit"],
		["1e9", "limit"],
		["9999999999", "limit"],
		["much", "limit"],
	])("a limit of %s is refused, naming the field, and no team is left behind", async (limitUsd, field) => {
		const { status, body } = await ask("POST", "/teams", { id: "never", budget: { limitUsd, windowKind: "day" } });
		expect([status, body.error.code, body.error.field]).toEqual([422, "admin.invalid", field]);
		expect((await ask("GET", "/teams/never")).status).toBe(404);
	});

	test.each([
		[{ windowKind: "fortnight", limitUsd: "1" }, "windowKind"],
		[{ windowKind: "day" }, "limit"],
		[{ windowKind: "day", limitUsd: "1", timeZone: "Mars/Base" }, "timeZone"],
		[{ windowKind: "day", limitUsd: "1", unit: "tokens" }, "limit"],
		[{ windowKind: "day", limitUsd: "1", stopUsd: "2" }, "stopAmount"],
		[{ windowKind: "day", limitUsd: "1", dimension: "user" }, "dimensionValue"],
		[{ windowKind: "day", limitUsd: "1", surprise: true }, "surprise"],
	])("budget %j is refused, naming the field", async (budget, field) => {
		const { status, body } = await ask("PUT", "/budgets", { teamId: "search", ...budget });
		expect(status).toBe(422);
		expect(body.error.field).toContain(field);
	});

	test("one budget per selector: setting again changes it", async () => {
		const set = (limitUsd: string) => ask("PUT", "/budgets", { teamId: "search", dimension: "user", dimensionValue: "ann", windowKind: "week", limitUsd });
		await set("1");
		expect((await set("2")).body).toMatchObject({ dimension: "user", dimensionValue: "ann", limitAmount: "2000000000" });
		const { body } = await ask("GET", "/budgets?teamId=search");
		expect(body.budgets.filter((budget: { dimension: string }) => budget.dimension === "user")).toHaveLength(1);
	});

	test("a removed budget is gone, and removing it again is not found", async () => {
		await ask("PUT", "/budgets", { teamId: "search", dimension: "model", dimensionValue: "gpt-test", windowKind: "day", limitUsd: "1" });
		const remove = () => ask("DELETE", "/budgets?teamId=search&dimension=model&dimensionValue=gpt-test&windowKind=day");
		expect((await remove()).status).toBe(200);
		expect((await remove()).body.error.code).toBe("admin.not_found");
	});

	test("budgets in tokens and of the organisation", async () => {
		expect((await ask("PUT", "/budgets", { teamId: "search", unit: "tokens", limitAmount: "1000", windowKind: "hour" })).body).toMatchObject({
			unit: "tokens",
			leftAmount: "1000",
		});
		expect((await ask("PUT", "/budgets", { teamId: "@organization", limitUsd: "1000", windowKind: "month" })).body).toMatchObject({
			dimension: "organization",
			teamId: "@organization",
		});
	});

	test("a budget of a team that does not exist is not found", async () => {
		expect((await ask("PUT", "/budgets", { teamId: "nobody", limitUsd: "1", windowKind: "day" })).body.error.code).toBe("admin.not_found");
	});

	test.each(["Connection terminated unexpectedly", "Query read timeout", "timeout exceeded when trying to connect"])(
		"a connection to PostgreSQL that is lost under a statement (%s) is an outage to try again after, not a fault",
		async (message) => {
			const query = vi.spyOn(administration.pool, "query").mockRejectedValueOnce(new Error(message) as never);
			const { status, body } = await ask("GET", "/teams");
			query.mockRestore();
			expect([status, body.error.code]).toEqual([503, "authority.unreachable"]);
		},
	);

	test("while the workflow is away a budget is refused as unreachable, and nothing changes", async () => {
		administration.governor.isAway = true;
		const { status, body } = await ask("PUT", "/budgets", { teamId: "search", limitUsd: "5", windowKind: "day" });
		expect([status, body.error.code]).toEqual([503, "governance.unreachable"]);
		expect((await ask("GET", "/budgets?teamId=search")).body.budgets[0].limitAmount).toBe("100000000000");
	});

	test.each([
		["POST", "/teams/search/freeze", { reason: "\u0000" }, "reason"],
		["POST", "/teams/search/freeze", { reason: "half a pair \ud800" }, "reason"],
		["PUT", "/budgets", { teamId: "search", dimension: "user", dimensionValue: "ann\ud800", windowKind: "day", limitUsd: "1" }, "dimensionValue"],
		["PATCH", "/teams/search", { policy: { "admission\u0000": 1 } }, "policy"],
		["PUT", "/prices", { line: { ...TEST_PRICE_LINE, model: "gpt\u0000" } }, "line.model"],
		["GET", "/teams/%00", undefined, "teamId"],
		["GET", "/spend?from=%00", undefined, "from"],
	] as const)("%s %s with text that PostgreSQL cannot hold is refused, naming the field", async (method, path, body, field) => {
		const answer = await ask(method, path, body);
		expect([answer.status, answer.body.error]).toEqual([422, expect.objectContaining({ code: "admin.invalid", field })]);
	});

	test("freezing stops every budget, unfreezing lets it go", async () => {
		expect((await ask("POST", "/teams/search/freeze", { reason: "runaway" })).body).toMatchObject({ isFrozen: true, isWorkflowTold: true });
		expect((await ask("GET", "/budgets?teamId=search")).body.budgets.every((budget: { isFrozen: boolean }) => budget.isFrozen)).toBe(true);
		expect((await ask("POST", "/teams/search/unfreeze")).body.isFrozen).toBe(false);
	});

	test("with the workflow away freezing and unfreezing work all the same, and say that it was not told", async () => {
		administration.governor.isAway = true;
		const frozen = await ask("POST", "/teams/search/freeze", { reason: "runaway" });
		expect([frozen.status, frozen.body.isFrozen, frozen.body.isWorkflowTold]).toEqual([200, true, false]);
		expect((await ask("GET", "/budgets?teamId=search")).body.budgets.every((budget: { isFrozen: boolean }) => budget.isFrozen)).toBe(true);
		const free = await ask("POST", "/teams/search/unfreeze");
		expect([free.status, free.body.isFrozen, free.body.isWorkflowTold]).toEqual([200, false, false]);
		const { body } = await ask("GET", "/changes?limit=1000");
		const decisions = body.changes
			.filter((change: { subject: string; detail: object }) => change.subject === "search" && "isFrozen" in change.detail)
			.slice(-2);
		expect(decisions).toMatchObject([
			{ adminName: "ada", detail: { isFrozen: true, reason: "runaway" } },
			{ adminName: "ada", detail: { isFrozen: false } },
		]);
	});

	test("with the workflow away a key is revoked all the same", async () => {
		const { body: created } = await ask("POST", "/keys", { teamId: "search" });
		administration.governor.isAway = true;
		expect((await ask("POST", `/keys/${created.id}/revoke`)).status).toBe(200);
		const { body } = await ask("GET", "/keys?teamId=search&limit=1000");
		expect(body.keys.find((key: { id: string }) => key.id === created.id).revokedAt).not.toBeNull();
	});

	test("the organisation is frozen and unfrozen like a team", async () => {
		await ask("PUT", "/budgets", { teamId: "@organization", limitUsd: "1000", windowKind: "month" });
		expect((await ask("POST", "/teams/%40organization/freeze", { reason: "audit" })).body.isFrozen).toBe(true);
		expect((await ask("GET", "/budgets?teamId=%40organization")).body.budgets[0].isFrozen).toBe(true);
		expect((await ask("POST", "/teams/%40organization/unfreeze")).body.isFrozen).toBe(false);
		await ask("DELETE", "/budgets?teamId=%40organization&windowKind=month");
	});

	test("policy is checked, and changes only what it names", async () => {
		await ask("PATCH", "/teams/search", { policy: { maxCallMs: 60_000 } });
		expect((await ask("PATCH", "/teams/search", { policy: { admissionWaitMs: 0 } })).body.policy).toEqual({ maxCallMs: 60_000, admissionWaitMs: 0 });
		expect((await ask("PATCH", "/teams/search", { policy: { admissionWaitMs: -1 } })).body.error.field).toBe("policy.admissionWaitMs");
		expect((await ask("PATCH", "/teams/search", { policy: { nonsense: 1 } })).status).toBe(422);
	});

	test.each(["Search", "", "a b", "../x", "@organization"])("%j is no team name", async (id) => {
		expect((await ask("POST", "/teams", { id })).body.error).toMatchObject({ code: "admin.invalid", field: "id" });
	});

	test("a name is taken once", async () => {
		expect((await ask("POST", "/teams", { id: "search" })).body.error.code).toBe("admin.conflict");
	});

	test("a deleted team is gone with its keys", async () => {
		await ask("POST", "/teams", { id: "leaving" });
		expect((await ask("DELETE", "/teams/leaving")).status).toBe(200);
		expect((await ask("GET", "/teams/leaving")).status).toBe(404);
		expect((await ask("POST", "/keys", { teamId: "leaving" })).body.error.code).toBe("admin.not_found");
	});
});

describe("keys", () => {
	test("the secret is in the answer of creation only", async () => {
		const { body: created } = await ask("POST", "/keys", { teamId: "search", feature: "ranking", expiresInMs: 60_000 });
		expect(created.key).toMatch(/^tg-/);
		const { body } = await ask("GET", "/keys?teamId=search&limit=1000");
		expect(body.keys.find((key: { id: string }) => key.id === created.id)).toMatchObject({ feature: "ranking", createdBy: "ada" });
		expect(JSON.stringify(body)).not.toContain(created.key);
	});

	test("rotating and revoking", async () => {
		const { body: created } = await ask("POST", "/keys", { teamId: "search" });
		const { body: successor } = await ask("POST", `/keys/${created.id}/rotate`, { overlapMs: 0 });
		expect(successor.id).not.toBe(created.id);
		expect((await ask("POST", `/keys/${successor.id}/revoke`)).body).toEqual({ done: true });
		expect((await ask("POST", "/keys/key_none/revoke")).body.error.code).toBe("admin.not_found");
	});

	test.each([
		[{ teamId: "search", endpoints: ["images"] }, "endpoints.0"],
		[{ teamId: "search", userId: " ann" }, "userId"],
		[{ teamId: "search", expiresInMs: -5 }, "expiresInMs"],
		[{}, "teamId"],
	])("%j is refused, naming the field", async (body, field) => {
		expect((await ask("POST", "/keys", body)).body.error).toMatchObject({ code: "admin.invalid", field });
	});
});

describe("prices", () => {
	test("a usage is priced with its addends", async () => {
		const { body } = await ask("POST", "/prices/check", { model: "gpt-test-2026", usage: { inputTokens: 1_000, cachedInputTokens: 400, outputTokens: 10 } });
		expect(body).toMatchObject({ costNanoUsd: "2100000", model: "gpt-test", priceTier: "standard" });
		expect(body.lines).toHaveLength(3);
	});

	test.each([
		[{ model: "gpt-none", usage: {} }, "pricing.unknown_model"],
		[{ model: "gpt-test", usage: { inputTokens: -1 } }, "admin.invalid"],
		[{ model: "gpt-test", usage: { tokens: 1 } }, "admin.invalid"],
	])("%j is refused as %s", async (body, code) => {
		const answer = await ask("POST", "/prices/check", body);
		expect([answer.status, answer.body.error.code]).toEqual([422, code]);
	});

	test("a price that is set is in force", async () => {
		const prices = { ...TEST_PRICE_LINE.tiers.standard[0]?.prices, input: "5000000000" };
		const line = { ...TEST_PRICE_LINE, model: "gpt-own", aliases: [], tiers: { standard: [{ aboveInputTokens: 0, prices }] } };
		expect((await ask("PUT", "/prices", { line })).status).toBe(200);
		expect((await ask("POST", "/prices/check", { model: "gpt-own", usage: { inputTokens: 1 } })).body.costNanoUsd).toBe("5000");
		expect((await ask("GET", "/prices?model=gpt-own")).body.lines).toHaveLength(1);
		expect((await ask("PUT", "/prices", { line: { ...line, tiers: {} } })).body.error.code).toBe("admin.invalid");
	});
});

describe("bad input", () => {
	test.each([
		["{", 400],
		['{"__proto__":{"id":"x"}}', 400],
		["[]", 422],
		["null", 422],
		[`{"id":"${"x".repeat(1_100_000)}"}`, 413],
	])("%.20s is answered %i in the API's own shape", async (payload, status) => {
		const answer = await administration.app.inject({
			method: "POST",
			url: "/admin/v1/teams",
			headers: { authorization: `Bearer ${administration.adminKey}`, "content-type": "application/json" },
			payload,
		});
		expect(answer.statusCode).toBe(status);
		expect(answer.json().error).toMatchObject({ code: expect.any(String), message: expect.any(String) });
	});

	test("names with SQL in them are only names", async () => {
		expect((await ask("GET", `/teams/${encodeURIComponent("x'; DROP TABLE tollgate.team; --")}`)).status).toBe(404);
		expect((await ask("GET", "/teams")).status).toBe(200);
	});
});

describe("policy", () => {
	const FILE = "version: 1\nteams:\n  declared:\n    budgets:\n      - { window: month, limitUsd: 100 }\n";

	test("what holds, what would change, applying it, and what was applied", async () => {
		const { body: current } = await ask("GET", "/policy");
		expect(current.policy.teams.search.budgets.length).toBeGreaterThan(0);
		expect(current.text).toContain("search:");
		const { body: diff } = await ask("POST", "/policy/diff", { file: FILE });
		expect([diff.basis, diff.changes.map((change: { path: string }) => change.path)]).toEqual([
			current.basis,
			["teams.declared", "teams.declared.budgets.team, month"],
		]);
		const { status, body: applied } = await ask("POST", "/policy/apply", { file: FILE, basis: diff.basis });
		expect([status, applied.isChanged]).toEqual([200, true]);
		expect((await ask("GET", "/policy/history")).body.revisions[0]).toMatchObject({ revision: applied.revision, adminName: "ada" });
		expect((await ask("GET", `/policy/${applied.revision}`)).body).toMatchObject({ source: FILE, changes: diff.changes });
		expect((await ask("GET", "/policy/none")).body.error.code).toBe("admin.not_found");
		expect((await ask("POST", "/policy/apply", { file: FILE, basis: "0" })).body).toEqual({ revision: applied.revision, isChanged: false });
	});

	test("needs no Temporal", async () => {
		administration.governor.isAway = true;
		const file = FILE.replace("100", "110");
		const { body: diff } = await ask("POST", "/policy/diff", { file });
		expect((await ask("POST", "/policy/apply", { file, basis: diff.basis })).status).toBe(200);
	});

	test("a wrong file is 422 with every mistake, an old basis 409 with the new diff", async () => {
		const wrong = await ask("POST", "/policy/diff", { file: FILE.replace("month", "fortnight"), fileName: "mine.yaml" });
		expect([wrong.status, wrong.body.error]).toMatchObject([
			422,
			{ code: "admin.invalid", field: "file", mistakes: [{ file: "mine.yaml", line: 5, path: "teams.declared.budgets[0].window" }] },
		]);
		const stale = await ask("POST", "/policy/apply", { file: FILE.replace("100", "120"), basis: "0" });
		expect([stale.status, stale.body.error]).toMatchObject([409, { code: "admin.conflict", field: "basis", diff: { changes: [{ kind: "change" }] } }]);
	});

	test("a file may break lines and hold tabs, no other control character", async () => {
		expect((await ask("POST", "/policy/diff", { file: `# a\tcomment\r\n${FILE}` })).status).toBe(200);
		expect((await ask("POST", "/policy/diff", { file: `${FILE}# \u0000` })).body.error).toMatchObject({ code: "admin.invalid", field: "file" });
		expect((await ask("POST", "/policy/diff", { file: FILE, fileName: "a\nb" })).body.error).toMatchObject({ code: "admin.invalid", field: "fileName" });
	});
});
