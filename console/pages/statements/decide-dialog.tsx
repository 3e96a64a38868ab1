import { Text, Textarea } from "@mantine/core";
import { useState } from "react";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { formatCount, formatMoney } from "../../format/money.ts";
import { formatMonth } from "../../format/time.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import type { Month } from "./month.ts";

export type Decision = "approve" | "reject";

type DecideDialogProps = { readonly month: Month; readonly decision: Decision; readonly onClose: () => void };

/** Closes a month as the draft says that was looked at, or sends it back; the reason is kept with it. */
export function DecideDialog({ month, decision, onClose }: DecideDialogProps) {
	const [reason, setReason] = useState("");
	const change = useChange(["statements"], () => decide(month, decision, reason.trim()));
	const isApproval = decision === "approve";
	const name = formatMonth(month.month);
	const charged = `${formatCount(month.teams)} ${month.teams === 1 ? "team" : "teams"} ${month.teams === 1 ? "is" : "are"} charged ${formatMoney(BigInt(month.chargeNanoUsd))}`;
	return (
		<FormDialog
			title={isApproval ? `Approve ${name}` : `Reject ${name}`}
			action={isApproval ? "Approve and close" : "Reject"}
			isEnding={!isApproval}
			isDisabled={reason.trim() === ""}
			change={change}
			onSubmit={() => change.mutate(undefined, { onSuccess: onClose })}
			onClose={onClose}
		>
			<Text size="sm">
				{isApproval
					? `${charged}, as draft ${month.draft} says. A closed month never changes: what is booked for it later is an adjustment of the open month.`
					: `Nobody is charged. Draft ${month.draft} (${formatMoney(BigInt(month.chargeNanoUsd))}) is put aside, and the month stays open until it is drafted anew.`}
			</Text>
			<Textarea
				label="Reason"
				description="Kept with the month"
				required
				maxLength={200}
				value={reason}
				onChange={(event) => setReason(event.currentTarget.value)}
			/>
		</FormDialog>
	);
}

async function decide({ month, draft }: Month, decision: Decision, reason: string) {
	const asked = { params: { path: { month } }, body: { reason, draft } };
	if (decision === "approve") return unwrap(await api.POST("/admin/v1/statements/{month}/approve", asked));
	return unwrap(await api.POST("/admin/v1/statements/{month}/reject", asked));
}
