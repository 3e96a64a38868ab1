import { Textarea } from "@mantine/core";
import type { UseMutationResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { FormDialog } from "./form-dialog.tsx";

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

/** Asks once more before something is changed, with a reason where the API takes one, and stays open with the API's words where that refuses. */
export function ChangeDialog({ title, verb, isDangerous = false, reasonFor, change, isReady = true, onClose, children }: ChangeDialogProps) {
	const [reason, setReason] = useState("");
	const submit = (): void => {
		if (isReady) change.mutate(reason.trim(), { onSuccess: onClose });
	};
	return (
		<FormDialog title={title} action={verb} isEnding={isDangerous} isDisabled={!isReady} leave="Leave it" change={change} onSubmit={submit} onClose={onClose}>
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
		</FormDialog>
	);
}
