import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OidcProvider } from "#activities/identity/oidc.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import type { CostControlError } from "#domain/errors/cost-control-error.ts";
import { SESSION_COOKIE } from "#gateway/administration/caller.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { CLIENT, startIdentityProvider, type TestIdentityProvider } from "#test/support/identity-provider.ts";

let identities: TestIdentityProvider;
let administration: TestAdministration;
let origin: string;
let nowMs = 0;
const refused: CostControlError[] = [];

beforeAll(async () => {
	const port = await findFreePort();
	const redirectUrl = `http://127.0.0.1:${port}/console/oidc/callback`;
	identities = await startIdentityProvider(redirectUrl);
	const provider = new OidcProvider({ ...CLIENT, issuer: identities.issuer, scopes: "openid profile email", rolesClaim: "roles", redirectUrl });
	administration = await openTestAdministration({
		oidc: { name: "Our people", provider },
		onSignInRefused: (error) => refused.push(error),
		now: () => nowMs,
	});
	origin = await administration.app.listen({ host: "127.0.0.1", port });
});
beforeEach(() => {
	identities.person = { sub: "person-1", claims: { email: "ann@example.com", email_verified: true, roles: ["tollgate:viewer"] } };
	identities.change = (idToken) => idToken;
	refused.length = 0;
	nowMs += 60_000;
});
afterEach(() => expect(administration.unexpected).toEqual([]));
afterAll(async () => {
	await administration.close();
	await identities.close();
});

/** A browser as far as it takes part: cookies by host and path, redirects one by one. */
class Browser {
	readonly cookies = new Map<string, string>();

	async get(url: string) {
		const { host } = new URL(url);
		const cookie = [...this.cookies].flatMap(([key, value]) => (key.startsWith(`${host} `) ? `${key.slice(host.length + 1)}=${value}` : [])).join("; ");
		const answer = await fetch(url, { redirect: "manual", headers: cookie === "" ? {} : { cookie } });
		for (const line of answer.headers.getSetCookie()) {
			const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
			if (value === "") this.cookies.delete(`${host} ${name}`);
			else this.cookies.set(`${host} ${name}`, value);
		}
		const location = answer.headers.get("location");
		return { status: answer.status, text: await answer.text(), headers: answer.headers, to: location === null ? undefined : new URL(location, url).href };
	}

	/** Signs in at the provider, up to the address it is sent back to. */
	async comeBack(): Promise<string> {
		let { to } = await this.get(`${origin}/console/oidc/start`);
		while (to !== undefined && !to.startsWith(origin)) ({ to } = await this.get(to));
		if (to === undefined) throw new Error("the provider sent nobody back");
		return to;
	}

	get attempt(): string {
		return this.cookies.get(`${new URL(origin).host} tollgate_oidc`) ?? "";
	}

	set attempt(value: string) {
		this.cookies.set(`${new URL(origin).host} tollgate_oidc`, value);
	}

	session() {
		const cookie = `${SESSION_COOKIE}=${this.cookies.get(`${new URL(origin).host} ${SESSION_COOKIE}`)}`;
		return fetch(`${origin}/admin/v1/session`, { headers: { cookie } }).then((answer) => answer.json() as Promise<Record<string, unknown>>);
	}
}

async function signIn() {
	const browser = new Browser();
	const answer = await browser.get(await browser.comeBack());
	return { browser, answer };
}

describe("somebody whom the identity provider vouches for", () => {
	test("gets a session with his name and role, and goes on to the console", async () => {
		const { browser, answer } = await signIn();
		expect([answer.status, answer.to]).toEqual([303, `${origin}/console/`]);
		expect(answer.headers.getSetCookie().find((line) => line.startsWith(SESSION_COOKIE))).toMatch(/HttpOnly; SameSite=Strict$/);
		expect(await browser.session()).toMatchObject({ name: "ann@example.com", role: "viewer", teamIds: null });
		const ways = await fetch(`${origin}/admin/v1/session/ways`);
		expect(await ways.json()).toEqual({ oidc: { name: "Our people", startUrl: "/console/oidc/start" } });
		const { rows } = await administration.pool.query("SELECT admin_name, detail FROM tollgate.change WHERE kind = 'console' ORDER BY revision DESC LIMIT 1");
		expect(rows[0]).toMatchObject({ admin_name: "ann@example.com", detail: { action: "signed in", way: "oidc", role: "viewer" } });
	});

	test.each<[unknown, object]>([
		[["staff", "tollgate:team-owner:support", "tollgate:team-owner:search"], { role: "team-owner", teamIds: ["support", "search"] }],
		["tollgate:finance", { role: "finance", teamIds: null }],
		[["tollgate:viewer", "tollgate:operator"], { role: "operator", teamIds: null }],
	])("with roles %j has %j", async (roles, session) => {
		identities.person = { sub: "person-2", claims: { roles } };
		const { browser } = await signIn();
		expect(await browser.session()).toMatchObject({ name: "person-2", ...session });
	});

	test("an e-mail address that nobody verified is no name", async () => {
		identities.person = { sub: "person-3", claims: { email: "ada", email_verified: false, roles: "tollgate:viewer" } };
		expect(await (await signIn()).browser.session()).toMatchObject({ name: "person-3" });
	});

	test.each([[undefined], ["operator"], [["tollgate:root"]], ["tollgate:team-owner:"], [{ operator: true }], [["tollgate:team-owner:<b>"]]])(
		"with roles %j is told that he has none, and gets no session",
		async (roles) => {
			identities.person = { sub: "<script>", claims: { email: "eve@example.com", email_verified: true, roles } };
			const { browser, answer } = await signIn();
			expect([answer.status, answer.text.includes("eve@example.com has no role here")]).toEqual([403, true]);
			expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
			expect(await browser.session()).toMatchObject({ error: { code: "session.ended" } });
		},
	);

	test("a name is shown as text", async () => {
		identities.person = { sub: "<script>alert(1)</script>", claims: {} };
		const { answer } = await signIn();
		expect(answer.text).not.toContain("<script>");
		expect(answer.text).toContain("&lt;script&gt;");
	});
});

describe("what comes back does not hold", () => {
	const refuse = async (browser: Browser, url: string) => {
		const answer = await browser.get(url);
		expect([answer.status, answer.to]).toEqual([403, undefined]);
		expect(browser.cookies.has(`${new URL(origin).host} ${SESSION_COOKIE}`)).toBe(false);
		return answer.text;
	};
	/** Which of state, nonce and verifier is another. */
	const otherThan = (attempt: string, part: number) =>
		attempt
			.split(".")
			.map((text, index) => (index === part ? "x".repeat(text.length) : text))
			.join(".");

	test.each([
		["state", 0],
		["nonce", 1],
		["verifier", 2],
	])("where the %s is not that of this browser", async (_, part) => {
		const browser = new Browser();
		const url = await browser.comeBack();
		browser.attempt = otherThan(browser.attempt, part);
		expect(await refuse(browser, url)).toContain("does not hold");
		expect(refused).toMatchObject([{ code: "session.identity" }]);
	});

	test("where another issuer is named", async () => {
		const browser = new Browser();
		const url = new URL(await browser.comeBack());
		url.searchParams.set("iss", "https://evil.example");
		expect(await refuse(browser, url.href)).toContain("does not hold");
	});

	test("where it comes to a browser that did not begin", async () => {
		expect(await refuse(new Browser(), await new Browser().comeBack())).toContain("another browser");
	});

	test("where it comes twice", async () => {
		const browser = new Browser();
		const url = await browser.comeBack();
		const { attempt } = browser;
		expect((await browser.get(url)).status).toBe(303);
		const again = new Browser();
		again.attempt = attempt;
		expect(await refuse(again, url)).toContain("does not hold");
	});

	test("where the signature of the ID token is not the issuer's", async () => {
		identities.change = (idToken) => {
			const [head, , signature] = idToken.split(".");
			const claims = JSON.parse(Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString("utf8")) as object;
			return [head, Buffer.from(JSON.stringify({ ...claims, roles: ["tollgate:operator"] })).toString("base64url"), signature].join(".");
		};
		const browser = new Browser();
		expect(await refuse(browser, await browser.comeBack())).toContain("does not hold");
	});

	test("where the provider says that it was refused", async () => {
		const browser = new Browser();
		const url = new URL(await browser.comeBack());
		url.searchParams.delete("code");
		url.searchParams.set("error", "access_denied");
		await refuse(browser, url.href);
	});

	test("ten times in a minute, and the address waits", async () => {
		const codes: number[] = [];
		for (let tries = 0; tries < 11; tries++) codes.push((await new Browser().get(`${origin}/console/oidc/callback?code=x&state=y`)).status);
		expect(codes).toEqual([...Array.from({ length: 10 }, () => 403), 429]);
	});
});

test("a provider that does not answer is said so, and asked again", async () => {
	const provider = new OidcProvider({
		...{ ...CLIENT, issuer: `http://127.0.0.1:${await findFreePort()}`, scopes: "openid", rolesClaim: "roles", redirectUrl: `${origin}/console/oidc/callback` },
	});
	for (let tries = 0; tries < 2; tries++) await expect(provider.begin()).rejects.toMatchObject({ code: "session.identity", message: /does not answer/ });
});
