import { Alert, Button, Text } from "@mantine/core";
import type { ErrorComponentProps } from "@tanstack/react-router";

/** A page that cannot be shown, or whose file could not be loaded: the frame stays usable. */
export function Crashed({ error }: ErrorComponentProps) {
	return (
		<Alert role="alert" variant="outline" color="red" title="This page cannot be shown">
			<Text size="sm" className="name">
				{error instanceof Error ? error.message : String(error)}
			</Text>
			<Button mt="sm" size="xs" variant="default" onClick={() => location.reload()}>
				Load it again
			</Button>
		</Alert>
	);
}
