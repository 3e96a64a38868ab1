import type { Session } from "../api/session.ts";

type Rights = Pick<Session, "role">;

/** The API decides; who may not is not offered what would be refused. */
export function mayGovern({ role }: Rights): boolean {
	return role === "operator" || role === "team-owner";
}

export function mayOperate({ role }: Rights): boolean {
	return role === "operator";
}

/** What belongs to no team is nothing that an owner of teams is told. */
export function seesOrganization({ role }: Rights): boolean {
	return role !== "team-owner";
}
