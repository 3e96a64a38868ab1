import { useSession } from "../api/session.ts";
import { useAnswer } from "../api/use-answer.ts";
import { knownTimeZone } from "../format/time.ts";
import { useTeam } from "./use-team.ts";

/** Of the team of the address; of the organisation where there is none, or until the team's is known. */
export function useTimeZone(): string {
	const session = useSession();
	const team = useTeam();
	const { data } = useAnswer("/admin/v1/teams/{teamId}/today", { path: { teamId: team ?? "" } }, { topics: ["spend"], isAsked: team !== undefined });
	return knownTimeZone(data?.timeZone ?? session.timeZone);
}
