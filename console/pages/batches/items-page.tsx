import { Anchor, Select } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Pager } from "../../frame/pager.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { CancelItemDialog } from "./cancel-item-dialog.tsx";
import { DeadWebhooks } from "./dead-webhooks.tsx";
import { type Item, ItemTable } from "./item-table.tsx";
import { SavingsReport } from "./savings-report.tsx";
import { ITEM_STATUSES, type ItemStatus } from "./states.ts";

const PAGE_LENGTH = 50;
const ALL = "all";

/** Requests that were handed in alone: what that saved, each with its lane and cost, and ends that nobody took. */
export function ItemsPage() {
	const team = useTeam();
	return (
		<Page title="Items handed in alone">
			<SavingsReport team={team} />
			{team === undefined ? <ChooseTeam /> : <Items team={team} />}
			<DeadWebhooks team={team} />
			<Anchor size="sm" renderRoot={(props) => <Link {...props} to="/batches" search={({ team: one }) => ({ team: one })} />}>
				All batches
			</Anchor>
		</Page>
	);
}

function ChooseTeam() {
	return (
		<Section title="Items">
			<Empty title="Choose a team above.">Items are listed for one team at a time.</Empty>
		</Section>
	);
}

function Items({ team }: { readonly team: string }) {
	const { status, after } = useSearch({ from: "/batches/items" });
	const [cancelling, setCancelling] = useState<Item | null>(null);
	const query = { teamId: team, limit: PAGE_LENGTH, ...(status && { status }), ...(after !== undefined && { after }) };
	const items = useAnswer("/admin/v1/deferred", { query }, { topics: ["batches"], keepsPrevious: true });
	const last = items.data?.items.length === PAGE_LENGTH ? items.data.items.at(-1)?.deferredId : undefined;
	return (
		<Section title="Items, the newest first" actions={<StatusFilter status={status} />}>
			<Answered
				query={items}
				what="Items"
				isEmpty={(answer) => answer.items.length === 0}
				empty={<NoItems isAll={status === undefined && after === undefined} />}
			>
				{(answer) => <ItemTable items={answer.items} onCancel={setCancelling} />}
			</Answered>
			<Pager
				label="Pages of items"
				newest={after === undefined ? undefined : (props) => <Link {...props} to="/batches/items" search={({ days }) => ({ team, days, status })} />}
				older={last === undefined ? undefined : (props) => <Link {...props} to="/batches/items" search={({ days }) => ({ team, days, status, after: last })} />}
			/>
			{cancelling !== null && <CancelItemDialog item={cancelling} onClose={() => setCancelling(null)} />}
		</Section>
	);
}

function StatusFilter({ status }: { readonly status: ItemStatus | undefined }) {
	const navigate = useNavigate({ from: "/batches/items" });
	return (
		<Select
			size="xs"
			w={160}
			aria-label="Status"
			value={status ?? ALL}
			data={[{ value: ALL, label: "All of them" }, ...ITEM_STATUSES.map((value) => ({ value, label: value }))]}
			onChange={(value) => void navigate({ search: ({ team, days }) => ({ team, days, status: ITEM_STATUSES.find((known) => known === value) }) })}
		/>
	);
}

function NoItems({ isAll }: { readonly isAll: boolean }) {
	if (!isAll) return <Empty title="There are none of these.">Another status may have some.</Empty>;
	return (
		<Empty title="This team has handed in nothing alone.">
			A request that may wait costs half: <code>POST /v1/deferred/chat/completions</code> with <code>x-tollgate-deadline: 6h</code>
		</Empty>
	);
}
