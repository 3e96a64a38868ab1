import { Anchor, Group } from "@mantine/core";
import type { ReactNode } from "react";

type RenderLink = (props: Record<string, unknown>) => ReactNode;

type PagerProps = {
	readonly label: string;
	/** Each a link of the router; undefined: there is nothing there. */
	readonly newest: RenderLink | undefined;
	readonly older: RenderLink | undefined;
};

/** For lists that the API gives page by page, the newest first. */
export function Pager({ label, newest, older }: PagerProps) {
	if (newest === undefined && older === undefined) return null;
	return (
		<Group component="nav" aria-label={label} justify="space-between" mt="sm">
			{newest === undefined ? (
				<span />
			) : (
				<Anchor size="sm" renderRoot={newest}>
					The newest
				</Anchor>
			)}
			{older !== undefined && (
				<Anchor size="sm" renderRoot={older}>
					Older
				</Anchor>
			)}
		</Group>
	);
}
