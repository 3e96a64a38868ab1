import { Anchor, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Answered } from "../../frame/states.tsx";
import { WorkflowLink } from "../../frame/workflow-link.tsx";
import { Ceilings } from "./ceilings.tsx";
import { type Deciding, decisionsOf } from "./decide.ts";
import { DecideRunDialog } from "./decide-dialog.tsx";
import { Decisions } from "./decisions.tsx";
import { RunEvents } from "./run-events.tsx";
import { RunFacts } from "./run-facts.tsx";
import { RunSteps } from "./run-steps.tsx";
import type { Run } from "./run-words.ts";
import { Standing } from "./standing.tsx";

/** One run: why it stands, what it took of its ceilings, its last steps, what happened to it, and what can be decided. */
export function RunPage() {
	const { runId } = useParams({ from: "/runs/$runId" });
	const run = useAnswer("/admin/v1/runs/{runId}", { path: { runId } }, { topics: ["runs"] });
	return (
		<Page title={`Run ${runId}`} actions={run.data && <WorkflowLink workflow={run.data.workflow} />}>
			<Answered query={run} what="The run">
				{(answer) => <Story run={answer} />}
			</Answered>
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/runs" search={({ team }) => ({ team })} />}>
				All runs
			</Anchor>
		</Page>
	);
}

function Story({ run }: { readonly run: Run }) {
	const session = useSession();
	const [deciding, setDeciding] = useState<Deciding | null>(null);
	const decisions = decisionsOf(run, session);
	return (
		<>
			<Section title="How it stands" actions={decisions.length > 0 && <Decisions decisions={decisions} onChosen={(kind) => setDeciding({ kind, run })} />}>
				<Standing run={run} />
			</Section>
			<Section title="What it took of its ceilings">
				<Ceilings run={run} />
			</Section>
			<Section title="Last steps" actions={<StepCount run={run} />}>
				<RunSteps steps={run.steps} />
			</Section>
			<Section title="What happened to it">
				<RunEvents events={run.events} />
			</Section>
			<Section title="About the run">
				<RunFacts run={run} />
			</Section>
			{deciding !== null && <DecideRunDialog {...deciding} onClose={() => setDeciding(null)} />}
		</>
	);
}

function StepCount({ run: { steps, totals, children } }: { readonly run: Run }) {
	return (
		<Text size="sm" c="dimmed">
			{steps.length} of {totals.steps}
			{children > 0 && ", those of child runs counted in"}
		</Text>
	);
}
