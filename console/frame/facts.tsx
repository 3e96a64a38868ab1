import { Text } from "@mantine/core";
import type { ReactNode } from "react";

export type Fact = { readonly name: string; readonly value: ReactNode; readonly note?: string | null };

/** Names and values in a grid; what is not known is a dash. */
export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
	return (
		<dl className="facts">
			{facts.map(({ name, value, note }) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd>
						{value ?? "–"}
						{note && (
							<Text size="xs" c="dimmed">
								{note}
							</Text>
						)}
					</dd>
				</div>
			))}
		</dl>
	);
}
