import { Text } from "@mantine/core";
import { formatMoney } from "../../format/money.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { accountName, type Month, type Statement, sumOf } from "./month.ts";

/** As many statements are asked for at once as the API gives. */
export const TEAMS_AT_ONCE = 5_000;

type StatementTableProps = {
	readonly month: Month;
	readonly statements: readonly Statement[];
	/** Every team of the month is in it: then its totals have to be the month's. */
	readonly isWhole: boolean;
};

/** What each team owes, the dearest first, with totals that are added up here. */
export function StatementTable({ month, statements, isWhole }: StatementTableProps) {
	const rows = [...statements].sort(dearestFirst);
	const total = (amountOf: (statement: Statement) => string) => <Money nanoUsd={sumOf(statements, amountOf)} />;
	const foot = [
		`Total of ${statements.length}`,
		<Count key="calls" count={sumOf(statements, ({ calls }) => calls)} />,
		total(({ ownNanoUsd }) => ownNanoUsd),
		<Money key="shared" nanoUsd={sumOf(statements, sharedOf)} />,
		total(({ costNanoUsd }) => costNanoUsd),
		total(({ marginNanoUsd }) => marginNanoUsd),
		total(({ chargeNanoUsd }) => chargeNanoUsd),
	];
	return (
		<>
			<DataTable caption="Statements by team" columns={columnsOf(month.month)} rows={rows} rowKey={({ teamId }) => teamId} minWidth={820} foot={foot} />
			{isWhole && <Check month={month} statements={statements} />}
			{statements.length >= TEAMS_AT_ONCE && (
				<Text size="sm" mt="xs">
					These are the first {TEAMS_AT_ONCE} teams by name; choose a team above to see another.
				</Text>
			)}
		</>
	);
}

function Check({ month, statements }: Pick<StatementTableProps, "month" | "statements">) {
	const [cost, charge] = [sumOf(statements, ({ costNanoUsd }) => costNanoUsd), sumOf(statements, ({ chargeNanoUsd }) => chargeNanoUsd)];
	const isEven = cost === BigInt(month.costNanoUsd) && charge === BigInt(month.chargeNanoUsd);
	return (
		<Text size="sm" mt="xs">
			{isEven ? (
				<Status tone="good">Costs add up to what the ledger booked, to the nano-dollar.</Status>
			) : (
				<Status tone="bad">
					These do not add up to the month: {formatMoney(cost)} of {formatMoney(BigInt(month.costNanoUsd))}. It may just be drafted anew; else run npx tollgate
					verify.
				</Status>
			)}
		</Text>
	);
}

function dearestFirst(one: Statement, other: Statement): number {
	const [mine, its] = [BigInt(one.chargeNanoUsd), BigInt(other.chargeNanoUsd)];
	return mine === its ? (one.teamId < other.teamId ? -1 : 1) : mine > its ? -1 : 1;
}

/** What is shared out to it, beside what it spent itself. */
function sharedOf({ costNanoUsd, ownNanoUsd }: Statement): string {
	return (BigInt(costNanoUsd) - BigInt(ownNanoUsd)).toString();
}

function columnsOf(month: string): readonly Column<Statement>[] {
	return [
		{
			key: "team",
			head: "Team",
			cell: ({ teamId }) => (
				<TextLink to="/statements/$month" params={{ month }} search={{ of: teamId }} hash="lines">
					{accountName(teamId)}
				</TextLink>
			),
		},
		{ key: "calls", head: "Calls", isNumber: true, cell: ({ calls }) => <Count count={calls} /> },
		{ key: "own", head: "Own", isNumber: true, cell: ({ ownNanoUsd }) => <Money nanoUsd={ownNanoUsd} /> },
		{ key: "shared", head: "Shares", isNumber: true, cell: (statement) => <Money nanoUsd={sharedOf(statement)} /> },
		{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => <Money nanoUsd={costNanoUsd} /> },
		{ key: "margin", head: "Margin", isNumber: true, cell: ({ marginNanoUsd }) => <Money nanoUsd={marginNanoUsd} /> },
		{ key: "charge", head: "Charged", isNumber: true, cell: ({ chargeNanoUsd }) => <Money nanoUsd={chargeNanoUsd} /> },
	];
}
