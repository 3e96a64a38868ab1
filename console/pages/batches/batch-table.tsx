import { Anchor, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { When } from "../../frame/when.tsx";
import { endedItems, type ListedBatch, STATE_TONES } from "./batch-words.ts";
import { ProgressBar } from "./progress-bar.tsx";
import { STATE_WORDS } from "./states.ts";

const COLUMNS: readonly Column<ListedBatch>[] = [
	{ key: "batch", head: "Batch", cell: (batch) => <Name batch={batch} /> },
	{ key: "state", head: "State", cell: (batch) => <State batch={batch} /> },
	{ key: "ended", head: "Items ended", cell: (batch) => <Ended batch={batch} /> },
	{ key: "settled", head: "Cost so far", isNumber: true, cell: ({ settledNanoUsd }) => <Money nanoUsd={settledNanoUsd} /> },
	{ key: "held", head: "Held", isNumber: true, cell: ({ heldNanoUsd }) => <Money nanoUsd={heldNanoUsd} /> },
	{ key: "team", head: "Team", cell: ({ teamId }) => teamId },
	{ key: "created", head: "Handed in", cell: ({ createdAt }) => <When iso={createdAt} /> },
];

export function BatchTable({ batches }: { readonly batches: readonly ListedBatch[] }) {
	return <DataTable caption="Batches, the newest first" columns={COLUMNS} rows={batches} rowKey={({ batchId }) => batchId} minWidth={960} />;
}

function Name({ batch: { batchId, model } }: { readonly batch: ListedBatch }) {
	return (
		<>
			<BatchLink batchId={batchId} />
			<Text size="xs" c="dimmed" className="name">
				{model}
			</Text>
		</>
	);
}

export function BatchLink({ batchId, text = batchId }: { readonly batchId: string; readonly text?: string }) {
	return (
		<Anchor className="code" renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId }} search={({ team }) => ({ team })} />}>
			{text}
		</Anchor>
	);
}

function State({ batch: { state, problem } }: { readonly batch: ListedBatch }) {
	return (
		<>
			<Status tone={STATE_TONES[state]}>{STATE_WORDS[state]}</Status>
			{problem !== null && (
				<Text size="xs" c="dimmed" className="name">
					{problem}
				</Text>
			)}
		</>
	);
}

function Ended({ batch }: { readonly batch: ListedBatch }) {
	return (
		<>
			<Text size="sm" span>
				<Count count={endedItems(batch)} /> of <Count count={batch.items} />
			</Text>
			<ProgressBar batch={batch} size="sm" />
		</>
	);
}
