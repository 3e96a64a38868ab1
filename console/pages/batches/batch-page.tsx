import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Facts } from "../../frame/facts.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Page, Section, Status } from "../../frame/page.tsx";
import { Answered } from "../../frame/states.tsx";
import { HowLong, When } from "../../frame/when.tsx";
import { WorkflowLink } from "../../frame/workflow-link.tsx";
import { BatchFacts } from "./batch-facts.tsx";
import { type Batch, endedItems, endedPercent, mayDecide, OUTCOMES, STATE_TONES, stepWords } from "./batch-words.ts";
import { type BatchDecision, DecideBatchDialog } from "./decide-dialog.tsx";
import { Parts } from "./parts.tsx";
import { ProgressBar } from "./progress-bar.tsx";
import { STATE_WORDS } from "./states.ts";

/** One batch: how far it is, what it holds and has cost, what holds it up, and its parts at the provider. */
export function BatchPage() {
	const { batchId } = useParams({ from: "/batches/$batchId" });
	const batch = useAnswer("/admin/v1/batches/{batchId}", { path: { batchId } }, { topics: ["batches"] });
	return (
		<Page title="Batch" actions={batch.data && <WorkflowLink workflow={batch.data.workflow} />}>
			<Text className="code" m={0}>
				{batchId}
			</Text>
			<Answered query={batch} what="The batch">
				{(answer) => <Story batch={answer} />}
			</Answered>
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/batches" search={({ team }) => ({ team })} />}>
				All batches
			</Anchor>
		</Page>
	);
}

function Story({ batch }: { readonly batch: Batch }) {
	const session = useSession();
	const [deciding, setDeciding] = useState<BatchDecision | null>(null);
	const isOpen = mayDecide(batch, session);
	return (
		<>
			<HeldUp batch={batch} />
			<Section title="How far it is" actions={isOpen && <Decisions batch={batch} onChosen={setDeciding} />}>
				<Progress batch={batch} />
			</Section>
			<Section title="Parts at the provider">
				<Parts batch={batch} />
			</Section>
			<Section title="About the batch">
				<BatchFacts batch={batch} />
			</Section>
			{deciding !== null && <DecideBatchDialog decision={deciding} batch={batch} onClose={() => setDeciding(null)} />}
		</>
	);
}

function Decisions({ batch, onChosen }: { readonly batch: Batch; readonly onChosen: (decision: BatchDecision) => void }) {
	return (
		<Group gap="xs">
			<Button size="xs" variant={batch.progress?.trouble == null ? "default" : "filled"} onClick={() => onChosen("retry")}>
				Try now
			</Button>
			{batch.cancelAskedAt === null && (
				<Button size="xs" variant="default" onClick={() => onChosen("cancel")}>
					Cancel it
				</Button>
			)}
		</Group>
	);
}

/** Nothing of a batch that goes its way. */
function HeldUp({ batch: { problem, progress } }: { readonly batch: Batch }) {
	const trouble = progress?.trouble ?? null;
	if (problem === null && trouble === null) return null;
	return (
		<Section title={trouble === null ? "What went wrong" : "What holds it up"}>
			{problem !== null && (
				<Text size="sm" className="name">
					<Status tone="bad">{problem}</Status>
				</Text>
			)}
			{trouble !== null && (
				<>
					<Text size="sm" className="name">
						<Status tone="warn">{trouble.message}</Status>
					</Text>
					<Text size="sm" c="dimmed">
						It {stepWords(trouble.step)}, without success since <When iso={trouble.since} />
						{progress?.nextAt != null && (
							<>
								; tried again <HowLong iso={progress.nextAt} />
							</>
						)}
						.
					</Text>
				</>
			)}
		</Section>
	);
}

function Progress({ batch }: { readonly batch: Batch }) {
	const { state, counts, items, heldNanoUsd, settledNanoUsd, progress } = batch;
	return (
		<Stack gap="xs">
			<Group gap="lg" align="baseline">
				<span className="headline">{endedPercent(batch) ?? 0} %</span>
				<Text span>
					<Count count={endedItems(batch)} /> of <Count count={items} /> items ended
				</Text>
				<Text span>
					<Status tone={STATE_TONES[state]}>{STATE_WORDS[state]}</Status>
				</Text>
			</Group>
			<ProgressBar batch={batch} size="lg" />
			<Facts
				facts={[
					{ name: "Cost so far", value: <Money nanoUsd={settledNanoUsd} /> },
					{ name: "Held for open items", value: <Money nanoUsd={heldNanoUsd} /> },
					...[...OUTCOMES.map(({ outcome }) => outcome), "open" as const]
						.filter((outcome) => counts[outcome] > 0)
						.map((outcome) => ({ name: outcome.charAt(0).toUpperCase() + outcome.slice(1), value: <Count count={counts[outcome]} /> })),
					...(progress === null ? [] : [{ name: "Its workflow", value: <NextStep progress={progress} /> }]),
					...(progress === null || progress.unresolved === 0
						? []
						: [{ name: "Charged at their bounds", value: <Count count={progress.unresolved} />, note: "nobody knows what they cost" }]),
				]}
			/>
		</Stack>
	);
}

function NextStep({ progress: { next, nextAt, retries } }: { readonly progress: NonNullable<Batch["progress"]> }) {
	return (
		<>
			{stepWords(next)}
			{nextAt !== null && (
				<>
					, again <HowLong iso={nextAt} />
				</>
			)}
			{retries > 0 && `; ${retries} tries again so far`}
		</>
	);
}
