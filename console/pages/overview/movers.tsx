import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { floorTo } from "../../charts/periods.ts";
import { formatShare } from "../../format/money.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import { Answered, Empty } from "../../frame/states.tsx";

type Spend = Answer<"/admin/v1/spend">;
type Mover = { readonly name: string; readonly isNamed: boolean; readonly before: bigint; readonly now: bigint; readonly change: bigint };

const WEEK_MS = 7 * 86_400_000;
const SHOWN = 8;
const UNNAMED = "not attributed";

/** The last seven whole days beside the seven before: by team, or of one team by feature. */
export function Movers({ team }: { readonly team: string | undefined }) {
	const by = team === undefined ? "team" : "feature";
	const untilMs = floorTo("day", Date.now());
	const now = useWeek(team, by, untilMs);
	const before = useWeek(team, by, untilMs - WEEK_MS);
	return (
		<Answered query={before} what="The week before">
			{(earlier) => (
				<Answered
					query={now}
					what="The last week"
					isEmpty={(later) => later.rows.length + earlier.rows.length === 0}
					empty={<Empty title="Nothing was spent in these two weeks." />}
				>
					{(later) => (
						<>
							<DataTable caption={`What moved by ${by}`} columns={columnsFor(by)} rows={moversOf(by, earlier, later)} rowKey={({ name }) => name} />
							<Text size="xs" c="dimmed" mt="xs">
								Seven whole days of UTC beside the seven before.
							</Text>
						</>
					)}
				</Answered>
			)}
		</Answered>
	);
}

function useWeek(team: string | undefined, by: "team" | "feature", untilMs: number) {
	const range = { from: new Date(untilMs - WEEK_MS).toISOString(), to: new Date(untilMs).toISOString() };
	return useAnswer("/admin/v1/spend", { query: { by, ...range, ...(team !== undefined && { teamId: team }) } }, { topics: ["spend"] });
}

function moversOf(by: "team" | "feature", earlier: Spend, later: Spend): Mover[] {
	const amounts = (spend: Spend) => new Map(spend.rows.map(({ groups, costNanoUsd }) => [groups[by] ?? null, BigInt(costNanoUsd)]));
	const [was, is] = [amounts(earlier), amounts(later)];
	return [...new Set([...was.keys(), ...is.keys()])]
		.map((key) => {
			const [before, now] = [was.get(key) ?? 0n, is.get(key) ?? 0n];
			return { name: key ?? UNNAMED, isNamed: key !== null, before, now, change: now - before };
		})
		.sort((one, other) => (size(one.change) > size(other.change) ? -1 : 1))
		.slice(0, SHOWN);
}

function size(change: bigint): bigint {
	return change < 0n ? -change : change;
}

function columnsFor(by: "team" | "feature") {
	return [
		{
			key: "name",
			head: by === "team" ? "Team" : "Feature",
			cell: ({ name, isNamed }: Mover) =>
				isNamed ? (
					<Link to="/explore" search={(search) => ({ ...search, ...linkOf(by, name) })}>
						{name}
					</Link>
				) : (
					name
				),
		},
		{ key: "before", head: "Before", isNumber: true, cell: ({ before }: Mover) => <Money nanoUsd={before} /> },
		{ key: "now", head: "Now", isNumber: true, cell: ({ now }: Mover) => <Money nanoUsd={now} /> },
		{ key: "change", head: "Change", isNumber: true, cell: ({ change, before }: Mover) => <Change change={change} before={before} /> },
	];
}

function linkOf(by: "team" | "feature", name: string) {
	return by === "team" ? { team: name, by: "feature,model", per: "day", range: "14d" } : { feature: name, by: "model", per: "day", range: "14d" };
}

function Change({ change, before }: Pick<Mover, "change" | "before">) {
	const share = formatShare(change, before);
	return (
		<>
			{change > 0n && "+"}
			<Money nanoUsd={change} />
			<Text span size="xs" c="dimmed">
				{share === null ? " new" : ` ${change > 0n ? "+" : ""}${share}`}
			</Text>
		</>
	);
}
