import { Group } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import type { Answer } from "../../api/client.ts";
import { mayOperate, mayReadAll } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count } from "../../frame/money.tsx";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { ButtonLink, TextLink } from "../../frame/text-link.tsx";
import { When } from "../../frame/when.tsx";
import { PolicyDocument } from "./document.tsx";

const route = getRouteApi("/policy");
const REVISIONS_A_PAGE = 50;
type Revision = Answer<"/admin/v1/policy/history">["revisions"][number];

/** What holds now, and what was applied when and by whom. */
export function PolicyPage() {
	const session = useSession();
	const current = useAnswer("/admin/v1/policy", {}, { topics: ["policy", "budgets", "keys"] });
	const compare = (
		<ButtonLink to="/policy/compare" variant="default">
			Compare a file
		</ButtonLink>
	);
	return (
		<Page title="Policy" actions={mayOperate(session) && compare}>
			<Section title="In force">
				<Answered query={current} what="Policy">
					{({ text }) => <PolicyDocument text={text} label="The policy in force" />}
				</Answered>
			</Section>
			{mayReadAll(session) && (
				<Section title="History">
					<History />
				</Section>
			)}
		</Page>
	);
}

const COLUMNS: readonly Column<Revision>[] = [
	{
		key: "revision",
		head: "Revision",
		cell: ({ revision }) => (
			<TextLink to="/policy/$revision" params={{ revision }}>
				{revision}
			</TextLink>
		),
	},
	{ key: "at", head: "Applied", cell: ({ at }) => <When iso={at} /> },
	{ key: "by", head: "By", cell: ({ adminName }) => adminName },
	{ key: "changes", head: "Changes", isNumber: true, cell: ({ changeCount }) => <Count count={changeCount} /> },
];

function History() {
	const { before } = route.useSearch();
	const query = { limit: REVISIONS_A_PAGE, ...(before !== undefined && { beforeRevision: before }) };
	const history = useAnswer("/admin/v1/policy/history", { query }, { topics: ["policy"], keepsPrevious: true });
	return (
		<Answered query={history} what="History" isEmpty={({ revisions }) => revisions.length === 0} empty={<NoHistory />}>
			{({ revisions }) => (
				<>
					<DataTable caption="Policies that were applied" columns={COLUMNS} rows={revisions} rowKey={({ revision }) => revision} />
					<Pages revisions={revisions} />
				</>
			)}
		</Answered>
	);
}

function Pages({ revisions }: { readonly revisions: readonly Revision[] }) {
	const { before } = route.useSearch();
	const last = revisions.at(-1);
	return (
		<Group gap="md">
			{before !== undefined && (
				<TextLink size="sm" to="/policy">
					Newest
				</TextLink>
			)}
			{revisions.length === REVISIONS_A_PAGE && last !== undefined && (
				<TextLink size="sm" to="/policy" search={{ before: last.revision }}>
					Older
				</TextLink>
			)}
		</Group>
	);
}

function NoHistory() {
	return (
		<Empty title="No policy file was applied yet.">
			What holds was set piece by piece. A file is put in force by <code>npx tollgate apply policy.yaml</code>, or here after it was compared.
		</Empty>
	);
}
