import { Text } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { formatCount } from "../../format/money.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Status, type Tone } from "../../frame/page.tsx";

export type Change = Answer<"/admin/v1/policy/{revision}">["changes"][number];

const EFFECTS: Readonly<Record<string, { readonly tone: Tone; readonly words: string }>> = {
	tightens: { tone: "good", words: "tightens" },
	loosens: { tone: "warn", words: "loosens" },
	both: { tone: "warn", words: "tightens and loosens" },
	neutral: { tone: "quiet", words: "no effect on calls" },
};
const KINDS: Readonly<Record<Change["kind"], string>> = { add: "new", change: "changed", archive: "ended" };
/** Beyond it a table is no longer read; the command line prints all. */
const CHANGES_SHOWN = 500;

const COLUMNS: readonly Column<Change>[] = [
	{ key: "summary", head: "Change", cell: ({ summary }) => summary },
	{ key: "effect", head: "Effect", cell: ({ effect }) => <Effect effect={effect} /> },
	{ key: "kind", head: "What", cell: ({ kind }) => KINDS[kind] },
	{ key: "path", head: "Where", cell: ({ path }) => <span className="code">{path}</span> },
];

/** What is different, entry by entry, and what calls feel of it. */
export function Changes({ changes }: { readonly changes: readonly Change[] }) {
	return (
		<>
			<Text size="sm" mb="xs">
				{changesInWords(changes)}
			</Text>
			<DataTable
				caption="Changes"
				columns={COLUMNS}
				rows={changes.slice(0, CHANGES_SHOWN)}
				rowKey={({ at, kind }) => `${kind} ${at.join("\n")}`}
				minWidth={640}
			/>
			{changes.length > CHANGES_SHOWN && (
				<Text size="sm" mt="xs">
					The first {CHANGES_SHOWN} are shown; <code>npx tollgate diff</code> prints all of them.
				</Text>
			)}
		</>
	);
}

function Effect({ effect }: { readonly effect: string }) {
	const { tone, words } = EFFECTS[effect] ?? { tone: "quiet", words: effect };
	return <Status tone={tone}>{words}</Status>;
}

/** "4 changes: 1 tightens, 2 loosen, 1 without effect on calls". */
export function changesInWords(changes: readonly Change[]): string {
	const count = (...effects: readonly string[]): number => changes.filter(({ effect }) => effects.includes(effect)).length;
	const [tighten, loosen, neutral] = [count("tightens"), count("loosens", "both"), count("neutral")];
	const parts = [
		...(tighten > 0 ? [`${formatCount(tighten)} ${tighten === 1 ? "tightens" : "tighten"}`] : []),
		...(loosen > 0 ? [`${formatCount(loosen)} ${loosen === 1 ? "loosens" : "loosen"}`] : []),
		...(neutral > 0 ? [`${formatCount(neutral)} without effect on calls`] : []),
	];
	return `${formatCount(changes.length)} ${changes.length === 1 ? "change" : "changes"}: ${parts.join(", ")}.`;
}
