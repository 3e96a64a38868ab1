import { Text, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { formatUsd } from "#domain/money/wire.ts";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { formatAmount } from "../../format/money.ts";
import { budgetName, teamName } from "../../frame/budget-name.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import type { Increase } from "./decide.ts";

export type Decision = "approve" | "reject";

type DecideDialogProps = { readonly increase: Increase; readonly decision: Decision; readonly onClose: () => void };

/** Approves an increase, as asked or by less, or rejects it with a reason. */
export function DecideDialog({ increase, decision, onClose }: DecideDialogProps) {
	const isMoney = increase.unit === "nano_usd";
	const asked = isMoney ? formatUsd(BigInt(increase.askedAmount)) : increase.askedAmount;
	const [amount, setAmount] = useState(asked);
	const [reason, setReason] = useState("");
	const isApproval = decision === "approve";
	const takesAmount = isApproval && increase.kind !== "line";
	const change = useChange(["increases", "budgets"], () =>
		decide(increase, { decision, reason, amount: takesAmount && amount !== asked ? amount : undefined }),
	);
	const submit = (): void => {
		change.mutate(undefined, { onSuccess: onClose });
	};
	return (
		<FormDialog
			title={isApproval ? "Approve the increase" : "Reject the increase"}
			action={isApproval ? "Approve" : "Reject"}
			isEnding={!isApproval}
			change={change}
			onSubmit={submit}
			onClose={onClose}
		>
			<Text size="sm" className="name">
				{teamName(increase.teamId)}, {budgetName(increase)}: {formatAmount(BigInt(increase.askedAmount), increase.unit)} asked by {increase.requestedBy}.
			</Text>
			{takesAmount && (
				<TextInput
					label={isMoney ? "Amount in USD" : `Amount in ${increase.unit}`}
					description="As asked, or less"
					inputMode="decimal"
					required
					value={amount}
					onChange={(event) => setAmount(event.currentTarget.value)}
				/>
			)}
			<Textarea
				label="Reason"
				description={isApproval ? "For the audit log; may stay empty" : "Whoever asked reads it"}
				required={!isApproval}
				maxLength={200}
				value={reason}
				onChange={(event) => setReason(event.currentTarget.value)}
			/>
		</FormDialog>
	);
}

type Answered = { readonly decision: Decision; readonly reason: string; readonly amount: string | undefined };

async function decide({ id, unit }: Increase, { decision, reason, amount }: Answered) {
	const params = { path: { increaseId: id } };
	if (decision === "reject") return unwrap(await api.POST("/admin/v1/increases/{increaseId}/reject", { params, body: { reason } }));
	const less = amount === undefined ? {} : unit === "nano_usd" ? { amountUsd: amount } : { amount };
	return unwrap(await api.POST("/admin/v1/increases/{increaseId}/approve", { params, body: { ...less, ...(reason !== "" && { reason }) } }));
}
