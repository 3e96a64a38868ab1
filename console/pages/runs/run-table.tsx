import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Status } from "../../frame/page.tsx";
import { When } from "../../frame/when.tsx";
import { guardWords, type ListedRun, STATE_TONES } from "./run-words.ts";

const COLUMNS: readonly Column<ListedRun>[] = [
	{ key: "run", head: "Run", cell: ({ runId }) => <RunLink runId={runId} /> },
	{ key: "state", head: "State", cell: ({ state }) => <Status tone={STATE_TONES[state]}>{state}</Status> },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }) => <Money nanoUsd={costNanoUsd} /> },
	{ key: "steps", head: "Steps", isNumber: true, cell: ({ steps }) => <Count count={steps} /> },
	{ key: "team", head: "Team", cell: ({ teamId }) => teamId },
	{ key: "opened", head: "Opened", cell: ({ openedAt }) => <When iso={openedAt} /> },
	{ key: "why", head: "Why it stands", cell: ({ hold }) => (hold === null ? "–" : guardWords(hold)) },
];

export function RunTable({ runs }: { readonly runs: readonly ListedRun[] }) {
	return <DataTable caption="Runs, the newest first" columns={COLUMNS} rows={runs} rowKey={({ number }) => number} minWidth={860} />;
}

/** `isInText`: among words, where color alone would not tell it from them. */
export function RunLink({ runId, isInText = false }: { readonly runId: string; readonly isInText?: boolean }) {
	return (
		<Anchor
			inherit
			underline={isInText ? "always" : "hover"}
			className="name"
			renderRoot={(props) => <Link {...props} to="/runs/$runId" params={{ runId }} search={({ team }) => ({ team })} />}
		>
			{runId}
		</Anchor>
	);
}
