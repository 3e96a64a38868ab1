import { Box, Button, CopyButton, Group, Text } from "@mantine/core";
import { formatCount } from "../../format/money.ts";

/** More than a person reads, and as much as a browser lays out at once. */
const CHARACTERS_SHOWN = 200_000;

/** A policy as it is written, to be read and copied. */
export function PolicyDocument({ text, label }: { readonly text: string; readonly label: string }) {
	const shown = text.slice(0, CHARACTERS_SHOWN);
	return (
		<div>
			<Group justify="space-between" mb="xs">
				<Text size="sm" c="dimmed">
					{formatCount(text.split("\n").length - (text.endsWith("\n") ? 1 : 0))} lines
				</Text>
				<CopyButton value={text}>
					{({ copied, copy }) => (
						<Button size="xs" variant="default" onClick={copy}>
							{copied ? "Copied" : "Copy"}
						</Button>
					)}
				</CopyButton>
			</Group>
			<Box component="section" aria-label={label} tabIndex={0} className="document">
				<pre>{shown}</pre>
			</Box>
			{shown.length < text.length && (
				<Text size="sm" mt="xs">
					Only the beginning is shown; copying takes all of it.
				</Text>
			)}
		</div>
	);
}
