import { useNavigate, useSearch } from "@tanstack/react-router";
import { useSession } from "../api/session.ts";

/** The team of the address; undefined: all that this session may see. */
export function useTeam(): string | undefined {
	const { team } = useSearch({ from: "__root__" });
	const { teamIds } = useSession();
	// A team owner looks at one of his teams at a time: much of what pages ask is about one.
	return team ?? teamIds?.[0];
}

export function useChangeTeam(): (team: string | undefined) => void {
	const navigate = useNavigate();
	return (team) => void navigate({ to: ".", search: (search) => ({ ...search, team }) });
}
