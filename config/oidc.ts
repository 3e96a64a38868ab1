import { z } from "zod";
import { Secret } from "./secret.ts";

/** Sign-in to the console by an identity provider (docs/console.md). */
const ISSUER = /^(https:\/\/|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:|\/|$))/;
const text = z.string().min(1).max(500).optional();
/** Origin alone: the console's paths are added to it. */
const origin = z
	.url({ protocol: /^https?$/ })
	.refine((value) => URL.canParse(value) && new URL(value).origin === value)
	.optional();

export const OIDC_VARIABLES = {
	TOLLGATE_CONSOLE_URL: origin.describe(
		"origin under which people reach the console, like https://tollgate.example, for an identity provider to send them back to; default that of the administration API",
	),
	TOLLGATE_OIDC_ISSUER: z
		.url()
		.refine((value) => ISSUER.test(value) && !/\/\/[^/]*@/.test(value))
		.optional()
		.describe("https URL of an OpenID Connect issuer whose people may sign in to the console, http on loopback alone; default none"),
	TOLLGATE_OIDC_NAME: text.describe("what the sign-in page calls it; default the host of the issuer"),
	TOLLGATE_OIDC_CLIENT_ID: text.describe("id under which the issuer knows Tollgate"),
	TOLLGATE_OIDC_CLIENT_SECRET: text.describe("secret that belongs to it"),
	TOLLGATE_OIDC_CLIENT_SECRET_FILE: text.describe("file that holds that secret"),
	TOLLGATE_OIDC_SCOPES: text.describe('scopes that are asked for, parted by blanks, "openid" among them; default "openid profile email"'),
	TOLLGATE_OIDC_ROLES_CLAIM: text.describe("claim of the ID token that holds roles, like tollgate:viewer or tollgate:team-owner:support; default roles"),
};

export type OidcSettings = Readonly<{ issuer: string; name: string; clientId: string; clientSecret: Secret; scopes: string; rolesClaim: string }>;

type Values = { readonly [Name in keyof typeof OIDC_VARIABLES]?: string | undefined };

/** Null: nobody signs in so. What is set for an issuer that is not named would be believed to hold: it is a mistake. */
export function readOidc(values: Values, readSecretFile: (name: string, file: string) => Secret | null, mistakes: string[]): OidcSettings | null {
	const {
		TOLLGATE_OIDC_ISSUER: issuer,
		TOLLGATE_OIDC_CLIENT_ID: clientId,
		TOLLGATE_OIDC_CLIENT_SECRET: secret,
		TOLLGATE_OIDC_CLIENT_SECRET_FILE: file,
	} = values;
	if (issuer === undefined) {
		const names = Object.keys(OIDC_VARIABLES).filter((name) => name.startsWith("TOLLGATE_OIDC_") && values[name as keyof Values] !== undefined);
		mistakes.push(...names.map((name) => `${name}: expected TOLLGATE_OIDC_ISSUER beside it; got it alone`));
		return null;
	}
	if (clientId === undefined) mistakes.push("TOLLGATE_OIDC_CLIENT_ID: expected the id under which the issuer knows Tollgate; got nothing");
	if ((secret === undefined) === (file === undefined))
		mistakes.push(`TOLLGATE_OIDC_CLIENT_SECRET: expected this or TOLLGATE_OIDC_CLIENT_SECRET_FILE; got ${secret === undefined ? "neither" : "both"}`);
	const clientSecret = file === undefined ? new Secret(secret ?? "") : readSecretFile("TOLLGATE_OIDC_CLIENT_SECRET_FILE", file);
	const { TOLLGATE_OIDC_SCOPES: scopes = "openid profile email", TOLLGATE_OIDC_ROLES_CLAIM: rolesClaim = "roles" } = values;
	if (!scopes.split(" ").includes("openid")) mistakes.push('TOLLGATE_OIDC_SCOPES: expected "openid" among them; got it not');
	if (clientId === undefined || clientSecret === null) return null;
	return Object.freeze({ issuer, clientId, clientSecret, scopes, rolesClaim, name: values.TOLLGATE_OIDC_NAME ?? new URL(issuer).host });
}
