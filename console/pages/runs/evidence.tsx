import { Text } from "@mantine/core";

/** What a guard saw. It sets calls between backticks: they are shown as code, and nothing of them as anything else. */
export function Evidence({ text }: { readonly text: string }) {
	return (
		<Text component="p" size="sm" className="name" m={0}>
			{partsOf(text).map(({ at, part, isCode }) =>
				isCode ? (
					<code key={at} className="code">
						{part}
					</code>
				) : (
					part
				),
			)}
		</Text>
	);
}

/** Between the backticks and beside them; `at`: where in the text it begins. */
function partsOf(text: string) {
	let at = 0;
	return text.split("`").map((part, index) => {
		const found = { at, part, isCode: index % 2 === 1 };
		at += part.length + 1;
		return found;
	});
}
