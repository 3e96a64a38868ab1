import { Box, Table } from "@mantine/core";
import type { ReactNode } from "react";

export type Column<Row> = {
	readonly key: string;
	readonly head: string;
	/** Numbers stand at the right, so that they can be compared. */
	readonly isNumber?: boolean;
	readonly cell: (row: Row) => ReactNode;
	/** Where the table can be sorted by it. */
	readonly sort?: { readonly direction: "ascending" | "descending" | "none"; readonly onChange: () => void };
};

type DataTableProps<Row> = {
	/** What a screen reader calls it. */
	readonly caption: string;
	readonly columns: readonly Column<Row>[];
	readonly rows: readonly Row[];
	readonly rowKey: (row: Row) => string;
	/** Pixels below which it scrolls inside of its own box. */
	readonly minWidth?: number;
	/** A last row that is set apart, cell by cell: totals. */
	readonly foot?: readonly ReactNode[] | undefined;
};

export function DataTable<Row>({ caption, columns, rows, rowKey, minWidth = 480, foot }: DataTableProps<Row>) {
	return (
		<Box component="section" className="scroll-box" aria-label={caption} tabIndex={0}>
			<Table miw={minWidth}>
				<caption className="hidden-text">{caption}</caption>
				<Table.Thead>
					<Table.Tr>
						{columns.map((column) => (
							<Head key={column.key} column={column} />
						))}
					</Table.Tr>
				</Table.Thead>
				<Table.Tbody>
					{rows.map((row) => (
						<Table.Tr key={rowKey(row)}>
							{columns.map(({ key, isNumber, cell }) => (
								<Table.Td key={key} className={isNumber ? "number-cell" : "name"}>
									{cell(row)}
								</Table.Td>
							))}
						</Table.Tr>
					))}
				</Table.Tbody>
				{foot !== undefined && (
					<Table.Tfoot>
						<Table.Tr>
							{columns.map(({ key, isNumber }, index) => (
								<Table.Td key={key} fw={600} className={isNumber ? "number-cell" : "name"}>
									{foot[index]}
								</Table.Td>
							))}
						</Table.Tr>
					</Table.Tfoot>
				)}
			</Table>
		</Box>
	);
}

function Head<Row>({ column: { head, isNumber, sort } }: { readonly column: Column<Row> }) {
	const arrow = sort === undefined || sort.direction === "none" ? "" : sort.direction === "ascending" ? " ↑" : " ↓";
	return (
		<Table.Th scope="col" className={isNumber ? "number-cell" : ""} {...(sort && { "aria-sort": sort.direction })}>
			{sort === undefined ? (
				head
			) : (
				<button type="button" className="sort" onClick={sort.onChange}>
					{head}
					<span aria-hidden="true">{arrow}</span>
				</button>
			)}
		</Table.Th>
	);
}
