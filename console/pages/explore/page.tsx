import { Anchor, Group } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { useAnswer } from "../../api/use-answer.ts";
import { floorTo } from "../../charts/periods.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useNow } from "../../frame/use-now.ts";
import { useTeam } from "../../frame/use-team.ts";
import { Controls } from "./controls.tsx";
import { SpendChart } from "./spend-chart.tsx";
import { SpendTable } from "./spend-table.tsx";
import { type ExploreSearch, questionOf, readView, spanOf } from "./view.ts";

/** Spend by up to four dimensions and over time, narrowed as the address says. */
export function ExplorePage() {
	const search = useSearch({ from: "/explore" });
	const navigate = useNavigate({ from: "/explore" });
	const team = useTeam();
	const hour = floorTo("hour", useNow());
	const view = useMemo(() => readView(search, team !== undefined), [search, team]);
	const span = useMemo(() => spanOf(view, hour), [view, hour]);
	const question = questionOf(view, span, team);
	const change = (changed: ExploreSearch & { readonly team?: string | undefined }): void => void navigate({ search: (before) => ({ ...before, ...changed }) });
	const spend = useAnswer("/admin/v1/spend", { query: question }, { topics: ["spend"], keepsPrevious: true });
	return (
		<Page title="Explore">
			<Controls view={view} onChange={change} />
			<Section title={`Over time, by ${view.per}`}>
				{spend.isError && spend.data === undefined ? (
					<Empty title="There is no chart without the figures below." />
				) : (
					<SpendChart view={view} span={span} team={team} groups={spend.data?.rows.length} onChange={change} />
				)}
			</Section>
			<Section title="Altogether" actions={<CsvLink question={question} />}>
				<Answered query={spend} what="Spend" isEmpty={({ rows }) => rows.length === 0} empty={<NothingSpent />}>
					{(report) => <SpendTable view={view} span={span} team={team} report={report} onChange={change} />}
				</Answered>
			</Section>
		</Page>
	);
}

function CsvLink({ question }: { readonly question: Readonly<Record<string, string>> }) {
	return (
		<Group gap="xs">
			<Anchor size="sm" href={`/admin/v1/spend?${new URLSearchParams({ ...question, format: "csv" })}`} download="spend.csv">
				Download CSV
			</Anchor>
		</Group>
	);
}

function NothingSpent() {
	return <Empty title="Nothing was spent that matches.">Take a filter away, or choose a longer time.</Empty>;
}
