import { Progress, Stack, Text } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { formatShare, toBarPercent } from "../../format/money.ts";
import { budgetName, teamName } from "../../frame/budget-name.ts";
import { Amount } from "../../frame/money.tsx";
import { Answered, Empty } from "../../frame/states.tsx";

type Budget = Answer<"/admin/v1/budgets">["budgets"][number];

const SHOWN = 6;
const WARN_PERCENT = 80;

/** Budgets of the current windows by how much of them is spent. */
export function FullestBudgets({ team }: { readonly team: string | undefined }) {
	const query = useAnswer("/admin/v1/budgets", { query: team === undefined ? {} : { teamId: team } }, { topics: ["budgets", "spend", "increases"] });
	return (
		<Answered
			query={query}
			what="Budgets"
			isEmpty={({ budgets }) => budgets.length === 0}
			empty={<Empty title="There is no budget.">A team without one may not spend.</Empty>}
		>
			{({ budgets }) => (
				<Stack gap="sm" component="ul" p={0} m={0} className="plain-list">
					{[...budgets]
						.sort((one, other) => percentOf(other) - percentOf(one))
						.slice(0, SHOWN)
						.map((budget) => (
							<Row key={budget.id} budget={budget} />
						))}
				</Stack>
			)}
		</Answered>
	);
}

function Row({ budget }: { readonly budget: Budget }) {
	const [spent, limit] = [BigInt(budget.postedAmount), limitOf(budget)];
	const percent = percentOf(budget);
	const tone = percent >= 100 ? "bad" : percent >= WARN_PERCENT ? "warn" : "good";
	return (
		<li>
			<Text size="sm" className="name">
				<strong>{teamName(budget.teamId)}</strong> · {budgetName(budget)}
			</Text>
			<Progress value={percent} color={`var(--console-${tone})`} my={3} aria-label={`${formatShare(spent, limit) ?? "all"} spent`} />
			<Text size="xs" c="dimmed">
				{formatShare(spent, limit) ?? "all"} · <Amount amount={spent} unit={budget.unit} /> of <Amount amount={limit} unit={budget.unit} />
			</Text>
		</li>
	);
}

function limitOf({ limitAmount, raisedAmount }: Budget): bigint {
	return BigInt(limitAmount) + BigInt(raisedAmount);
}

function percentOf(budget: Budget): number {
	return toBarPercent(BigInt(budget.postedAmount), limitOf(budget));
}
