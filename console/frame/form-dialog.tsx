import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";

type FormDialogProps = {
	readonly title: string;
	/** What the button that does it says. */
	readonly action: string;
	/** It ends something. */
	readonly isEnding?: boolean;
	readonly isDisabled?: boolean;
	/** What the other button says; default Cancel. */
	readonly leave?: string;
	readonly change: { readonly isPending: boolean; readonly error: Error | null };
	readonly onSubmit: () => void;
	readonly onClose: () => void;
	readonly children: ReactNode;
};

/** Takes what a change needs: what it does, what it takes, and what the API says where it refuses. */
export function FormDialog({ title, action, isEnding = false, isDisabled = false, leave = "Cancel", change, onSubmit, onClose, children }: FormDialogProps) {
	const submit = (event: FormEvent): void => {
		event.preventDefault();
		onSubmit();
	};
	return (
		<Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
			<form onSubmit={submit}>
				<Stack gap="sm">
					{children}
					{change.error !== null && (
						<Alert role="alert" variant="outline" color="red" title="Not done">
							<Text size="sm" className="name">
								{change.error.message}
							</Text>
						</Alert>
					)}
					<Group justify="flex-end">
						<Button variant="default" onClick={onClose}>
							{leave}
						</Button>
						<Button type="submit" color={isEnding ? "red" : "indigo"} loading={change.isPending} disabled={isDisabled}>
							{action}
						</Button>
					</Group>
				</Stack>
			</form>
		</Modal>
	);
}
