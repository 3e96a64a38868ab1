import { Text } from "@mantine/core";
import type { ReactNode } from "react";

export type Figure = { readonly name: string; readonly value: ReactNode; readonly note?: ReactNode };

/** A few figures side by side, each with its name. */
export function Figures({ figures }: { readonly figures: readonly Figure[] }) {
	return (
		<dl className="figures">
			{figures.map(({ name, value, note }) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd>
						<span className="figure">{value}</span>
						{note !== undefined && (
							<Text size="xs" c="dimmed" component="span" display="block">
								{note}
							</Text>
						)}
					</dd>
				</div>
			))}
		</dl>
	);
}
