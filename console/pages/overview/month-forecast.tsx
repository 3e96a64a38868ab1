import { Progress, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { sum } from "../../charts/series.ts";
import { formatMoney, formatShare, toBarPercent } from "../../format/money.ts";
import { formatDay, formatMonth } from "../../format/time.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";

type Report = Answer<"/admin/v1/forecast">;
type Forecast = Report["rows"][number];

const LIKELY_BASIS_POINTS = 5_000;
const ROWS_SHOWN = 10;

/** What the running month will have cost; `isShort` for one figure in the place of the table. */
export function MonthForecast({ team, isShort = false }: { readonly team: string | undefined; readonly isShort?: boolean }) {
	const query = useAnswer("/admin/v1/forecast", { query: team === undefined ? {} : { teamId: team } }, { topics: ["spend", "budgets"] });
	return (
		<Answered
			query={query}
			what="Forecast"
			isEmpty={({ rows }) => rows.length === 0}
			empty={<Empty title="Nothing to forecast yet.">It begins with the first day on which something was spent.</Empty>}
		>
			{(report) => (isShort ? <Sum report={report} /> : <Rows report={report} />)}
		</Answered>
	);
}

function Sum({ report: { rows, leftOut } }: { readonly report: Report }) {
	const known = sum(rows.map(({ knownNanoUsd }) => BigInt(knownNanoUsd)));
	const expected = sum(rows.map(({ expectedNanoUsd }) => BigInt(expectedNanoUsd)));
	const [only] = rows;
	return (
		<>
			<p className="headline">
				<Money nanoUsd={expected} />
			</p>
			<Progress value={toBarPercent(known, expected)} aria-label={`${formatShare(known, expected) ?? "nothing"} of it is known`} my={6} />
			<Text size="sm">
				expected for {formatMonth(only?.month ?? "")}
				{rows.length === 1 && only !== undefined ? `: ${interval(only)} in four of five cases` : ` by ${rows.length} teams together`}
				{leftOut > 0 && `, without ${leftOut} smaller ones`}
			</Text>
			<Text size="xs" c="dimmed" mt={4}>
				<Money nanoUsd={known} /> on days that are over
			</Text>
		</>
	);
}

function Rows({ report: { rows, leftOut } }: { readonly report: Report }) {
	const hidden = Math.max(0, rows.length - ROWS_SHOWN) + leftOut;
	return (
		<>
			<DataTable caption="Forecast of the month by team" columns={COLUMNS} rows={rows.slice(0, ROWS_SHOWN)} rowKey={({ teamId }) => teamId} minWidth={760} />
			{hidden > 0 && (
				<Text size="sm" c="dimmed" mt="xs">
					and {hidden} more: choose a team
				</Text>
			)}
		</>
	);
}

const COLUMNS = [
	{
		key: "team",
		head: "Team",
		cell: ({ teamId }: Forecast) => (
			<Link to="/" search={{ team: teamId }}>
				{teamId}
			</Link>
		),
	},
	{ key: "known", head: "So far", isNumber: true, cell: ({ knownNanoUsd }: Forecast) => <Money nanoUsd={knownNanoUsd} /> },
	{ key: "expected", head: "Expected", isNumber: true, cell: ({ expectedNanoUsd }: Forecast) => <Money nanoUsd={expectedNanoUsd} /> },
	{ key: "interval", head: "Four of five months end in", isNumber: true, cell: interval },
	{
		key: "budget",
		head: "Monthly budget",
		isNumber: true,
		cell: ({ budget }: Forecast) => (budget === null ? "none" : <Money nanoUsd={budget.amountNanoUsd} />),
	},
	{ key: "risk", head: "Ends above it", cell: (row: Forecast) => <Risk forecast={row} /> },
];

function interval({ low80NanoUsd, high80NanoUsd }: Forecast): string {
	return `${formatMoney(BigInt(low80NanoUsd)).replace(" USD", "")} – ${formatMoney(BigInt(high80NanoUsd))}`;
}

function Risk({ forecast: { budget, confidence } }: { readonly forecast: Forecast }) {
	const doubt = confidence === "low" ? " (little history)" : "";
	if (budget === null) return <>{`no budget${doubt}`}</>;
	const { aboveBasisPoints, crossedOn, crossedEarlyOn } = budget;
	const chance = aboveBasisPoints < 100 ? "less than 1 %" : `${Math.round(aboveBasisPoints / 100)} %`;
	const day = crossedOn ?? crossedEarlyOn;
	return (
		<Status tone={aboveBasisPoints >= LIKELY_BASIS_POINTS ? "bad" : aboveBasisPoints >= 1_000 ? "warn" : "good"}>
			{chance}
			{day !== null && `, ${crossedOn === null ? "at the earliest " : ""}${formatDay(day)}`}
			{doubt}
		</Status>
	);
}
