import type { Session } from "./session.ts";

/** The API decides who may what (docs/console.md); who may not is not shown a button that would be refused. */
function isOneOf({ role }: Session, roles: readonly Session["role"][]): boolean {
	return roles.includes(role);
}

/** Closes months, sets how they are charged back, writes reports. */
export function mayKeepBooks(session: Session): boolean {
	return isOneOf(session, ["operator", "finance"]);
}

/** Decides about increases, runs, batches and alerts: an owner of teams about those of his teams. */
export function mayGovern(session: Session): boolean {
	return isOneOf(session, ["operator", "team-owner"]);
}

/** Compares and applies policies, makes and ends keys, tests channels of alerts. */
export function mayOperate(session: Session): boolean {
	return isOneOf(session, ["operator"]);
}

/** Reads what is of the organisation as a whole, like policies of earlier days, channels of alerts and the rules of chargeback. */
export function mayReadAll(session: Session): boolean {
	return isOneOf(session, ["operator", "finance", "viewer"]);
}
