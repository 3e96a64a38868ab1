import { Text } from "@mantine/core";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count } from "../../frame/money.tsx";
import { Status, type Tone } from "../../frame/page.tsx";
import { Empty } from "../../frame/states.tsx";
import { HowLong, When } from "../../frame/when.tsx";
import type { Batch, BatchPart } from "./batch-words.ts";

const TONES: Readonly<Record<BatchPart["state"], Tone>> = {
	written: "quiet",
	submitting: "quiet",
	running: "good",
	ended: "good",
	collected: "good",
	failed: "bad",
};

const COLUMNS: readonly Column<BatchPart>[] = [
	{ key: "part", head: "Part", cell: ({ part }) => part },
	{ key: "state", head: "State", cell: ({ state }) => <Status tone={TONES[state]}>{state}</Status> },
	{ key: "items", head: "Items", isNumber: true, cell: ({ items }) => <Count count={items} /> },
	{ key: "done", head: "Done there", isNumber: true, cell: ({ doneAtProvider }) => (doneAtProvider === null ? "–" : <Count count={doneAtProvider} />) },
	{
		key: "id",
		head: "Batch at the provider",
		cell: ({ providerBatchId }) => (providerBatchId === null ? "–" : <span className="code">{providerBatchId}</span>),
	},
	{ key: "submitted", head: "Handed in", cell: ({ submittedAt }) => (submittedAt === null ? "–" : <When iso={submittedAt} />) },
	{ key: "over", head: "Ended, or given up", cell: (part) => <Over part={part} /> },
];

/** Batches of the provider: one, or more where it was split or sent again. */
export function Parts({ batch: { parts, progress, endedAt } }: { readonly batch: Batch }) {
	if (parts.length === 0) return <Empty title="Nothing of it was handed in to the provider yet." />;
	return (
		<>
			<DataTable caption="Parts at the provider" columns={COLUMNS} rows={parts} rowKey={({ part }) => String(part)} minWidth={820} />
			{progress === null && endedAt === null && (
				<Text size="sm" c="dimmed" mt="xs">
					Its workflow does not answer just now: what the provider said last is not known here.
				</Text>
			)}
		</>
	);
}

function Over({ part: { endedAt, expiresAt } }: { readonly part: BatchPart }) {
	if (endedAt !== null) return <When iso={endedAt} />;
	return expiresAt === null ? (
		"–"
	) : (
		<>
			given up <HowLong iso={expiresAt} />
		</>
	);
}
