import { Select } from "@mantine/core";
import { useSession } from "../api/session.ts";
import { useAnswer } from "../api/use-answer.ts";
import { useChangeTeam, useTeam } from "./use-team.ts";

const ALL_TEAMS = "";

/** All teams or one; the choice stands in the address and stays from page to page. */
export function TeamPicker() {
	const { teamIds } = useSession();
	const team = useTeam();
	const changeTeam = useChangeTeam();
	const { data } = useAnswer("/admin/v1/teams", {}, { topics: ["policy", "budgets"] });
	const known = teamIds ?? data?.teams.map(({ id }) => id) ?? [];
	// A team of the address that is not listed: the page below says what is wrong with it.
	const listed = team === undefined || known.includes(team) ? known : [...known, team];
	const options = [...(teamIds !== null ? [] : [{ value: ALL_TEAMS, label: "All teams" }]), ...listed.map((id) => ({ value: id, label: id }))];
	return (
		<Select
			aria-label="Team"
			size="sm"
			searchable
			w={{ base: 150, sm: 220 }}
			data={options}
			value={team ?? ALL_TEAMS}
			limit={200}
			nothingFoundMessage="No such team"
			onChange={(value) => changeTeam(value === ALL_TEAMS || value === null ? undefined : value)}
		/>
	);
}
