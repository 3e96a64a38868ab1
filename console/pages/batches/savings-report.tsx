import { Group, Select, Stack, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { formatShare } from "../../format/money.ts";
import { formatSpan } from "../../format/span.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Facts } from "../../frame/facts.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { REPORT_DAYS, type ReportDays } from "./states.ts";

type Report = Answer<"/admin/v1/deferred/report">;
type Lane = Report["lanes"][number];

const DEFAULT_DAYS = "30";
const DAYS_LABELS = { "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "366": "Last 366 days" } as const;

/** What items handed in alone cost, and what the same would have cost in real time. */
export function SavingsReport({ team }: { readonly team: string | undefined }) {
	const { days = DEFAULT_DAYS } = useSearch({ from: "/batches/items" });
	const query = { days: Number(days), ...(team !== undefined && { teamId: team }) };
	const report = useAnswer("/admin/v1/deferred/report", { query }, { topics: ["batches", "spend"], keepsPrevious: true });
	return (
		<Section title="What waiting saved" actions={<DaysPicker days={days} />}>
			<Answered
				query={report}
				what="The report of items"
				isEmpty={(answer) => answer.total.items === 0}
				empty={<Empty title="No item was answered in these days.">What is handed in alone and may wait costs about half of what real time costs.</Empty>}
			>
				{(answer) => <Sums report={answer} />}
			</Answered>
		</Section>
	);
}

function DaysPicker({ days }: { readonly days: ReportDays }) {
	const navigate = useNavigate({ from: "/batches/items" });
	return (
		<Select
			size="xs"
			w={150}
			aria-label="Span of the report"
			value={days}
			data={REPORT_DAYS.map((value) => ({ value, label: DAYS_LABELS[value] }))}
			onChange={(value) => void navigate({ search: (search) => ({ ...search, days: REPORT_DAYS.find((known) => known === value) }) })}
		/>
	);
}

function Sums({ report: { total, lanes } }: { readonly report: Report }) {
	const share = formatShare(BigInt(total.savedNanoUsd), BigInt(total.realTimeNanoUsd));
	return (
		<Stack gap="sm">
			<Group gap="lg" align="baseline">
				<span className="headline">
					<Money nanoUsd={total.savedNanoUsd} />
				</span>
				<Text span>{share === null ? "saved" : `saved: ${share} of what real time would have cost`}</Text>
			</Group>
			<Facts
				facts={[
					{ name: "Cost, all tries", value: <Money nanoUsd={total.costNanoUsd} /> },
					{ name: "The same in real time", value: <Money nanoUsd={total.realTimeNanoUsd} /> },
					{ name: "Items answered", value: <Count count={total.items} /> },
					{
						name: "After their deadline",
						value: <Count count={total.lateItems} />,
						note: total.lateItems > 0 ? `at most ${formatSpan(total.lateMsMax)} late` : null,
					},
				]}
			/>
			<DataTable caption="By team and lane" columns={COLUMNS} rows={lanes} rowKey={({ teamId, lane }) => `${teamId} ${lane}`} minWidth={640} />
		</Stack>
	);
}

const COLUMNS: readonly Column<Lane>[] = [
	{ key: "team", head: "Team", cell: ({ teamId }) => teamId },
	{ key: "lane", head: "Lane", cell: ({ lane }) => (lane === "batch" ? "batch" : "real time") },
	{ key: "items", head: "Items", isNumber: true, cell: ({ items }) => <Count count={items} /> },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => <Money nanoUsd={costNanoUsd} /> },
	{ key: "realTime", head: "In real time", isNumber: true, cell: ({ realTimeNanoUsd }) => <Money nanoUsd={realTimeNanoUsd} /> },
	{ key: "saved", head: "Saved", isNumber: true, cell: ({ savedNanoUsd }) => <Money nanoUsd={savedNanoUsd} /> },
	{ key: "late", head: "Late", isNumber: true, cell: ({ lateItems }) => <Count count={lateItems} /> },
];
