import { type AdminGrant, type AdminRole, checkAdminGrant } from "./admin-role.ts";

/**
 * What an identity provider says of somebody, as rights here. Of several roles the first of this order holds; somebody with none gets none, so that a new
 * employee sees nothing until the provider says what.
 */
const ORDER: readonly AdminRole[] = ["operator", "finance", "team-owner", "viewer"];
const VALUE = /^tollgate:(operator|finance|viewer|team-owner:([a-z0-9][a-z0-9._-]{0,62}))$/;
const NAME_LENGTH_MAX = 200;

/** `claim`: a text or a list of them, like "tollgate:viewer" or "tollgate:team-owner:support"; others are somebody else's. undefined: no role. */
export function grantFromClaim(claim: unknown): AdminGrant | undefined {
	const found = (Array.isArray(claim) ? claim : [claim]).flatMap((value) => {
		const [, role, teamId] = typeof value === "string" ? (VALUE.exec(value) ?? []) : [];
		return role === undefined ? [] : [{ role: teamId === undefined ? role : "team-owner", teamId }];
	});
	const role = ORDER.find((one) => found.some((given) => given.role === one));
	if (role === undefined) return undefined;
	const teamIds = role === "team-owner" ? found.flatMap(({ teamId }) => teamId ?? []) : undefined;
	const checked = checkAdminGrant({ role, teamIds });
	return checked.kind === "valid" ? checked.value : undefined;
}

/**
 * The name beside changes: rights to decide hang on it, so that it is one that nobody gives himself. The address of a mailbox where the provider has
 * verified it, else the provider's own id of the person. undefined: neither can stand in a log.
 */
export function nameFromClaims(claims: Readonly<Record<string, unknown>>): string | undefined {
	const { email, email_verified: isVerified, sub } = claims;
	const name = isVerified === true && typeof email === "string" && email !== "" ? email : sub;
	return typeof name === "string" && name.length <= NAME_LENGTH_MAX && /^[\x21-\x7e]+$/.test(name) ? name : undefined;
}
