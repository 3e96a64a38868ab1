import { Button, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { Answer } from "../../api/client.ts";
import { mayKeepBooks, mayReadAll } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { type Figure, Figures } from "../../frame/figures.tsx";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty, NotIncluded } from "../../frame/states.tsx";
import { TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { formatBasisPoints } from "./basis-points.ts";
import { type Rules, splitInWords } from "./rules.ts";
import { RulesDialog } from "./rules-dialog.tsx";

type InForce = Answer<"/admin/v1/chargeback-rules">;
type Pool = Rules["pools"][number];

/** How months are charged back from now on. */
export function ChargebackRulesPage() {
	const session = useSession();
	const isIncluded = mayReadAll(session);
	const inForce = useAnswer("/admin/v1/chargeback-rules", {}, { topics: ["statements"], isAsked: isIncluded });
	const [isChanging, changing] = useDisclosure(false);
	const mayChange = mayKeepBooks(session) && inForce.data !== undefined;
	return (
		<Page title="Chargeback rules" actions={mayChange && <Button onClick={changing.open}>Change</Button>}>
			<TextLink to="/statements" size="sm">
				All months
			</TextLink>
			{isIncluded ? (
				<Answered query={inForce} what="Chargeback rules">
					{(answer) => <RulesInForce inForce={answer} />}
				</Answered>
			) : (
				<NotIncluded>The rules are the whole organisation's. What your teams owe by them is on the page of each month.</NotIncluded>
			)}
			{isChanging && inForce.data !== undefined && <RulesDialog rules={inForce.data.rules} onClose={changing.close} />}
		</Page>
	);
}

function RulesInForce({ inForce: { revision, setAt, setBy, rules } }: { readonly inForce: InForce }) {
	return (
		<Stack gap="md">
			<Section title="Months">
				<Figures figures={figuresOf(rules)} />
				<Text size="sm" c="dimmed" mt="md" className="name">
					{setAt === null || setBy === null ? (
						"Nobody set any rules yet: these are the ones that hold until somebody does."
					) : (
						<>
							Revision {revision}, set <When iso={setAt} /> by {setBy}. Closed months keep the rules they were closed by.
						</>
					)}
				</Text>
			</Section>
			<Section title="What is shared">
				{rules.pools.length === 0 ? (
					<Empty title="Nothing is shared out beside what no team stands for." />
				) : (
					<DataTable caption="Shared pools" columns={POOL_COLUMNS} rows={rules.pools} rowKey={({ name }) => name} minWidth={560} />
				)}
				<Text size="sm" mt="sm" className="name">
					What no team stands for is split {splitInWords(rules.unattributed)}.
				</Text>
			</Section>
			<Section title="Margins of single teams">
				{Object.keys(rules.margins).length === 0 ? (
					<Empty title="No team has a margin of its own." />
				) : (
					<DataTable
						caption="Margins of single teams"
						columns={MARGIN_COLUMNS}
						rows={Object.entries(rules.margins)}
						rowKey={([teamId]) => teamId}
						minWidth={240}
					/>
				)}
			</Section>
		</Stack>
	);
}

function figuresOf({ timeZone, approval, remindAfterHours, marginBasisPoints }: Rules): readonly Figure[] {
	return [
		{ name: "Calendar", value: timeZone },
		{ name: "Approval", value: approval === "required" ? "By a person" : "None: closed at once" },
		...(approval === "required" ? [{ name: "Reminder", value: `Every ${remindAfterHours} h` }] : []),
		{ name: "Margin", value: formatBasisPoints(marginBasisPoints), note: "of the cost, of every team without one of its own" },
	];
}

const POOL_COLUMNS: readonly Column<Pool>[] = [
	{ key: "name", head: "Pool", cell: ({ name }) => name },
	{
		key: "of",
		head: "What goes in",
		cell: ({ of }) =>
			Object.entries(of)
				.map(([by, value]) => `${by} ${value}`)
				.join(", "),
	},
	{ key: "split", head: "How it is split", cell: splitInWords },
];

const MARGIN_COLUMNS: readonly Column<[string, number]>[] = [
	{ key: "team", head: "Team", cell: ([teamId]) => teamId },
	{ key: "margin", head: "Margin", isNumber: true, cell: ([, basisPoints]) => formatBasisPoints(basisPoints) },
];
