import { Alert, Button, Code, Group, Modal, Stack, Text } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import type { NewSecret } from "./key.ts";

/** The only time that a key is shown: it is left by its button alone, and nothing of it stays in the page. */
export function SecretDialog({ made: { id, secret }, onClose }: { readonly made: NewSecret; readonly onClose: () => void }) {
	const clipboard = useClipboard();
	return (
		<Modal opened onClose={onClose} title="The new key" withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false}>
			<Stack gap="sm">
				<Text size="sm">
					This is key <span className="code">{id}</span>. Copy it now to where it is used: it is not shown again, and Tollgate itself keeps only its hash.
				</Text>
				<Code block className="secret">
					{secret}
				</Code>
				{clipboard.error !== null && (
					<Alert role="alert" variant="outline" color="yellow">
						This browser does not let a page copy; select the key and copy it yourself.
					</Alert>
				)}
				<Group justify="flex-end">
					<Button variant="default" onClick={() => clipboard.copy(secret)}>
						{clipboard.copied ? "Copied" : "Copy"}
					</Button>
					<Button onClick={onClose}>I have it</Button>
				</Group>
			</Stack>
		</Modal>
	);
}
