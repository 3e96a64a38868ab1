import type { FieldProblem } from "../budget/scope.ts";

/**
 * What somebody may do through the administration API. Rights are given with an admin key, a console link or by an identity provider, and are
 * never changed afterwards: another right is another key.
 */
export const ADMIN_ROLES = ["operator", "viewer", "finance", "team-owner"] as const;
export type AdminRole = (typeof ADMIN_ROLES)[number];

export type AdminGrant = {
	readonly role: AdminRole;
	/** Of a team owner, at least one; null: not narrowed to teams. */
	readonly teamIds: readonly string[] | null;
};

const TEAMS_MAX = 100;

/** Rights as people give them: a team owner names his teams, and nobody else names any. Default: operator. */
export function checkAdminGrant(asked: {
	readonly role?: string | undefined;
	readonly teamIds?: readonly string[] | null | undefined;
}): { readonly kind: "valid"; readonly value: AdminGrant } | { readonly kind: "invalid"; readonly problem: FieldProblem } {
	const role = ADMIN_ROLES.find((known) => known === (asked.role ?? "operator"));
	if (role === undefined) return invalid("role", `is one of: ${ADMIN_ROLES.join(", ")}`);
	const teamIds = [...new Set(asked.teamIds ?? [])];
	if (role !== "team-owner")
		return teamIds.length === 0 ? { kind: "valid", value: { role, teamIds: null } } : invalid("teamIds", `are of a team-owner, not of ${role}`);
	if (teamIds.length === 0) return invalid("teamIds", "are missing: a team-owner needs at least one team");
	return teamIds.length > TEAMS_MAX ? invalid("teamIds", `are more than ${TEAMS_MAX}`) : { kind: "valid", value: { role, teamIds } };
}

function invalid(field: string, problem: string): { readonly kind: "invalid"; readonly problem: FieldProblem } {
	return { kind: "invalid", problem: { field, problem } };
}
