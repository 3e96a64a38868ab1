import { Button, Group } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { mayKeepBooks, mayReadAll } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { formatMonth } from "../../format/time.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Page, Section, Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { CloseDialog } from "./close-dialog.tsx";
import { MONTH_STATES, type Month } from "./month.ts";

/** Months with statements, and closing one that is over. */
export function StatementsPage() {
	const session = useSession();
	const [isClosing, closing] = useDisclosure(false);
	const months = useAnswer("/admin/v1/statements", {}, { topics: ["statements"] });
	const mayClose = mayKeepBooks(session);
	return (
		<Page title="Statements" actions={mayClose && <Button onClick={closing.open}>Close a month</Button>}>
			<Section title="Months" actions={mayReadAll(session) && <RulesLink />}>
				<Answered query={months} what="Statements" isEmpty={(answer) => answer.months.length === 0} empty={<NoMonths mayClose={mayClose} />}>
					{(answer) => <DataTable caption="Months with statements" columns={COLUMNS} rows={answer.months} rowKey={({ month }) => month} minWidth={820} />}
				</Answered>
			</Section>
			{isClosing && <CloseDialog months={months.data?.months ?? []} onClose={closing.close} />}
		</Page>
	);
}

function RulesLink() {
	return (
		<TextLink to="/statements/rules" size="sm">
			Chargeback rules
		</TextLink>
	);
}

const COLUMNS: readonly Column<Month>[] = [
	{
		key: "month",
		head: "Month",
		cell: ({ month }) => (
			<TextLink to="/statements/$month" params={{ month }}>
				{formatMonth(month)}
			</TextLink>
		),
	},
	{ key: "state", head: "State", cell: ({ state }) => <Status tone={MONTH_STATES[state].tone}>{MONTH_STATES[state].words}</Status> },
	{ key: "charge", head: "Charged", isNumber: true, cell: ({ chargeNanoUsd }) => <Money nanoUsd={chargeNanoUsd} /> },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => <Money nanoUsd={costNanoUsd} /> },
	{ key: "margin", head: "Margin", isNumber: true, cell: ({ marginNanoUsd }) => <Money nanoUsd={marginNanoUsd} /> },
	{ key: "teams", head: "Teams", isNumber: true, cell: ({ teams }) => <Count count={teams} /> },
	{ key: "since", head: "Since", cell: (month) => <Since month={month} /> },
];

function Since({ month: { closedAt, draftedAt, decidedBy } }: { readonly month: Month }) {
	const at = closedAt ?? draftedAt;
	if (at === null) return "–";
	return (
		<Group gap={4} component="span">
			<When iso={at} />
			{decidedBy !== null && <span>by {decidedBy}</span>}
		</Group>
	);
}

function NoMonths({ mayClose }: { readonly mayClose: boolean }) {
	return (
		<Empty title="No month has statements yet.">
			{mayClose ? "Once a month is over, Close a month drafts what each team owes." : "Somebody of finance, or an operator, drafts them once a month is over."}
		</Empty>
	);
}
