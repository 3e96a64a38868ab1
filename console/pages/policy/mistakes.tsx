import { Button, Text } from "@mantine/core";
import type { RefObject } from "react";
import type { Refusal } from "../../api/problem.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Section } from "../../frame/page.tsx";

type Mistake = NonNullable<Refusal["mistakes"]>[number];
type MistakesProps = { readonly mistakes: readonly Mistake[]; readonly file: string; readonly field: RefObject<HTMLTextAreaElement | null> };

const MISTAKES_SHOWN = 200;
const CHARACTERS_OF_A_LINE = 120;

/** Every mistake of a file with its line; the line is one click away. */
export function Mistakes({ mistakes, file, field }: MistakesProps) {
	const lines = file.split("\n");
	const columns: readonly Column<Mistake>[] = [
		{
			key: "line",
			head: "Line",
			isNumber: true,
			cell: ({ line, column }) => (
				<Button
					size="compact-xs"
					variant="default"
					aria-label={`Go to ${line}:${column}`}
					onClick={() => field.current && goTo(field.current, { lines, line })}
				>
					{line}:{column}
				</Button>
			),
		},
		{ key: "text", head: "It says", cell: ({ line }) => <span className="code">{(lines[line - 1] ?? "").trim().slice(0, CHARACTERS_OF_A_LINE)}</span> },
		{ key: "problem", head: "Mistake", cell: ({ path, problem }) => (path === "" ? problem : `${path} ${problem}`) },
	];
	return (
		<Section title={mistakes.length === 1 ? "One mistake" : `${mistakes.length} mistakes`}>
			<Text size="sm" mb="xs" role="alert">
				Nothing can be applied before the file is right.
			</Text>
			<DataTable
				caption="Mistakes by line"
				columns={columns}
				rows={mistakes.slice(0, MISTAKES_SHOWN)}
				rowKey={({ line, column, path, problem }) => `${line}:${column} ${path} ${problem}`}
				minWidth={560}
			/>
			{mistakes.length > MISTAKES_SHOWN && (
				<Text size="sm" mt="xs">
					The first {MISTAKES_SHOWN} are shown.
				</Text>
			)}
		</Section>
	);
}

/** Selects the line and brings it into view. */
function goTo(field: HTMLTextAreaElement, { lines, line }: { readonly lines: readonly string[]; readonly line: number }): void {
	const start = lines.slice(0, line - 1).reduce((characters, one) => characters + one.length + 1, 0);
	field.focus();
	field.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
	field.scrollTop = (field.scrollHeight / Math.max(1, lines.length)) * Math.max(0, line - 4);
}
