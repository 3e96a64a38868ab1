import { Group, Progress, Stack, Text } from "@mantine/core";
import { formatShare, toBarPercent } from "../../format/money.ts";
import { Empty } from "../../frame/states.tsx";
import { CeilingAmount } from "./ceiling-amount.tsx";
import { RunLink } from "./run-table.tsx";
import { ceilingName, isHolding, type Run, type StandingCeiling } from "./run-words.ts";

/** Each ceiling with what the run, and those below it, took of it; its own first. */
export function Ceilings({ run: { runId, ceilings, hold } }: { readonly run: Run }) {
	if (ceilings.length === 0)
		return (
			<Empty title="It has no ceilings.">Only the budgets of its team hold it. A run states ceilings when it is registered, or its team's policy does.</Empty>
		);
	return (
		<Stack component="ul" gap="sm" p={0} m={0} className="plain-list">
			{ceilings.map((ceiling) => (
				<Ceiling
					key={`${ceiling.ofRunId} ${ceilingName(ceiling)} ${ceiling.isSoft}`}
					ceiling={ceiling}
					isOwn={ceiling.ofRunId === runId}
					isHeld={isHolding(ceiling, hold)}
				/>
			))}
		</Stack>
	);
}

function Ceiling({ ceiling, isOwn, isHeld }: { readonly ceiling: StandingCeiling; readonly isOwn: boolean; readonly isHeld: boolean }) {
	const { kind, at, taken, isSoft, ofRunId } = ceiling;
	const share = formatShare(BigInt(taken), BigInt(at));
	const isReached = BigInt(taken) >= BigInt(at);
	const color = isHeld ? "bad" : isReached && isSoft ? "warn" : "good";
	return (
		<li>
			<Group justify="space-between" gap="xs" align="baseline">
				<Text size="sm" fw={600} className="name">
					{ceilingName(ceiling)}
					{isSoft && " (warns, and does not hold)"}
					{isHeld && ": holds it"}
				</Text>
				<Text size="sm">
					<CeilingAmount kind={kind} amount={taken} /> of <CeilingAmount kind={kind} amount={at} />
					{share !== null && taken !== "0" && ` · ${share}`}
				</Text>
			</Group>
			<Progress.Root size="sm" mt={4}>
				<Progress.Section
					value={toBarPercent(BigInt(taken), BigInt(at))}
					color={`var(--console-${color})`}
					aria-label={`${ceilingName(ceiling)}: ${share ?? "nothing"} taken`}
				/>
			</Progress.Root>
			{!isOwn && (
				<Text size="xs" c="dimmed" mt={2}>
					of the run above it, <RunLink runId={ofRunId} isInText />
				</Text>
			)}
		</li>
	);
}
