import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Empty } from "../../frame/states.tsx";
import { When } from "../../frame/when.tsx";
import type { Run } from "./run-words.ts";

type Step = Run["steps"][number];

const COLUMNS: readonly Column<Step>[] = [
	{ key: "at", head: "Time", cell: ({ at }) => <When iso={at} /> },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => <Money nanoUsd={costNanoUsd} /> },
	{ key: "model", head: "Model", cell: ({ model }) => model },
	{ key: "tokens", head: "Tokens", isNumber: true, cell: ({ tokens }) => <Count count={tokens} /> },
	{ key: "outcome", head: "Outcome", cell: ({ outcome }) => outcome },
	{ key: "request", head: "Request", cell: ({ requestId }) => <RequestLink requestId={requestId} /> },
];

/** The newest first, as people look for what happened last. */
export function RunSteps({ steps }: { readonly steps: readonly Step[] }) {
	if (steps.length === 0) return <Empty title="It has made no call of its own yet." />;
	return (
		<DataTable
			caption="Last steps, the newest first"
			columns={COLUMNS}
			rows={steps.toReversed()}
			rowKey={({ requestId, at }) => `${requestId} ${at}`}
			minWidth={640}
		/>
	);
}

function RequestLink({ requestId }: { readonly requestId: string }) {
	return (
		<Anchor className="code" renderRoot={(props) => <Link {...props} to="/requests/$requestId" params={{ requestId }} search={({ team }) => ({ team })} />}>
			{requestId}
		</Anchor>
	);
}
