import { Text } from "@mantine/core";
import { useMemo } from "react";
import { useAnswer } from "../../api/use-answer.ts";
import { listPeriods } from "../../charts/periods.ts";
import { stackSeries } from "../../charts/series.ts";
import { StackedChart } from "../../charts/stacked-chart.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { DIMENSION_WORDS, type ExploreSearch, type ExploreView, questionOf, type Span } from "./view.ts";

/** The API answers 10,000 rows at most. */
const ROWS_MAX = 10_000;
/** A bar needs a pixel. */
const PERIODS_MAX = 800;
const TOTAL = "altogether";

type SpendChartProps = {
	readonly view: ExploreView;
	readonly span: Span;
	readonly team: string | undefined;
	/** Of the table; undefined until it is known. */
	readonly groups: number | undefined;
	readonly onChange: (changed: ExploreSearch) => void;
};

/** The first dimension stacked over time; only the sum where it has too many values for that. */
export function SpendChart({ view, span, team, groups }: SpendChartProps) {
	const periods = useMemo(() => listPeriods(view.per, { fromMs: span.fromMs, toMs: span.toMs ?? Date.now() }), [view.per, span]);
	const [dimension] = view.by;
	const isStacked = dimension !== undefined && (groups ?? 0) * periods.length < ROWS_MAX;
	const { by: _, ...narrowed } = questionOf(view, span, team);
	const isTooLong = periods.length > PERIODS_MAX;
	const spend = useAnswer(
		"/admin/v1/spend",
		{ query: { ...narrowed, per: view.per, ...(isStacked && { by: dimension }) } },
		{ topics: ["spend"], isAsked: groups !== undefined && !isTooLong, keepsPrevious: true },
	);
	if (isTooLong) return <Empty title={`${periods.length} ${view.per}s are too many for one picture.`}>Choose longer periods or a shorter time.</Empty>;
	if (groups === 0) return <Empty title="No spend in this time." />;
	return (
		<Answered query={spend} what="The chart">
			{({ rows }) => {
				const named = rows.map(({ groups: of, startsAt, costNanoUsd }) => ({
					name: isStacked ? (of[dimension] ?? "not attributed") : TOTAL,
					startsAt: startsAt ?? "",
					costNanoUsd,
				}));
				return (
					<>
						<StackedChart
							label={`Spend by ${view.per}${isStacked ? ` and ${DIMENSION_WORDS[dimension]}` : ""}`}
							period={view.per}
							periods={periods}
							series={stackSeries(named, periods)}
							height={320}
						/>
						<Text size="xs" c="dimmed">
							USD, periods of UTC{isStacked ? "" : `; ${groups} groups are too many to stack`}
						</Text>
					</>
				);
			}}
		</Answered>
	);
}
