import { Button, Select } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useAnswer } from "../../api/use-answer.ts";
import { Page, Section } from "../../frame/page.tsx";
import { Pager } from "../../frame/pager.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { BatchTable } from "./batch-table.tsx";
import { BATCH_STATES, type BatchState, STATE_WORDS } from "./states.ts";

const PAGE_LENGTH = 50;
const ALL = "all";

/** Batches by team and state: how far each is, what it holds and has cost. */
export function BatchesPage() {
	const team = useTeam();
	const { state, after } = useSearch({ from: "/batches" });
	const query = { limit: PAGE_LENGTH, ...(team !== undefined && { teamId: team }), ...(state && { state }), ...(after !== undefined && { after }) };
	const batches = useAnswer("/admin/v1/batches", { query }, { topics: ["batches"], keepsPrevious: true });
	const last = batches.data?.batches.length === PAGE_LENGTH ? batches.data.batches.at(-1)?.batchId : undefined;
	return (
		<Page title="Batches" actions={<ItemsLink />}>
			<Section title="Batches, the newest first" actions={<StateFilter state={state} />}>
				<Answered
					query={batches}
					what="Batches"
					isEmpty={(answer) => answer.batches.length === 0}
					empty={<NoBatches state={state} isFirstPage={after === undefined} />}
				>
					{(answer) => <BatchTable batches={answer.batches} />}
				</Answered>
				<Pager
					label="Pages of batches"
					newest={after === undefined ? undefined : (props) => <Link {...props} to="/batches" search={{ team, state }} />}
					older={last === undefined ? undefined : (props) => <Link {...props} to="/batches" search={{ team, state, after: last }} />}
				/>
			</Section>
		</Page>
	);
}

function ItemsLink() {
	return (
		<Button variant="default" renderRoot={(props) => <Link {...props} to="/batches/items" search={({ team }) => ({ team })} />}>
			Items handed in alone
		</Button>
	);
}

function StateFilter({ state }: { readonly state: BatchState | undefined }) {
	const navigate = useNavigate({ from: "/batches" });
	return (
		<Select
			size="xs"
			w={190}
			aria-label="State"
			value={state ?? ALL}
			data={[{ value: ALL, label: "All states" }, ...BATCH_STATES.map((value) => ({ value, label: STATE_WORDS[value] }))]}
			onChange={(value) => void navigate({ search: ({ team }) => ({ team, state: BATCH_STATES.find((known) => known === value) }) })}
		/>
	);
}

function NoBatches({ state, isFirstPage }: { readonly state: BatchState | undefined; readonly isFirstPage: boolean }) {
	if (!isFirstPage) return <Empty title="There are no older batches." />;
	if (state !== undefined) return <Empty title="No batch is in this state.">Another state, or another team above, may have some.</Empty>;
	return (
		<Empty title="No batch was handed in yet.">
			What may wait some hours costs half: <code>POST /v1/batches</code> or <code>/v1/messages/batches</code> with a virtual key, or one request by{" "}
			<code>POST /v1/deferred/…</code>
		</Empty>
	);
}
