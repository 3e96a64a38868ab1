import type { Answer } from "../../api/client.ts";
import type { Session } from "../../api/session.ts";

export type Increase = Answer<"/admin/v1/increases">["increases"][number];

/** The API decides; who may not is not shown a button that would be refused. */
export function mayDecide({ role }: Session): boolean {
	return role === "operator" || role === "team-owner";
}
