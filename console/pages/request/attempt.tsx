import { SimpleGrid, Stack, Text, Timeline, Title } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { formatCount } from "../../format/money.ts";
import { formatDuration } from "../../format/time.ts";
import { Facts } from "../../frame/facts.tsx";
import { Money } from "../../frame/money.tsx";
import { Section, Status, type Tone } from "../../frame/page.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { WorkflowLink } from "../../frame/workflow-link.tsx";
import { Arithmetic } from "./arithmetic.tsx";

export type ExplainedAttempt = Answer<"/admin/v1/requests/{requestId}">["attempts"][number];

const TONES: Readonly<Record<string, Tone>> = { settled: "good", unresolved: "warn", estimated: "warn", quarantined: "bad" };
const WORDS: Readonly<Record<string, string>> = {
	settled: "settled with what the provider reported",
	unresolved: "charged at its reservation: nothing proves what it cost",
	estimated: "estimated: the provider reported no usable usage",
	quarantined: "set aside: the report contradicts itself",
};

export function Attempt({ attempt, title }: { readonly attempt: ExplainedAttempt; readonly title: string }) {
	return (
		<Section title={title} actions={<Status tone={TONES[attempt.outcome] ?? "quiet"}>{attempt.outcome}</Status>}>
			<Stack gap="lg">
				<p className="headline">
					<Money nanoUsd={attempt.costNanoUsd} />
				</p>
				<SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
					<Steps attempt={attempt} />
					<Stack gap="lg">
						<WhoseItWas attempt={attempt} />
						<HowItWas attempt={attempt} />
						<WhatItWasPartOf attempt={attempt} />
					</Stack>
				</SimpleGrid>
				<Arithmetic attempt={attempt} />
			</Stack>
		</Section>
	);
}

/** Reserve, send, answer, settle, and every entry afterwards. */
function Steps({ attempt }: { readonly attempt: ExplainedAttempt }) {
	const { outcome, reason, reservedNanoUsd, costNanoUsd, overrunNanoUsd, durationMs, httpStatus, clampedOutputTokens, degradedBy, askedModel, model } = attempt;
	return (
		<div>
			<Title order={3} mb="sm">
				What happened
			</Title>
			<Timeline active={10} bulletSize={14} lineWidth={2}>
				<Timeline.Item title="Reserved">
					<Text size="sm">
						<Money nanoUsd={reservedNanoUsd} />, the most it could cost
						{attempt.budgets.length > 0 && `, in ${attempt.budgets.map(({ name }) => name).join("; ")}`}
					</Text>
					{clampedOutputTokens !== null && <Text size="sm">Clamped: at most {formatCount(clampedOutputTokens)} tokens of output, since more did not fit.</Text>}
					{degradedBy !== null && (
						<Text size="sm" className="name">
							{askedModel} was asked for; {model} served it, beyond a line of {String(degradedBy["budget"] ?? "a budget")}.
						</Text>
					)}
				</Timeline.Item>
				<Timeline.Item title={`Sent to ${attempt.provider}`}>
					<Text size="sm" className="name">
						{model}, {attempt.endpoint}
						{attempt.providerRequestId !== null && `, there ${attempt.providerRequestId}`}
					</Text>
				</Timeline.Item>
				<Timeline.Item title={httpStatus === null ? "No answer on record" : `Answered with ${httpStatus}`}>
					<Text size="sm" className="name">
						{durationMs === null ? "how long it took is not known" : `after ${formatDuration(durationMs)}`}
						{attempt.answeredModel !== null && `, by ${attempt.answeredModel}`}
					</Text>
				</Timeline.Item>
				<Timeline.Item title={`Booked: ${outcome}`}>
					<Text size="sm" className="name">
						<Money nanoUsd={costNanoUsd} />, {WORDS[outcome] ?? outcome}
						{reason !== null && ` (${reason})`}
						{overrunNanoUsd !== "0" && (
							<>
								; beyond its reservation by <Money nanoUsd={overrunNanoUsd} />
							</>
						)}
					</Text>
				</Timeline.Item>
				{attempt.entries.map(({ entryKey, kind, amountNanoUsd, at, reason: why }) => (
					<Timeline.Item key={entryKey} title={`Ledger: ${kind}`}>
						<Text size="sm" className="name">
							<Money nanoUsd={amountNanoUsd} />, <When iso={at} />
							{why !== null && `: ${why}`}
						</Text>
						<Text size="xs" c="dimmed" className="code">
							{entryKey}
						</Text>
					</Timeline.Item>
				))}
			</Timeline>
		</div>
	);
}

function WhoseItWas({ attempt }: { readonly attempt: ExplainedAttempt }) {
	const { asserted, claimed } = attempt;
	const fromKey = (name: string) => (asserted !== null && name in asserted ? "named by the caller, as its key allows" : null);
	return (
		<div>
			<Title order={3} mb="xs">
				Whose it was
			</Title>
			<Facts
				facts={[
					{ name: "Team", value: attempt.teamId },
					{ name: "Key", value: attempt.keyId },
					{ name: "Feature", value: attempt.feature, note: fromKey("feature") },
					{ name: "User", value: attempt.userId, note: fromKey("user") },
					{ name: "Environment", value: attempt.environment },
				]}
			/>
			{claimed !== null && Object.keys(claimed).length > 0 && (
				<Text size="sm" mt="xs" className="name">
					The caller claimed, and it counts for nothing:{" "}
					{Object.entries(claimed)
						.map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`)
						.join(", ")}
				</Text>
			)}
		</div>
	);
}

function HowItWas({ attempt }: { readonly attempt: ExplainedAttempt }) {
	return (
		<div>
			<Title order={3} mb="xs">
				In the books
			</Title>
			<Facts
				facts={[
					{ name: "Booked", value: <When iso={attempt.at} /> },
					{ name: "Attempt", value: attempt.attemptId },
					{ name: "Service tier", value: attempt.serviceTier },
					{ name: "Price book", value: `version ${attempt.priceVersion}` },
				]}
			/>
		</div>
	);
}

/** The agent run and the batch, here and in the Temporal UI; nothing of a call that stands alone. */
function WhatItWasPartOf({ attempt: { run, batch } }: { readonly attempt: ExplainedAttempt }) {
	if (run === null && batch === null) return null;
	return (
		<div>
			<Title order={3} mb="xs">
				What it was part of
			</Title>
			<Stack gap="sm">
				{run !== null && (
					<div>
						<Text size="sm" className="name">
							A step of the agent run{" "}
							<TextLink underline="always" to="/runs/$runId" params={{ runId: run.runId }}>
								{run.runId}
							</TextLink>
						</Text>
						<WorkflowLink workflow={run.workflow} />
					</div>
				)}
				{batch !== null && (
					<div>
						<Text size="sm" className="name">
							{batch.deferredId === null ? "An item of the batch " : `Item ${batch.deferredId}, handed in alone, which went with the batch `}
							<TextLink underline="always" to="/batches/$batchId" params={{ batchId: batch.batchId }}>
								{batch.batchId}
							</TextLink>
						</Text>
						<WorkflowLink workflow={batch.workflow} />
					</div>
				)}
			</Stack>
		</div>
	);
}
