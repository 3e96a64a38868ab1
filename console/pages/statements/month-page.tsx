import { Button, Group, Stack, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { isMonth } from "#domain/chargeback/month.ts";
import type { Answer } from "../../api/client.ts";
import { mayKeepBooks } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer, useChange } from "../../api/use-answer.ts";
import { formatMonth } from "../../format/time.ts";
import { Figures } from "../../frame/figures.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Page, Section, Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { When } from "../../frame/when.tsx";
import { WorkflowLink } from "../../frame/workflow-link.tsx";
import { closeMonth } from "./close-dialog.tsx";
import { DecideDialog, type Decision } from "./decide-dialog.tsx";
import { MONTH_STATES, type Month } from "./month.ts";
import { StatementLines } from "./statement-lines.tsx";
import { StatementTable, TEAMS_AT_ONCE } from "./statement-table.tsx";

const route = getRouteApi("/statements/$month");
type Report = Answer<"/admin/v1/statements/{month}">;

/** What each team owes for a month, what that is made of, and closing it. */
export function StatementMonthPage() {
	const { month } = route.useParams();
	const team = useTeam();
	const query = { limit: TEAMS_AT_ONCE, ...(team !== undefined && { teamId: team }) };
	const report = useAnswer("/admin/v1/statements/{month}", { path: { month }, query }, { topics: ["statements"] });
	return (
		<Page title={isMonth(month) ? formatMonth(month) : "Statements"} actions={report.data && <WorkflowLink workflow={report.data.workflow} />}>
			<TextLink to="/statements" size="sm">
				All months
			</TextLink>
			<Answered query={report} what="Statements">
				{(answer) => <Statements report={answer} team={team} />}
			</Answered>
		</Page>
	);
}

function Statements({ report, team }: { readonly report: Report; readonly team: string | undefined }) {
	const { month, statements } = report;
	return (
		<Stack gap="md">
			<MonthSection month={month} />
			<Section title="By team">
				{statements.length === 0 ? (
					<Empty title={team === undefined ? "Nobody owes anything." : `Team ${team} owes nothing for this month.`} />
				) : (
					<StatementTable month={month} statements={statements} isWhole={team === undefined && statements.length < TEAMS_AT_ONCE} />
				)}
			</Section>
			<StatementLines month={month.month} team={team} />
		</Stack>
	);
}

function MonthSection({ month }: { readonly month: Month }) {
	const { tone, words } = MONTH_STATES[month.state];
	return (
		<Section title="The month" actions={mayKeepBooks(useSession()) && month.state !== "closed" && <MonthActions month={month} />}>
			<Figures
				figures={[
					{ name: "State", value: <Status tone={tone}>{words}</Status>, note: <Decided month={month} /> },
					{ name: "Cost", value: <Money nanoUsd={month.costNanoUsd} />, note: "as the ledger booked it" },
					{ name: "Margin", value: <Money nanoUsd={month.marginNanoUsd} />, note: `rules of revision ${month.rulesRevision ?? "–"}` },
					{ name: "Charged", value: <Money nanoUsd={month.chargeNanoUsd} />, note: "cost and margin" },
					{ name: "Teams", value: <Count count={month.teams} /> },
				]}
			/>
		</Section>
	);
}

function Decided({ month: { draft, draftedAt, askedBy, decidedBy, decisionReason, closedAt } }: { readonly month: Month }) {
	return (
		<>
			{draftedAt !== null && (
				<>
					draft {draft} of <When iso={draftedAt} />
					{askedBy !== null && `, asked by ${askedBy}`}
				</>
			)}
			{closedAt !== null && (
				<>
					{"; closed "}
					<When iso={closedAt} />
				</>
			)}
			{decidedBy !== null && `; ${decidedBy}: ${decisionReason ?? "no reason given"}`}
		</>
	);
}

function MonthActions({ month }: { readonly month: Month }) {
	const [decision, setDecision] = useState<Decision | null>(null);
	const again = useChange(["statements"], () => closeMonth(month.month));
	return (
		<Group gap="xs">
			{month.state === "drafted" && <Button onClick={() => setDecision("approve")}>Approve</Button>}
			{month.state === "drafted" && (
				<Button variant="default" onClick={() => setDecision("reject")}>
					Reject
				</Button>
			)}
			{month.state !== "drafting" && (
				<Button variant="default" loading={again.isPending} onClick={() => again.mutate(undefined)}>
					Draft anew
				</Button>
			)}
			{again.error !== null && (
				<Text size="sm" role="alert" w="100%" className="name">
					Not drafted: {again.error.message}
				</Text>
			)}
			{decision !== null && <DecideDialog month={month} decision={decision} onClose={() => setDecision(null)} />}
		</Group>
	);
}
