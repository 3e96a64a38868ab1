import { Button, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { api, unwrap } from "../../api/client.ts";

/** As many lines as the API gives at once. */
const LINES_AT_ONCE = 5_000;
type Csv = { readonly month: string; readonly teamId: string | undefined };
type Cursor = { readonly afterTeam: string; readonly afterLine: number };

/** All lines as one CSV file, however many pages they are. */
export function CsvButton({ month, teamId }: Csv) {
	const download = useMutation({
		mutationFn: () => readCsv({ month, teamId }),
		gcTime: 0,
		onSuccess: (text) => save(text, `statements-${month}${teamId === undefined ? "" : `-${teamId}`}.csv`),
	});
	return (
		<>
			<Button size="xs" variant="default" loading={download.isPending} onClick={() => download.mutate()}>
				Download CSV
			</Button>
			{download.error !== null && (
				<Text size="sm" role="alert" className="name">
					No file: {download.error.message}
				</Text>
			)}
		</>
	);
}

async function readCsv({ month, teamId }: Csv): Promise<string> {
	const pages: string[] = [];
	let cursor: Cursor | undefined;
	do {
		const query = { limit: LINES_AT_ONCE, ...(teamId !== undefined && { teamId }), ...cursor };
		const asked = { path: { month } };
		const [text, { lines }] = await Promise.all([
			api.GET("/admin/v1/statements/{month}/lines", { params: { ...asked, query: { ...query, format: "csv" } }, parseAs: "text" }).then(unwrap),
			api.GET("/admin/v1/statements/{month}/lines", { params: { ...asked, query } }).then(unwrap),
		]);
		pages.push(text as unknown as string);
		const last = lines.at(-1);
		cursor = lines.length < LINES_AT_ONCE || last === undefined ? undefined : { afterTeam: last.teamId, afterLine: last.line };
	} while (cursor !== undefined);
	return pages.join("");
}

function save(text: string, name: string): void {
	const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
	const link = document.createElement("a");
	link.href = address;
	link.download = name;
	link.click();
	URL.revokeObjectURL(address);
}
