import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSettings } from "#config/load.ts";

const whole = { TOLLGATE_OIDC_ISSUER: "https://id.example/realm", TOLLGATE_OIDC_CLIENT_ID: "tollgate", TOLLGATE_OIDC_CLIENT_SECRET: "a secret" };
let folder: string;

beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-oidc-"));
	writeFileSync(path.join(folder, "secret"), "kept\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

test("an issuer is taken with its client, and the rest has defaults", () => {
	const { oidc, consoleUrl } = loadSettings(whole);
	expect(oidc).toMatchObject({
		issuer: "https://id.example/realm",
		name: "id.example",
		clientId: "tollgate",
		scopes: "openid profile email",
		rolesClaim: "roles",
	});
	expect([oidc?.clientSecret.reveal(), consoleUrl]).toEqual(["a secret", null]);
	expect(JSON.stringify(oidc)).not.toContain("a secret");
	const { TOLLGATE_OIDC_CLIENT_SECRET: _, ...others } = whole;
	expect(loadSettings({ ...others, TOLLGATE_OIDC_CLIENT_SECRET_FILE: path.join(folder, "secret") }).oidc?.clientSecret.reveal()).toBe("kept");
	expect(loadSettings({}).oidc).toBeNull();
});

test.each([
	[{ ...whole, TOLLGATE_OIDC_ISSUER: "http://id.example" }, "TOLLGATE_OIDC_ISSUER"],
	[{ ...whole, TOLLGATE_OIDC_ISSUER: "http://localhost.evil.example" }, "TOLLGATE_OIDC_ISSUER"],
	[{ ...whole, TOLLGATE_OIDC_ISSUER: "https://a:b@id.example" }, "TOLLGATE_OIDC_ISSUER"],
	[{ ...whole, TOLLGATE_OIDC_CLIENT_ID: "" }, "TOLLGATE_OIDC_CLIENT_ID"],
	[{ ...whole, TOLLGATE_OIDC_CLIENT_SECRET: "" }, "got neither"],
	[{ ...whole, TOLLGATE_OIDC_CLIENT_SECRET_FILE: "/nowhere" }, "got both"],
	[{ ...whole, TOLLGATE_OIDC_SCOPES: "profile" }, "TOLLGATE_OIDC_SCOPES"],
	[{ TOLLGATE_OIDC_ROLES_CLAIM: "groups" }, "expected TOLLGATE_OIDC_ISSUER beside it"],
	[{ TOLLGATE_CONSOLE_URL: "https://tollgate.example/console" }, "TOLLGATE_CONSOLE_URL"],
])("%j is a mistake", (environment, words) => {
	expect(() => loadSettings(environment)).toThrow(words);
});
