import { Button, Text } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { mayGovern } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Money } from "../../frame/money.tsx";
import { Status, type Tone } from "../../frame/page.tsx";
import { When } from "../../frame/when.tsx";
import { BatchLink } from "./batch-table.tsx";
import { IS_OPEN } from "./states.ts";

export type Item = Answer<"/admin/v1/deferred">["items"][number];

const TONES: Readonly<Record<Item["status"], Tone>> = {
	collecting: "quiet",
	waiting: "quiet",
	running: "good",
	succeeded: "good",
	failed: "bad",
	expired: "warn",
	cancelled: "quiet",
};
const LANES = { batch: "batch", real_time: "real time" } as const;
const COLUMNS: readonly Column<Item>[] = [
	{ key: "item", head: "Item", cell: (item) => <Name item={item} /> },
	{ key: "status", head: "Status", cell: (item) => <ItemStatus item={item} /> },
	{ key: "lane", head: "Lane", cell: ({ lane }) => (lane === null ? "not chosen" : LANES[lane]) },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => (costNanoUsd === null ? "–" : <Money nanoUsd={costNanoUsd} />) },
	{ key: "held", head: "Held", isNumber: true, cell: ({ heldNanoUsd }) => <Money nanoUsd={heldNanoUsd} /> },
	{ key: "accepted", head: "Handed in", cell: ({ acceptedAt }) => <When iso={acceptedAt} /> },
	{ key: "deadline", head: "Wanted by", cell: ({ deadline }) => (deadline === null ? "no deadline" : <When iso={deadline} />) },
	{ key: "batch", head: "Batch", cell: ({ batchId }) => <BatchLink batchId={batchId} text="its batch" /> },
];

export function ItemTable({ items, onCancel }: { readonly items: readonly Item[]; readonly onCancel: (item: Item) => void }) {
	const session = useSession();
	const cancel: Column<Item> = { key: "cancel", head: "Cancel", cell: (item) => IS_OPEN[item.status] && <Cancel item={item} onCancel={onCancel} /> };
	const columns = mayGovern(session) && items.some(({ status }) => IS_OPEN[status]) ? [...COLUMNS, cancel] : COLUMNS;
	return <DataTable caption="Items, the newest first" columns={columns} rows={items} rowKey={({ deferredId }) => deferredId} minWidth={1020} />;
}

function Cancel({ item, onCancel }: { readonly item: Item; readonly onCancel: (item: Item) => void }) {
	return (
		<Button size="compact-xs" variant="default" aria-label={`Cancel ${item.deferredId}`} onClick={() => onCancel(item)}>
			Cancel
		</Button>
	);
}

function Name({ item: { deferredId, model } }: { readonly item: Item }) {
	return (
		<>
			<span className="code">{deferredId}</span>
			<Text size="xs" c="dimmed" className="name">
				{model}
			</Text>
		</>
	);
}

function ItemStatus({ item: { status, isLate, httpStatus } }: { readonly item: Item }) {
	return (
		<>
			<span className="money">
				<Status tone={TONES[status]}>
					{status}
					{httpStatus !== null && httpStatus >= 400 && ` (${httpStatus})`}
				</Status>
			</span>
			{isLate && (
				<Text size="xs" c="dimmed">
					late
				</Text>
			)}
		</>
	);
}
