import { Select, Text } from "@mantine/core";
import { useState } from "react";
import { useChange } from "../../api/use-answer.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { DAY_MS, type Key, type NewSecret, rotateKey } from "./key.ts";
import { KeySpend } from "./key-spend.tsx";

const OVERLAPS = [
	{ value: "0", label: "Not at all" },
	{ value: String(DAY_MS / 24), label: "One hour" },
	{ value: String(DAY_MS), label: "One day" },
	{ value: String(7 * DAY_MS), label: "7 days" },
];

type RotateDialogProps = { readonly virtualKey: Key; readonly onMade: (made: NewSecret) => void; readonly onClose: () => void };

/** A successor with the same rights. */
export function RotateDialog({ virtualKey, onMade, onClose }: RotateDialogProps) {
	const [overlap, setOverlap] = useState(String(DAY_MS));
	const change = useChange(["keys"], async () => onMade(await rotateKey(virtualKey.id, Number(overlap))));
	return (
		<FormDialog title="Rotate a key" action="Rotate" change={change} onSubmit={() => change.mutate(undefined)} onClose={onClose}>
			<KeySpend virtualKey={virtualKey} />
			<Text size="sm">A new key with the same rights, team and attribution is made. What either of them spends is of the same budgets.</Text>
			<Select label="The old key works on for" required data={OVERLAPS} value={overlap} onChange={(value) => setOverlap(value ?? String(DAY_MS))} />
		</FormDialog>
	);
}
