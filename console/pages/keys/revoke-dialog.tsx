import { Text } from "@mantine/core";
import { useChange } from "../../api/use-answer.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { type Key, revokeKey } from "./key.ts";
import { KeySpend } from "./key-spend.tsx";

/** Ends a key for good. */
export function RevokeDialog({ virtualKey, onClose }: { readonly virtualKey: Key; readonly onClose: () => void }) {
	const change = useChange(["keys"], () => revokeKey(virtualKey.id));
	return (
		<FormDialog
			title="Revoke a key"
			action="Revoke"
			isEnding
			change={change}
			onSubmit={() => change.mutate(undefined, { onSuccess: onClose })}
			onClose={onClose}
		>
			<KeySpend virtualKey={virtualKey} />
			<Text size="sm">
				From now on every gateway refuses calls with it, and it cannot be taken back. Calls that are under way end as they would; the books keep what it spent.
			</Text>
		</FormDialog>
	);
}
