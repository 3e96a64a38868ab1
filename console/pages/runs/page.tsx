import { SegmentedControl, Stack, Text } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { RUN_STATES, type RunState } from "#domain/agents/run.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Pager } from "../../frame/pager.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { RunTable } from "./run-table.tsx";
import { WaitingRuns } from "./waiting-runs.tsx";

const PAGE_LENGTH = 50;
const ALL = "all";

/** What agents do: which runs stand and wait for somebody, and all runs by team and state. */
export function RunsPage() {
	const team = useTeam();
	const { state, before } = useSearch({ from: "/runs" });
	const query = { limit: PAGE_LENGTH, ...(team !== undefined && { teamId: team }), ...(state && { state }), ...(before !== undefined && { before }) };
	const runs = useAnswer("/admin/v1/runs", { query }, { topics: ["runs"], keepsPrevious: true });
	const last = runs.data?.runs.length === PAGE_LENGTH ? runs.data.runs.at(-1)?.number : undefined;
	return (
		<Page title="Runs">
			{state === undefined && before === undefined && <WaitingRuns team={team} />}
			<Section title={state === undefined ? "All runs" : `Runs that are ${state}`} actions={<StateFilter state={state} />}>
				<Answered query={runs} what="Runs" isEmpty={(answer) => answer.runs.length === 0} empty={<NoRuns state={state} isFirstPage={before === undefined} />}>
					{(answer) => <RunTable runs={answer.runs} />}
				</Answered>
				<Pager
					label="Pages of runs"
					newest={before === undefined ? undefined : (props) => <Link {...props} to="/runs" search={{ team, state }} />}
					older={last === undefined ? undefined : (props) => <Link {...props} to="/runs" search={{ team, state, before: last }} />}
				/>
			</Section>
		</Page>
	);
}

function StateFilter({ state }: { readonly state: RunState | undefined }) {
	const navigate = useNavigate({ from: "/runs" });
	return (
		<SegmentedControl
			size="xs"
			aria-label="State"
			value={state ?? ALL}
			data={[ALL, ...RUN_STATES].map((value) => ({ value, label: value.charAt(0).toUpperCase() + value.slice(1) }))}
			onChange={(value) => void navigate({ search: ({ team }) => ({ team, state: RUN_STATES.find((known) => known === value) }) })}
		/>
	);
}

function NoRuns({ state, isFirstPage }: { readonly state: RunState | undefined; readonly isFirstPage: boolean }) {
	if (!isFirstPage) return <Empty title="There are no older runs." />;
	if (state !== undefined) return <Empty title={`No run is ${state}.`}>Another state, or another team above, may have some.</Empty>;
	return (
		<Empty title="No agent has run yet.">
			<Stack gap={4}>
				<Text size="sm">
					A run is what an agent does under one id: it sends <code>x-tollgate-run: ID</code> with its calls, or registers by <code>POST /v1/runs</code>.
				</Text>
				<Text size="sm">Runs that loop or reach a ceiling then stand here until somebody decides.</Text>
			</Stack>
		</Empty>
	);
}
