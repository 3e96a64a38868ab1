import { Alert, Button, Group, Modal, Stack, Textarea } from "@mantine/core";
import type { UseMutationResult } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";

const REASON_LENGTH_MAX = 200;

type ChangeDialogProps = {
	readonly title: string;
	/** On the button: what happens. */
	readonly verb: string;
	readonly isDangerous?: boolean;
	/** Given where the API takes a reason: what becomes of it. */
	readonly reasonFor?: string | undefined;
	/** Takes the reason; "" where none is asked for. */
	readonly change: UseMutationResult<unknown, Error, string>;
	/** false: what was typed cannot be sent. */
	readonly isReady?: boolean;
	readonly onClose: () => void;
	/** What it will do, in money where it moves any. */
	readonly children: ReactNode;
};

/** Asks once more before something is changed, and stays open with the API's words where that refuses. */
export function ChangeDialog({ title, verb, isDangerous = false, reasonFor, change, isReady = true, onClose, children }: ChangeDialogProps) {
	const [reason, setReason] = useState("");
	const submit = (event: FormEvent): void => {
		event.preventDefault();
		if (isReady) change.mutate(reason.trim(), { onSuccess: onClose });
	};
	return (
		<Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
			<form onSubmit={submit}>
				<Stack gap="sm">
					{children}
					{reasonFor !== undefined && (
						<Textarea
							label="Reason"
							description={reasonFor}
							required
							maxLength={REASON_LENGTH_MAX}
							value={reason}
							onChange={(event) => setReason(event.currentTarget.value)}
						/>
					)}
					{change.error !== null && (
						<Alert role="alert" variant="outline" color="red" title="Nothing was changed">
							<span className="name">{change.error.message}</span>
						</Alert>
					)}
					<Group justify="flex-end">
						<Button variant="default" onClick={onClose}>
							Leave it
						</Button>
						<Button type="submit" color={isDangerous ? "red" : "indigo"} loading={change.isPending} disabled={!isReady}>
							{verb}
						</Button>
					</Group>
				</Stack>
			</form>
		</Modal>
	);
}
