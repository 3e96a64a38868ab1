import { Text } from "@mantine/core";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";
import { Count, Money } from "../../frame/money.tsx";
import type { Batch } from "./batch-words.ts";

export type BatchDecision = "cancel" | "retry";

type DecideBatchDialogProps = { readonly decision: BatchDecision; readonly batch: Batch; readonly onClose: () => void };

/** Ends a batch, or does at once what it waits for. */
export function DecideBatchDialog({ decision, batch, onClose }: DecideBatchDialogProps) {
	const change = useChange(["batches", "budgets"], (_reason: string) => decide(decision, batch.batchId));
	if (decision === "cancel")
		return (
			<ChangeDialog title="Cancel the batch" verb="Cancel it" isDangerous change={change} onClose={onClose}>
				<Text size="sm" component="div">
					<Money nanoUsd={batch.settledNanoUsd} /> is booked and stays so. <Money nanoUsd={batch.heldNanoUsd} /> is held for <Count count={batch.counts.open} />{" "}
					items that have not ended: what the provider has finished of them is paid and comes back, all else is given back to the team's budgets. This cannot be
					taken back.
				</Text>
			</ChangeDialog>
		);
	return (
		<ChangeDialog title="Try now" verb="Try now" change={change} onClose={onClose}>
			<Text size="sm" component="div">
				What the batch waits for is tried at once, and its workflow begins where there is none any more. It spends nothing beyond the{" "}
				<Money nanoUsd={batch.heldNanoUsd} /> that are held for it already.
			</Text>
		</ChangeDialog>
	);
}

/** @throws ApiProblem. */
async function decide(decision: BatchDecision, batchId: string): Promise<Batch> {
	const params = { path: { batchId } };
	if (decision === "cancel") return unwrap(await api.POST("/admin/v1/batches/{batchId}/cancel", { params }));
	return unwrap(await api.POST("/admin/v1/batches/{batchId}/retry", { params }));
}
