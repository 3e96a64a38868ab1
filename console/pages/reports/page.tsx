import { Button, Group, SegmentedControl, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { getRouteApi } from "@tanstack/react-router";
import { mayKeepBooks } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { When } from "../../frame/when.tsx";
import { KIND_NAMES, pageOf, periodName, REPORTS_AT_ONCE, type ReportSummary, whoseReport } from "./period.ts";
import type { ReportsSearch } from "./route.ts";
import { WriteDialog } from "./write-dialog.tsx";

const route = getRouteApi("/reports");
const ALL_KINDS = "all";

/** Reports that were written, and writing one that is missing. */
export function ReportsPage() {
	const team = useTeam();
	const session = useSession();
	const { kind, before } = route.useSearch();
	const navigate = route.useNavigate();
	const [isWriting, writing] = useDisclosure(false);
	const question = { limit: REPORTS_AT_ONCE, ...(team && { teamId: team }), ...(kind && { kind }), ...(before && { before }) };
	const reports = useAnswer("/admin/v1/reports", { query: question }, { topics: ["reports"], keepsPrevious: true });
	const mayWrite = mayKeepBooks(session);
	return (
		<Page title="Reports" actions={mayWrite && <Button onClick={writing.open}>Write a report</Button>}>
			<Section
				title="Written reports"
				actions={
					<SegmentedControl
						aria-label="Kind of report"
						size="xs"
						data={[{ value: ALL_KINDS, label: "All" }, ...Object.entries(KIND_NAMES).map(([value, label]) => ({ value, label }))]}
						value={kind ?? ALL_KINDS}
						onChange={(value) => void navigate({ search: ({ team: kept }) => ({ team: kept, ...kindSearch(value) }) })}
					/>
				}
			>
				<Answered query={reports} what="Reports" isEmpty={(answer) => answer.reports.length === 0} empty={<NoReports mayWrite={mayWrite} />}>
					{(answer) => <ReportList reports={answer.reports} />}
				</Answered>
			</Section>
			{isWriting && <WriteDialog onClose={writing.close} />}
		</Page>
	);
}

function kindSearch(value: string): ReportsSearch {
	return value === ALL_KINDS ? {} : { kind: value as keyof typeof KIND_NAMES };
}

const COLUMNS: readonly Column<ReportSummary>[] = [
	{
		key: "period",
		head: "Period",
		cell: (report) => (
			<TextLink to="/reports/$reportId" params={{ reportId: report.id }}>
				{periodName(report)}
			</TextLink>
		),
	},
	{ key: "kind", head: "Kind", cell: ({ kind }) => KIND_NAMES[kind] },
	{ key: "team", head: "Of", cell: whoseReport },
	{ key: "spent", head: "Spent", isNumber: true, cell: ({ spentNanoUsd }) => <Money nanoUsd={spentNanoUsd} /> },
	{ key: "edition", head: "Edition", isNumber: true, cell: ({ edition }) => edition },
	{ key: "written", head: "Written", cell: ({ writtenAt }) => <When iso={writtenAt} /> },
	{ key: "by", head: "By", cell: ({ writtenBy }) => writtenBy },
];

function ReportList({ reports }: { readonly reports: readonly ReportSummary[] }) {
	const { kind, before } = route.useSearch();
	const page = pageOf(reports);
	const kept = kind === undefined ? {} : { kind };
	return (
		<>
			<DataTable caption="Written reports" columns={COLUMNS} rows={page.reports} rowKey={({ id }) => id} minWidth={760} />
			{(before !== undefined || page.nextBefore !== null) && (
				<Group gap="md">
					{before !== undefined && (
						<TextLink size="sm" to="/reports" search={kept}>
							Newest
						</TextLink>
					)}
					{page.nextBefore !== null && (
						<TextLink size="sm" to="/reports" search={{ ...kept, before: page.nextBefore }}>
							Older
						</TextLink>
					)}
				</Group>
			)}
		</>
	);
}

function NoReports({ mayWrite }: { readonly mayWrite: boolean }) {
	return (
		<Empty title="There is no such report.">
			The worker writes a report once its day, week or month is over.
			{mayWrite ? (
				<Text size="sm" c="dimmed">
					One that is missing can be written now, with <em>Write a report</em>.
				</Text>
			) : (
				" Somebody of finance, or an operator, can write one that is missing."
			)}
		</Empty>
	);
}
