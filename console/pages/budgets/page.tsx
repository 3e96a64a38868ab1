import { Button, SimpleGrid } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { Answer } from "../../api/client.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { RefusalTable } from "../../frame/refusal-table.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { AskDialog } from "./ask-dialog.tsx";
import { BudgetCard } from "./budget-card.tsx";
import { mayDecide } from "./decide.ts";
import { Increases } from "./increases.tsx";
import { Leases } from "./leases.tsx";

type Budget = Answer<"/admin/v1/budgets">["budgets"][number];

/** How much of each budget is spent and held, who asks for more, and what was refused. */
export function BudgetsPage() {
	const team = useTeam();
	const session = useSession();
	const [isAsking, asking] = useDisclosure(false);
	const budgets = useAnswer("/admin/v1/budgets", { query: team === undefined ? {} : { teamId: team } }, { topics: ["budgets", "spend", "increases"] });
	return (
		<Page title="Budgets" actions={mayDecide(session) && <Button onClick={asking.open}>Ask for an increase</Button>}>
			<Section title="Increases">
				<Increases team={team} />
			</Section>
			<Section title="Budgets in force">
				<Answered query={budgets} what="Budgets" isEmpty={(answer) => answer.budgets.length === 0} empty={<NoBudgets team={team} />}>
					{(answer) => <Cards budgets={answer.budgets} />}
				</Answered>
			</Section>
			<Section title="Refused in the last 7 days">
				<RefusalTable team={team} />
			</Section>
			{session.role === "operator" && (
				<Section title="Money held by gateways">
					<Leases team={team} />
				</Section>
			)}
			{isAsking && <AskDialog budgets={budgets.data?.budgets ?? []} onClose={asking.close} />}
		</Page>
	);
}

function Cards({ budgets }: { readonly budgets: readonly Budget[] }) {
	return (
		<SimpleGrid cols={{ base: 1, md: 2, xl: 3 }} component="ul" p={0} m={0} className="plain-list">
			{[...budgets].sort(byNeed).map((budget) => (
				<BudgetCard key={budget.id} budget={budget} />
			))}
		</SimpleGrid>
	);
}

/** The fullest first. */
function byNeed(one: Budget, other: Budget): number {
	const [mine, its] = [used(one), used(other)];
	return mine === its ? 0 : mine > its ? -1 : 1;
}

function used({ limitAmount, raisedAmount, postedAmount, pendingAmount }: Budget): bigint {
	const limit = BigInt(limitAmount) + BigInt(raisedAmount);
	return limit <= 0n ? 10_000n : ((BigInt(postedAmount) + BigInt(pendingAmount)) * 10_000n) / limit;
}

function NoBudgets({ team }: { readonly team: string | undefined }) {
	return (
		<Empty title="There is no budget here.">
			A team without a budget may not spend. Set one: <code>npx tollgate budget set --team {team ?? "TEAM"} --window month --limit 100</code>
		</Empty>
	);
}
