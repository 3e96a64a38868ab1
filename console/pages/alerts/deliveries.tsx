import { Text } from "@mantine/core";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { Empty } from "../../frame/states.tsx";
import { HowLong, When } from "../../frame/when.tsx";
import { DELIVERY_TONES, DELIVERY_WORDS, type Delivery } from "./alert-words.ts";

const COLUMNS: readonly Column<Delivery>[] = [
	{ key: "channel", head: "Channel", cell: ({ channel }) => channel },
	{ key: "state", head: "State", cell: ({ state }) => <Status tone={DELIVERY_TONES[state]}>{DELIVERY_WORDS[state]}</Status> },
	{ key: "attempts", head: "Tries", isNumber: true, cell: ({ attempts }) => <Count count={attempts} /> },
	{ key: "said", head: "What came back", cell: (delivery) => <Said delivery={delivery} /> },
	{ key: "when", head: "When", cell: (delivery) => <Ended delivery={delivery} /> },
];

/** To each channel that a route named, and what it answered. */
export function Deliveries({ deliveries }: { readonly deliveries: readonly Delivery[] }) {
	if (deliveries.length === 0)
		return (
			<Empty title="No route took it: nobody was told.">
				A route says which alerts go where: <code>npx tollgate alerts route --team TEAM --to CHANNEL</code>
			</Empty>
		);
	return <DataTable caption="Where it went" columns={COLUMNS} rows={deliveries} rowKey={({ channel }) => channel} minWidth={640} />;
}

function Said({ delivery: { answer, lastError, acknowledgedBy } }: { readonly delivery: Delivery }) {
	return (
		<>
			{answer ?? lastError ?? "–"}
			{acknowledgedBy !== null && (
				<Text size="xs" c="dimmed" className="name">
					{acknowledgedBy} knows of it
				</Text>
			)}
		</>
	);
}

function Ended({ delivery: { endedAt, nextAttemptAt } }: { readonly delivery: Delivery }) {
	if (endedAt !== null) return <When iso={endedAt} />;
	if (nextAttemptAt === null) return "–";
	return (
		<>
			tried again <HowLong iso={nextAttemptAt} />
		</>
	);
}
