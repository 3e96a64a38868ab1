import { Group, Stack, Text } from "@mantine/core";
import { formatSpan } from "../../format/span.ts";
import { Facts } from "../../frame/facts.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { HowLong, When } from "../../frame/when.tsx";
import { Evidence } from "./evidence.tsx";
import { RunLink } from "./run-table.tsx";
import { guardWords, type Hold, isCeiling, type Run, STATE_TONES } from "./run-words.ts";

/** State, what a guard saw, and what the run has spent. */
export function Standing({ run }: { readonly run: Run }) {
	const { state, hold, totals } = run;
	const toolCalls = Object.values(totals.toolCalls).reduce((sum, calls) => sum + calls, 0);
	return (
		<Stack gap="xs">
			<Group gap="lg" align="baseline">
				<span className="headline">
					<Money nanoUsd={totals.costNanoUsd} />
				</span>
				<Text span>
					<Status tone={STATE_TONES[state]}>
						{state}
						{hold !== null && `: ${guardWords(hold)}`}
					</Status>
				</Text>
			</Group>
			{hold !== null && <Why run={run} hold={hold} />}
			<Facts
				facts={[
					{ name: "Steps", value: <Count count={totals.steps} /> },
					{ name: "Input tokens", value: <Count count={totals.inputTokens} /> },
					{ name: "Output tokens", value: <Count count={totals.outputTokens} /> },
					{ name: "Tool calls", value: <Count count={toolCalls} /> },
					{ name: "Opened", value: <HowLong iso={run.openedAt} /> },
				]}
			/>
		</Stack>
	);
}

function Why({ run, hold }: { readonly run: Run; readonly hold: Hold }) {
	const { runId, heldAt, endsAt } = run;
	return (
		<div className="evidence">
			<Evidence text={hold.evidence} />
			{hold.ofRunId !== runId && (
				<Text size="sm" mt={4}>
					{isCeiling(hold) ? "It is the ceiling of a run above it. Raise it there, and all that it holds go on: " : "It comes from the run "}
					<RunLink runId={hold.ofRunId} isInText />
				</Text>
			)}
			<Text size="sm" c="dimmed" mt={4} className="name">
				held by {hold.by}
				{heldAt !== null && (
					<>
						{" since "}
						<When iso={heldAt} />
					</>
				)}
				{endsAt !== null && (
					<>
						; becomes a stop <HowLong iso={endsAt} /> where nobody decides
					</>
				)}
				{hold.askAgainMs !== null && `; the agent is told to ask again after ${formatSpan(hold.askAgainMs)}`}
			</Text>
		</div>
	);
}
