import { stackSeries } from "../../charts/series.ts";
import { StackedChart } from "../../charts/stacked-chart.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useDailySpend } from "./daily-spend.ts";

export function SpendByDay({ team }: { readonly team: string | undefined }) {
	const { query, periods, by } = useDailySpend(team);
	return (
		<Answered
			query={query}
			what="Spend"
			isEmpty={({ rows }) => rows.length === 0}
			empty={<Empty title="Nothing was spent in the last six weeks.">Send a call through the gateway; it is in the books within a second.</Empty>}
		>
			{({ rows }) => {
				const named = rows.map(({ groups, startsAt, costNanoUsd }) => ({ name: groups[by] ?? "not attributed", startsAt: startsAt ?? "", costNanoUsd }));
				return <StackedChart label={`Spend by day and ${by}, days of UTC`} period="day" periods={periods} series={stackSeries(named, periods)} height={300} />;
			}}
		</Answered>
	);
}
