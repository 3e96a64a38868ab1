import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CSRF_HEADER, SESSION_COOKIE } from "#gateway/administration/caller.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";

let administration: TestAdministration;
let nowMs = Date.now();

beforeAll(async () => {
	administration = await openTestAdministration({ now: () => nowMs, temporalUiUrl: "http://temporal.example" });
	await withKey("POST", "/teams", { id: "search", budget: { limitUsd: "100", windowKind: "day" } });
	await withKey("POST", "/teams", { id: "support", budget: { limitUsd: "100", windowKind: "day" } });
});
afterEach(() => {
	// Another minute: the tries of one test are not those of the next.
	nowMs += 60_000;
	expect(administration.unexpected).toEqual([]);
});
afterAll(() => administration.close());

type Headers = Readonly<Record<string, string>>;

async function send(
	method: "GET" | "POST" | "PUT" | "DELETE",
	path: string,
	{ body, headers = {} }: { readonly body?: unknown; readonly headers?: Headers } = {},
) {
	const answer = await administration.app.inject({
		method,
		url: `/admin/v1${path}`,
		headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
		...(body !== undefined && { payload: JSON.stringify(body) }),
	});
	return { status: answer.statusCode, body: answer.json(), headers: answer.headers, cookie: String(answer.headers["set-cookie"] ?? "") };
}
const withKey = (method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown, key = administration.adminKey) =>
	send(method, path, { body, headers: { authorization: `Bearer ${key}` } });

async function link(grant: object = {}, key?: string): Promise<string> {
	const { body } = await withKey("POST", "/console-links", grant, key);
	return body.path.split("#")[1];
}
const tokenOf = (cookie: string) => new RegExp(`^${SESSION_COOKIE}=([^;]*)`).exec(cookie)?.[1] ?? "";

async function signIn(grant: object = {}, key?: string) {
	const { body, cookie } = await send("POST", "/session", { body: { link: await link(grant, key) } });
	const token = tokenOf(cookie);
	const headers = { cookie: `${SESSION_COOKIE}=${token}` };
	return { token, session: body, headers, changing: { ...headers, [CSRF_HEADER]: body.csrfToken } };
}
const codeOf = ({ status, body }: { readonly status: number; readonly body: { readonly error?: { readonly code: string } } }) =>
	`${status} ${body.error?.code}`;
const age = (table: string, column: string, interval: string, name: string) =>
	administration.pool.query(`UPDATE tollgate.${table} SET ${column} = ${column} - $1::interval WHERE name = $2`, [interval, name]);

describe("a one-time link", () => {
	test("opens one session, in the name of whoever made it, with the rights it says", async () => {
		const secret = await link();
		const { status, body, cookie } = await send("POST", "/session", { body: { link: secret } });
		expect([status, body]).toMatchObject([200, { name: "ada", role: "operator", teamIds: null, temporalUiUrl: "http://temporal.example", timeZone: "UTC" }]);
		expect(Date.parse(body.expiresAt) - Date.now()).toBeGreaterThan(11.9 * 3_600_000);
		expect(cookie).toMatch(/^tollgate_session=tgs-[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
		expect(codeOf(await send("POST", "/session", { body: { link: secret } }))).toBe("410 link.used");
	});

	test("is taken by one of many at once", async () => {
		const secret = await link();
		const answers = await Promise.all(Array.from({ length: 8 }, () => send("POST", "/session", { body: { link: secret } })));
		expect(answers.map(codeOf).sort()).toEqual(["200 undefined", ...Array.from({ length: 7 }, () => "410 link.used")]);
	});

	test("opens nothing after ten minutes, nor once the key it was made with is revoked, nor where it is none", async () => {
		const old = await link({ name: "late" });
		await age("console_link", "expires_at", "10 minutes", "late");
		expect(codeOf(await send("POST", "/session", { body: { link: old } }))).toBe("410 link.expired");
		const { body: grace } = await withKey("POST", "/admin-keys", { name: "grace" });
		const hers = await link({}, grace.key);
		await withKey("POST", `/admin-keys/${grace.id}/revoke`, {});
		expect(codeOf(await send("POST", "/session", { body: { link: hers } }))).toBe("410 link.expired");
		for (const wrong of [`tgl-${"x".repeat(43)}`, administration.adminKey, "%00"])
			expect(codeOf(await send("POST", "/session", { body: { link: wrong } }))).toBe("401 link.unknown");
	});

	test("gives a team owner his teams, another person's name where it says so, and stands in the change log", async () => {
		const { session, headers } = await signIn({ name: "carol", role: "team-owner", teamIds: ["search"] });
		expect(session).toMatchObject({ name: "carol", role: "team-owner", teamIds: ["search"] });
		expect((await send("GET", "/teams", { headers })).body.teams.map(({ id }: { id: string }) => id)).toEqual(["search"]);
		expect(codeOf(await send("GET", "/teams/support", { headers }))).toBe("403 admin.forbidden");
		const { body } = await withKey("GET", "/changes?limit=1000");
		expect(body.changes.slice(-2)).toMatchObject([
			{ kind: "console", subject: "carol", adminName: "ada", detail: { action: "link created", role: "team-owner", teamIds: ["search"] } },
			{ kind: "console", subject: "carol", adminName: "carol", detail: { action: "signed in", way: "link" } },
		]);
	});

	test("is made by operators alone, for rights there are", async () => {
		const { headers, session } = await signIn({ role: "finance" });
		const changing = { ...headers, [CSRF_HEADER]: session.csrfToken };
		expect(codeOf(await send("POST", "/console-links", { body: { role: "operator" }, headers: changing }))).toBe("403 admin.forbidden");
		expect(codeOf(await withKey("POST", "/console-links", { role: "team-owner" }))).toBe("422 admin.invalid");
		expect(codeOf(await withKey("POST", "/console-links", { name: "<b>" }))).toBe("422 admin.invalid");
	});

	test("is kept as its hash alone, as the session is", async () => {
		const secret = await link();
		const { token } = await signIn();
		const { rows } = await administration.pool.query<{ text: string }>(
			"SELECT (SELECT string_agg(l::text, ' ') FROM tollgate.console_link l) || (SELECT string_agg(s::text, ' ') FROM tollgate.console_session s) AS text",
		);
		for (const kept of [secret, token]) {
			expect(rows[0]?.text).not.toContain(kept);
			expect(rows[0]?.text).toContain(createHash("sha256").update(kept).digest("hex"));
		}
	});
});

describe("a session", () => {
	test("is opened by an admin key, and says who is signed in", async () => {
		const { body, cookie } = await send("POST", "/session", { body: { adminKey: administration.adminKey } });
		const headers = { cookie: `${SESSION_COOKIE}=${tokenOf(cookie)}` };
		expect((await send("GET", "/session", { headers })).body).toEqual(body);
		expect(codeOf(await send("POST", "/session", { body: { adminKey: "tga-none" } }))).toBe("401 key.invalid");
		expect(codeOf(await send("POST", "/session", { body: {} }))).toBe("422 admin.invalid");
		expect(codeOf(await send("POST", "/session", { body: { link: "a", adminKey: "b" } }))).toBe("422 admin.invalid");
	});

	test("is missing without a cookie, and a forged one is nobody's", async () => {
		expect(codeOf(await send("GET", "/session"))).toBe("401 key.missing");
		const forged = await send("GET", "/session", { headers: { cookie: `${SESSION_COOKIE}=tgs-${"a".repeat(43)}` } });
		expect(codeOf(forged)).toBe("401 session.ended");
		expect((await send("GET", "/session/ways")).body).toEqual({ oidc: null });
		expect((await withKey("GET", "/session")).body).toMatchObject({ name: "ada", csrfToken: "", expiresAt: null });
	});

	test("puts its name beside changes", async () => {
		const { changing } = await signIn({ name: "dora" });
		expect((await send("POST", "/keys", { body: { teamId: "search" }, headers: changing })).status).toBe(201);
		const { body } = await withKey("GET", "/keys?teamId=search");
		expect(body.keys.at(-1)).toMatchObject({ createdBy: "dora" });
	});

	test("ends when it is signed out", async () => {
		const { headers, changing } = await signIn();
		expect(codeOf(await send("DELETE", "/session", { headers }))).toBe("403 session.csrf");
		const out = await send("DELETE", "/session", { headers: changing });
		expect([out.status, out.cookie.startsWith("tollgate_session=;")]).toEqual([200, true]);
		expect(codeOf(await send("GET", "/session", { headers }))).toBe("401 session.ended");
	});

	test("ends when another is opened in its browser, and what was on the way with it leaves the new cookie alone", async () => {
		const { headers } = await signIn();
		expect((await send("POST", "/session", { body: { link: await link() }, headers })).status).toBe(200);
		const late = await send("GET", "/session", { headers });
		expect([codeOf(late), late.cookie]).toEqual(["401 session.ended", ""]);
	});

	test("ends twelve hours after sign-in", async () => {
		const { headers } = await signIn({ name: "old" });
		await age("console_session", "expires_at", "11 hours 59 minutes", "old");
		expect((await send("GET", "/session", { headers })).status).toBe(200);
		await age("console_session", "expires_at", "1 minute", "old");
		expect(codeOf(await send("GET", "/session", { headers }))).toBe("401 session.ended");
	});

	test("ends after two hours without a request, and each request counts", async () => {
		const { headers } = await signIn({ name: "idle" });
		await age("console_session", "last_seen_at", "119 minutes", "idle");
		expect((await send("GET", "/session", { headers })).status).toBe(200);
		await age("console_session", "last_seen_at", "119 minutes", "idle");
		expect((await send("GET", "/session", { headers })).status).toBe(200);
		await age("console_session", "last_seen_at", "2 hours", "idle");
		expect(codeOf(await send("GET", "/session", { headers }))).toBe("401 session.ended");
		expect(codeOf(await send("GET", "/session", { headers }))).toBe("401 session.ended");
	});

	test("ends with the admin key it came from, by key and by link", async () => {
		const { body: eve } = await withKey("POST", "/admin-keys", { name: "eve" });
		const byKey = tokenOf((await send("POST", "/session", { body: { adminKey: eve.key } })).cookie);
		const byLink = await signIn({}, eve.key);
		const linked = await send("POST", "/console-links", { body: {}, headers: byLink.changing });
		await withKey("POST", `/admin-keys/${eve.id}/revoke`, {});
		for (const token of [byKey, byLink.token])
			expect(codeOf(await send("GET", "/teams", { headers: { cookie: `${SESSION_COOKIE}=${token}` } }))).toBe("401 session.ended");
		expect(codeOf(await send("POST", "/session", { body: { link: linked.body.path.split("#")[1] } }))).toBe("410 link.expired");
	});

	test("has a cookie for https alone where it came by https", async () => {
		const { cookie } = await send("POST", "/session", { body: { link: await link() }, headers: { "x-forwarded-proto": "https" } });
		expect(cookie).toContain("; Secure");
	});
});

describe("a request from elsewhere", () => {
	test("changes nothing without the token of its session", async () => {
		const { headers, changing } = await signIn();
		const other = await signIn();
		for (const token of [undefined, "", "x", other.session.csrfToken]) {
			const asked = { ...headers, ...(token !== undefined && { [CSRF_HEADER]: token }) };
			for (const [method, path] of [
				["POST", "/alerts/retry-dead"],
				["PUT", "/users/ann"],
				["DELETE", "/users/ann"],
			] as const)
				expect(codeOf(await send(method, path, { headers: asked, ...(method === "PUT" && { body: { name: "Ann" } }) }))).toBe("403 session.csrf");
		}
		expect((await send("POST", "/alerts/retry-dead", { headers: changing })).status).toBe(200);
	});

	test.each<[Headers, boolean]>([
		[{ "sec-fetch-site": "same-origin" }, true],
		[{ "sec-fetch-site": "same-site" }, false],
		[{ "sec-fetch-site": "cross-site" }, false],
		[{ "sec-fetch-site": "none" }, false],
		[{ origin: "http://console.example", host: "console.example" }, true],
		[{ origin: "https://console.example", host: "inside:4001", "x-forwarded-host": "console.example" }, true],
		[{ origin: "http://evil.example", host: "console.example" }, false],
		[{ origin: "null", host: "console.example" }, false],
	])("%j changes something, or nothing", async (from, isLet) => {
		const { changing } = await signIn();
		expect((await send("POST", "/alerts/retry-dead", { headers: { ...changing, ...from } })).status).toBe(isLet ? 200 : 403);
		expect((await send("POST", "/session", { body: { link: await link() }, headers: from })).status).toBe(isLet ? 200 : 403);
	});

	test("reads nothing either, but what a person opens by hand", async () => {
		const { headers } = await signIn();
		expect((await send("GET", "/teams", { headers: { ...headers, "sec-fetch-site": "none" } })).status).toBe(200);
		expect(codeOf(await send("GET", "/teams", { headers: { ...headers, "sec-fetch-site": "same-site" } }))).toBe("403 session.csrf");
	});

	test("with an admin key needs no token: no browser adds one by itself", async () => {
		expect((await withKey("POST", "/alerts/retry-dead")).status).toBe(200);
	});
});

describe("guessing", () => {
	test("ends after ten failed tries of an address in a minute, whatever is tried, and goes on after it", async () => {
		const guess = () => send("POST", "/session", { body: { link: "tgl-guess" } }).then(codeOf);
		const secret = await link();
		for (let tries = 0; tries < 10; tries++) expect(await guess()).toBe("401 link.unknown");
		expect(await guess()).toBe("429 session.too_many_tries");
		expect(codeOf(await send("POST", "/session", { body: { adminKey: administration.adminKey } }))).toBe("429 session.too_many_tries");
		const elsewhere = await administration.app.inject({ method: "POST", url: "/admin/v1/session", remoteAddress: "10.0.0.9", payload: { link: "tgl-guess" } });
		expect(elsewhere.statusCode).toBe(401);
		nowMs += 60_000;
		expect((await send("POST", "/session", { body: { link: secret } })).status).toBe(200);
	});

	test("is counted before it is tried: many at once are not let through", async () => {
		const answers = await Promise.all(Array.from({ length: 30 }, () => send("POST", "/session", { body: { link: "tgl-guess" } })));
		expect(answers.filter(({ status }) => status === 401)).toHaveLength(10);
	});

	test("counts only what failed", async () => {
		for (let times = 0; times < 12; times++) expect((await send("POST", "/session", { body: { adminKey: administration.adminKey } })).status).toBe(200);
	});
});
