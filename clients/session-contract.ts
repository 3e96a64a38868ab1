import { z } from "zod";
import { adminRole, teamId, time } from "./administration-contract.ts";

/** Sign-in to the console, part of the administration API; see administration-contract.ts. */
const secret = z.string().min(1).max(200);

export const SignInRequest = z
	.strictObject({ link: secret.optional().describe("what stands behind # of a one-time link"), adminKey: secret.optional() })
	.refine(({ link, adminKey }) => (link === undefined) !== (adminKey === undefined), "give either link or adminKey");

export const Session = z.object({
	name: z.string().describe("stands beside every change"),
	role: adminRole,
	teamIds: z.array(z.string()).nullable().describe("null: all"),
	csrfToken: z.string().describe("for the header x-tollgate-csrf of every change; empty: asked with an admin key, which needs none"),
	expiresAt: time.nullable().describe("at the latest; null: asked with an admin key"),
	temporalUiUrl: z.string().nullable(),
	timeZone: z.string().describe("of reports"),
});

export const SignInWays = z.object({ oidc: z.object({ name: z.string(), startUrl: z.string() }).nullable().describe("null: there is no identity provider") });

export const CreateConsoleLinkRequest = z.strictObject({
	name: z.string().optional().describe("whose session it opens; default whoever makes it"),
	role: adminRole.optional().describe("default operator"),
	teamIds: z.array(teamId).optional().describe("of a team-owner, at least one"),
});
export const ConsoleLink = z.object({
	path: z.string().describe("below the origin of this API; opens one session, within ten minutes"),
	name: z.string(),
	role: adminRole,
	teamIds: z.array(z.string()).nullable(),
	expiresAt: time,
});

/** As `text/event-stream`. */
export const ChangeEvents = z.string().describe('event: changed, data: {"topics": ["spend", "budgets", …]}; a comment every 15 seconds');
