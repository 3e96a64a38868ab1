import { Group, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useAnswer } from "../../api/use-answer.ts";
import { formatMonth } from "../../format/time.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { CsvButton } from "./csv-button.tsx";
import { accountName, type Line, sumOf } from "./month.ts";

const route = getRouteApi("/statements/$month");
const LINES_A_PAGE = 50;

/** What a month's charges are made of, page by page, of the team that is chosen or of all. */
export function StatementLines({ month, team }: { readonly month: string; readonly team: string | undefined }) {
	const { of = team } = route.useSearch();
	return (
		<Section
			title={of === undefined ? "Lines" : `Lines of ${accountName(of)}`}
			actions={
				<Group gap="md">
					{of !== undefined && of !== team && (
						<TextLink size="sm" to="/statements/$month" params={{ month }}>
							Lines of all teams
						</TextLink>
					)}
					<CsvButton month={month} teamId={of} />
				</Group>
			}
		>
			<div id="lines">
				<Lines month={month} of={of} />
			</div>
		</Section>
	);
}

function Lines({ month, of }: { readonly month: string; readonly of: string | undefined }) {
	const { afterTeam, afterLine } = route.useSearch();
	const query = {
		limit: LINES_A_PAGE,
		...(of !== undefined && { teamId: of }),
		...(afterTeam !== undefined && { afterTeam, afterLine: Number(afterLine) }),
	};
	const answer = useAnswer("/admin/v1/statements/{month}/lines", { path: { month }, query }, { topics: ["statements"], keepsPrevious: true });
	return (
		<Answered query={answer} what="Lines" isEmpty={({ lines }) => lines.length === 0} empty={<Empty title="There are no lines here." />}>
			{({ lines }) => (
				<>
					<DataTable
						caption="Lines of statements"
						columns={of === undefined ? [TEAM_COLUMN, ...COLUMNS] : COLUMNS}
						rows={lines}
						rowKey={({ teamId, line }) => `${teamId} ${line}`}
						minWidth={860}
						foot={footOf(lines, of === undefined)}
					/>
					<Pages month={month} lines={lines} />
				</>
			)}
		</Answered>
	);
}

function footOf(lines: readonly Line[], hasTeams: boolean) {
	const calls = <Count key="calls" count={sumOf(lines, (line) => line.calls)} />;
	const amount = <Money key="amount" nanoUsd={sumOf(lines, ({ amountNanoUsd }) => amountNanoUsd)} />;
	return [...(hasTeams ? [null] : []), `${lines.length} on this page`, null, null, null, calls, amount];
}

function Pages({ month, lines }: { readonly month: string; readonly lines: readonly Line[] }) {
	const { of, afterTeam } = route.useSearch();
	const last = lines.at(-1);
	const kept = of === undefined ? {} : { of };
	const hasMore = lines.length === LINES_A_PAGE && last !== undefined;
	if (afterTeam === undefined && !hasMore) return null;
	return (
		<Group gap="md">
			{afterTeam !== undefined && (
				<TextLink size="sm" to="/statements/$month" params={{ month }} search={kept} hash="lines">
					First page
				</TextLink>
			)}
			{hasMore && (
				<TextLink size="sm" to="/statements/$month" params={{ month }} search={{ ...kept, afterTeam: last.teamId, afterLine: String(last.line) }} hash="lines">
					Next page
				</TextLink>
			)}
		</Group>
	);
}

const KINDS: Readonly<Record<Line["kind"], string>> = {
	usage: "Usage",
	adjustment: "Adjustment",
	pooled: "Given to a pool",
	share: "Share of a pool",
	margin: "Margin",
};

const TEAM_COLUMN: Column<Line> = { key: "team", head: "Team", cell: ({ teamId }) => accountName(teamId) };
const COLUMNS: readonly Column<Line>[] = [
	{ key: "kind", head: "What", cell: (line) => <Kind line={line} /> },
	{ key: "feature", head: "Feature", cell: ({ feature, kind }) => named(feature, kind) },
	{ key: "user", head: "User", cell: ({ user, kind }) => named(user, kind) },
	{
		key: "model",
		head: "Model",
		cell: ({ model, provider, kind }) => (model === null ? named(null, kind) : `${model}${provider === null ? "" : ` (${provider})`}`),
	},
	{ key: "calls", head: "Calls", isNumber: true, cell: ({ calls }) => <Count count={calls} /> },
	{ key: "amount", head: "Amount", isNumber: true, cell: ({ amountNanoUsd }) => <Money nanoUsd={amountNanoUsd} /> },
];

function named(name: string | null, kind: Line["kind"]) {
	if (name !== null) return <bdi>{name}</bdi>;
	return kind === "usage" || kind === "adjustment" ? (
		<Text span size="sm" c="dimmed">
			not attributed
		</Text>
	) : (
		""
	);
}

function Kind({ line: { kind, pool, ofMonth } }: { readonly line: Line }) {
	const more = pool ?? (ofMonth === null ? null : `of ${formatMonth(ofMonth)}`);
	return (
		<>
			{KINDS[kind]}
			{more !== null && <>: {more}</>}
		</>
	);
}
