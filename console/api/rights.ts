import type { Session } from "./session.ts";

/** The API decides who may what (docs/console.md); who may not is not shown a button that would be refused. */
function isOneOf({ role }: Session, roles: readonly Session["role"][]): boolean {
	return roles.includes(role);
}

/** Closes months, sets how they are charged back, writes reports. */
export function mayKeepBooks(session: Session): boolean {
	return isOneOf(session, ["operator", "finance"]);
}

/** Compares and applies policies, makes and ends keys. */
export function mayOperate(session: Session): boolean {
	return isOneOf(session, ["operator"]);
}

/** Reads what is of the organisation as a whole, like policies of earlier days and the rules of chargeback. */
export function mayReadAll(session: Session): boolean {
	return isOneOf(session, ["operator", "finance", "viewer"]);
}
