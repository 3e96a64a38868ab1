import { Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { mayGovern } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Count, Money } from "../../frame/money.tsx";
import { Section, Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { HowLong } from "../../frame/when.tsx";
import { Evidence } from "./evidence.tsx";
import { RunLink } from "./run-table.tsx";
import { guardWords, type ListedRun } from "./run-words.ts";

const SHOWN_MAX = 20;

/** Paused runs, each with what its guard saw: somebody has to decide. */
export function WaitingRuns({ team }: { readonly team: string | undefined }) {
	const query = { state: "paused" as const, limit: SHOWN_MAX, ...(team !== undefined && { teamId: team }) };
	const paused = useAnswer("/admin/v1/runs", { query }, { topics: ["runs"] });
	return (
		<Section title="Waiting for a decision">
			<Answered
				query={paused}
				what="Paused runs"
				isEmpty={(answer) => answer.runs.length === 0}
				empty={<Empty title="No run is paused.">Nobody is waited for.</Empty>}
			>
				{(answer) => (
					<Stack component="ul" gap="sm" p={0} m={0} className="plain-list">
						{answer.runs.map((run) => (
							<WaitingRun key={run.number} run={run} />
						))}
					</Stack>
				)}
			</Answered>
		</Section>
	);
}

function WaitingRun({ run: { runId, teamId, hold, costNanoUsd, steps, openedAt } }: { readonly run: ListedRun }) {
	const session = useSession();
	return (
		<li className="budget-card">
			<Group justify="space-between" gap="xs" mb={4}>
				<Text fw={600} className="name">
					{runId}
				</Text>
				<Status tone="warn">paused{hold !== null && `: ${guardWords(hold)}`}</Status>
			</Group>
			{hold !== null && <Evidence text={hold.evidence} />}
			{hold !== null && hold.ofRunId !== runId && (
				<Text size="sm" className="name">
					It is the ceiling of the run above it, <RunLink runId={hold.ofRunId} isInText />
				</Text>
			)}
			<Group justify="space-between" gap="sm" mt={4}>
				<Text size="sm" c="dimmed" className="name">
					{teamId} · <Money nanoUsd={costNanoUsd} /> in <Count count={steps} /> steps · opened <HowLong iso={openedAt} />
				</Text>
				<Button size="xs" variant="default" renderRoot={(props) => <Link {...props} to="/runs/$runId" params={{ runId }} search={({ team }) => ({ team })} />}>
					{mayGovern(session) ? "Look and decide" : "Look"}
				</Button>
			</Group>
		</li>
	);
}
