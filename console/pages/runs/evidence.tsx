import { Text } from "@mantine/core";

/** What a guard saw. It sets calls between backticks: they are shown as code, and nothing of them as anything else. */
export function Evidence({ text }: { readonly text: string }) {
	return (
		<Text component="p" size="sm" className="name" m={0}>
			{text.split("`").map((part, index) =>
				index % 2 === 1 ? (
					// biome-ignore lint/suspicious/noArrayIndexKey: parts of one text have no other name and never move
					<code key={index} className="code">
						{part}
					</code>
				) : (
					part
				),
			)}
		</Text>
	);
}
