import { useNavigate, useSearch } from "@tanstack/react-router";
import { useSession } from "../api/session.ts";

/** The team of the address; undefined: all that this session may see. */
export function useTeam(): string | undefined {
	const { team } = useSearch({ from: "__root__" });
	const { teamIds } = useSession();
	// Who has one team only never sees "all teams".
	return team ?? (teamIds?.length === 1 ? teamIds[0] : undefined);
}

export function useChangeTeam(): (team: string | undefined) => void {
	const navigate = useNavigate();
	return (team) => void navigate({ to: ".", search: (search) => ({ ...search, team }) });
}
