import { expect, test } from "vitest";
import { checkAdminGrant } from "#domain/access/admin-role.ts";
import { grantFromClaim, nameFromClaims } from "#domain/access/identity-claims.ts";

test.each([
	["tollgate:viewer", { role: "viewer", teamIds: null }],
	[["tollgate:viewer", "tollgate:team-owner:a", "tollgate:team-owner:b", "tollgate:team-owner:a"], { role: "team-owner", teamIds: ["a", "b"] }],
	[["tollgate:team-owner:a", "tollgate:finance"], { role: "finance", teamIds: null }],
	[["other:operator", "tollgate:operator "], undefined],
	[["tollgate:team-owner", "tollgate:viewer:a", "tollgate:operators"], undefined],
	[Array.from({ length: 101 }, (_, index) => `tollgate:team-owner:t${index}`), undefined],
	[null, undefined],
	[7, undefined],
])("the claim %j gives %j", (claim, grant) => {
	expect(grantFromClaim(claim)).toEqual(grant);
});

test("a name is the address that was verified, else the id, if either can stand in a log", () => {
	expect(nameFromClaims({ email: "a@b.example", email_verified: true, sub: "1" })).toBe("a@b.example");
	expect(nameFromClaims({ email: "a@b.example", email_verified: "true", sub: "1" })).toBe("1");
	expect(nameFromClaims({ sub: "auth0|1" })).toBe("auth0|1");
	for (const sub of ["", "a b", "a\nb", "x".repeat(201), undefined, 7]) expect(nameFromClaims({ sub })).toBeUndefined();
});

test("a team owner has teams, and nobody else has any", () => {
	expect(checkAdminGrant({})).toEqual({ kind: "valid", value: { role: "operator", teamIds: null } });
	expect(checkAdminGrant({ role: "team-owner", teamIds: ["a", "a"] })).toEqual({ kind: "valid", value: { role: "team-owner", teamIds: ["a"] } });
	for (const wrong of [{ role: "root" }, { role: "team-owner" }, { role: "team-owner", teamIds: [] }, { role: "finance", teamIds: ["a"] }])
		expect(checkAdminGrant(wrong).kind).toBe("invalid");
});
