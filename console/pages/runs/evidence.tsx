import { Text } from "@mantine/core";

/** What a guard saw. It sets calls between backticks: they are shown as code, and nothing of them as anything else. */
export function Evidence({ text }: { readonly text: string }) {
	return (
		<Text component="p" size="sm" className="name" m={0}>
			{partsOf(text).map(({ key, part, isCode }) =>
				isCode ? (
					<code key={key} className="code">
						{part}
					</code>
				) : (
					part
				),
			)}
		</Text>
	);
}

/** Parts of one text have no other name than their place, and never move. */
function partsOf(text: string): readonly { readonly key: string; readonly part: string; readonly isCode: boolean }[] {
	return text.split("`").map((part, index) => ({ key: String(index), part, isCode: index % 2 === 1 }));
}
