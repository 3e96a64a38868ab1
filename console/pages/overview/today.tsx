import { Progress, Text } from "@mantine/core";
import { useAnswer } from "../../api/use-answer.ts";
import { sum } from "../../charts/series.ts";
import { formatShare, toBarPercent } from "../../format/money.ts";
import { formatDay } from "../../format/time.ts";
import { Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { Answered } from "../../frame/states.tsx";
import { useDailySpend, usualDay } from "./daily-spend.ts";

/** What the day has cost so far, beside what such a day usually costs. */
export function Today({ team }: { readonly team: string | undefined }) {
	return team === undefined ? <TodayOfAll /> : <TodayOfTeam team={team} />;
}

function TodayOfTeam({ team }: { readonly team: string }) {
	const query = useAnswer("/admin/v1/teams/{teamId}/today", { path: { teamId: team } }, { topics: ["spend"] });
	return (
		<Answered query={query} what="Today">
			{({ spentNanoUsd, expectedNanoUsd, expectedFrom, isAboveExpected, date, timeZone }) => (
				<Day
					spent={BigInt(spentNanoUsd)}
					expected={expectedNanoUsd === null ? null : BigInt(expectedNanoUsd)}
					from={expectedFrom === "limit" ? "what the budgets allow for a day" : "usual for this weekday"}
					isAbove={isAboveExpected}
					day={`${formatDay(date)}, ${timeZone}`}
				/>
			)}
		</Answered>
	);
}

function TodayOfAll() {
	const { query, periods } = useDailySpend(undefined);
	return (
		<Answered query={query} what="Today">
			{({ rows }) => {
				const totals = periods.map((period) => sum(rows.filter(({ startsAt }) => startsAt === period).map(({ costNanoUsd }) => BigInt(costNanoUsd))));
				const [spent, expected] = [totals.at(-1) ?? 0n, usualDay(totals)];
				return (
					<Day
						spent={spent}
						expected={expected}
						from="usual for this weekday"
						isAbove={expected !== null && spent > 2n * expected}
						day={`${formatDay((periods.at(-1) ?? "").slice(0, 10))}, UTC`}
					/>
				);
			}}
		</Answered>
	);
}

type DayProps = { readonly spent: bigint; readonly expected: bigint | null; readonly from: string; readonly isAbove: boolean; readonly day: string };

function Day({ spent, expected, from, isAbove, day }: DayProps) {
	const share = expected === null ? null : formatShare(spent, expected);
	const tone = isAbove ? "bad" : expected !== null && spent > expected ? "warn" : "good";
	return (
		<>
			<p className="headline">
				<Money nanoUsd={spent} />
			</p>
			{expected !== null && (
				<Progress value={toBarPercent(spent, expected)} color={`var(--console-${tone})`} aria-label={`${share} of what is expected`} my={6} />
			)}
			<Text size="sm">
				{expected === null ? (
					"There is no history yet to judge the day by."
				) : (
					<Status tone={tone}>
						{share} of <Money nanoUsd={expected} />, {from}
					</Status>
				)}
			</Text>
			<Text size="xs" c="dimmed" mt={4}>
				{day}, so far
			</Text>
		</>
	);
}
