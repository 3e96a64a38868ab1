import { Text } from "@mantine/core";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";
import { Money } from "../../frame/money.tsx";
import type { Item } from "./item-table.tsx";

export function CancelItemDialog({ item: { deferredId, heldNanoUsd, status }, onClose }: { readonly item: Item; readonly onClose: () => void }) {
	const change = useChange(["batches", "budgets"], async (_reason: string) =>
		unwrap(await api.POST("/admin/v1/deferred/{deferredId}/cancel", { params: { path: { deferredId } } })),
	);
	return (
		<ChangeDialog title="Cancel the item" verb="Cancel it" isDangerous change={change} onClose={onClose}>
			<Text size="sm" component="div">
				<span className="code">{deferredId}</span>{" "}
				{status === "running" ? (
					<>
						is on its way: it ends as that does. Where it is answered by then the answer is kept and paid, out of the <Money nanoUsd={heldNanoUsd} /> that are
						held for it.
					</>
				) : (
					<>
						ends at once, and the <Money nanoUsd={heldNanoUsd} /> held for it are given back to the team's budgets. This cannot be taken back.
					</>
				)}
			</Text>
		</ChangeDialog>
	);
}
