import { Text } from "@mantine/core";
import type { Answer } from "../api/client.ts";
import { useAnswer } from "../api/use-answer.ts";
import { teamName } from "./budget-name.ts";
import { DataTable } from "./data-table.tsx";
import { Count } from "./money.tsx";
import { limitWords, refusalWords } from "./refusal-words.ts";
import { Answered, Empty } from "./states.tsx";
import { HowLong } from "./when.tsx";

type RefusalSum = Answer<"/admin/v1/refusals">["rows"][number];

const DAYS = 7;

/** What was refused in the last week, and what observed budgets would have refused. */
export function RefusalTable({ team }: { readonly team: string | undefined }) {
	const refusals = useAnswer("/admin/v1/refusals", { query: { days: DAYS, ...(team !== undefined && { teamId: team }) } }, { topics: ["budgets", "spend"] });
	return (
		<Answered
			query={refusals}
			what="Refusals"
			isEmpty={({ rows }) => rows.length === 0}
			empty={<Empty title={`Nothing was refused in the last ${DAYS} days.`}>Every call found room in its budgets and limits.</Empty>}
		>
			{({ rows, isComplete }) => (
				<>
					<DataTable caption="Refusals of the last seven days" columns={COLUMNS} rows={rows.slice(0, 50)} rowKey={(row) => JSON.stringify(row)} />
					{!isComplete && (
						<Text size="sm" c="dimmed">
							There were more than were added up.
						</Text>
					)}
				</>
			)}
		</Answered>
	);
}

const COLUMNS = [
	{ key: "team", head: "Team", cell: ({ teamId }: RefusalSum) => teamName(teamId) },
	{ key: "reason", head: "Reason", cell: ({ code, isObserved }: RefusalSum) => `${refusalWords(code)}${isObserved ? " (let pass: only observed)" : ""}` },
	{ key: "where", head: "Budget or limit", cell: ({ budget, limitName }: RefusalSum) => budget ?? (limitName === null ? "–" : limitWords(limitName)) },
	{ key: "calls", head: "Calls", isNumber: true, cell: ({ calls }: RefusalSum) => <Count count={calls} /> },
	{ key: "last", head: "Last", cell: ({ lastAt }: RefusalSum) => <HowLong iso={lastAt} /> },
];
