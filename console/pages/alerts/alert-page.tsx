import { Anchor, Stack, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { useAnswer } from "../../api/use-answer.ts";
import { teamName } from "../../frame/budget-name.ts";
import { Facts } from "../../frame/facts.tsx";
import { Page, Section, Status } from "../../frame/page.tsx";
import { Answered } from "../../frame/states.tsx";
import { When } from "../../frame/when.tsx";
import { AlertActions } from "./alert-actions.tsx";
import { type About, type Alert, aboutOf, factsOf, STATUS_WORDS, toneOf } from "./alert-words.ts";
import { Deliveries } from "./deliveries.tsx";

/** One alert: what it said, what it is about, where it went and what the receivers answered. */
export function AlertPage() {
	const { alertId } = useParams({ from: "/alerts/$alertId" });
	const alert = useAnswer("/admin/v1/alerts/{alertId}", { path: { alertId } }, { topics: ["alerts"] });
	return (
		<Page title="Alert">
			<Answered query={alert} what="The alert">
				{(answer) => <Story alert={answer} />}
			</Answered>
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/alerts" search={({ team }) => ({ team })} />}>
				All alerts
			</Anchor>
		</Page>
	);
}

function Story({ alert }: { readonly alert: Alert }) {
	const { title, severity, status, kind, teamId, at, endedAt, runbook, id } = alert;
	const about = aboutOf(alert);
	return (
		<>
			<Section title="What it says">
				<Stack gap="xs">
					<Text fw={600} className="name">
						{title}
					</Text>
					<Text size="sm">
						<Status tone={toneOf(alert)}>
							{STATUS_WORDS[status]}, {severity}
						</Status>
					</Text>
					{about !== undefined && <AboutLink about={about} teamId={teamId} />}
					<Facts
						facts={[
							{ name: "Team", value: teamName(teamId) },
							{ name: "Kind", value: kind },
							{ name: "Since", value: <When iso={at} /> },
							...(endedAt === null ? [] : [{ name: "Over", value: <When iso={endedAt} /> }]),
							...factsOf(alert).map(({ label, value }) => ({ name: label, value })),
							{ name: "What to do", value: <span className="code">{runbook}</span>, note: "page of the project" },
							{ name: "Id", value: <span className="code">{id}</span> },
						]}
					/>
				</Stack>
			</Section>
			<Section title="Where it went" actions={<AlertActions alert={alert} />}>
				<Deliveries deliveries={alert.deliveries} />
			</Section>
		</>
	);
}

function AboutLink({ about, teamId }: { readonly about: About; readonly teamId: string }) {
	if (about.kind === "run")
		return (
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/runs/$runId" params={{ runId: about.id }} search={({ team }) => ({ team })} />}>
				Look at the run
			</Anchor>
		);
	if (about.kind === "batch")
		return (
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId: about.id }} search={({ team }) => ({ team })} />}>
				Look at the batch
			</Anchor>
		);
	return (
		<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/budgets" search={{ team: teamId }} />}>
			Look at the team's budgets
		</Anchor>
	);
}
