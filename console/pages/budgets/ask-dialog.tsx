import { Select, Textarea, TextInput } from "@mantine/core";
import { DateInput } from "@mantine/dates";
import { useState } from "react";
import { type Answer, api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { budgetName, teamName } from "../../frame/budget-name.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";

type Budget = Answer<"/admin/v1/budgets">["budgets"][number];
type Asked = { readonly budget: Budget; readonly amount: string; readonly until: string | null; readonly reason: string };

/** Asks for a temporarily higher limit of one budget. */
export function AskDialog({ budgets, onClose }: { readonly budgets: readonly Budget[]; readonly onClose: () => void }) {
	const [budgetId, setBudgetId] = useState(budgets[0]?.id ?? null);
	const [amount, setAmount] = useState("");
	const [until, setUntil] = useState<string | null>(null);
	const [reason, setReason] = useState("");
	const change = useChange(["increases", "budgets"], ask);
	const budget = budgets.find(({ id }) => id === budgetId);
	const submit = (): void => {
		if (budget !== undefined) change.mutate({ budget, amount, until, reason }, { onSuccess: onClose });
	};
	return (
		<FormDialog title="Ask for an increase" action="Ask" isDisabled={budget === undefined} change={change} onSubmit={submit} onClose={onClose}>
			<Select
				label="Budget"
				required
				searchable
				data={budgets.map((one) => ({ value: one.id, label: `${teamName(one.teamId)}: ${budgetName(one)}` }))}
				value={budgetId}
				onChange={setBudgetId}
			/>
			<TextInput
				label={budget === undefined || budget.unit === "nano_usd" ? "Amount in USD" : `Amount in ${budget.unit}`}
				description="Added to the limit"
				inputMode="decimal"
				required
				value={amount}
				onChange={(event) => setAmount(event.currentTarget.value)}
			/>
			<DateInput label="Until the end of" description="Empty: to the end of the window" clearable value={until} onChange={setUntil} valueFormat="D MMM YYYY" />
			<Textarea
				label="Reason"
				description="Whoever decides reads it"
				required
				maxLength={200}
				value={reason}
				onChange={(event) => setReason(event.currentTarget.value)}
			/>
		</FormDialog>
	);
}

async function ask({ budget, amount, until, reason }: Asked) {
	const { teamId, dimension, dimensionValue, unit, windowKind } = budget;
	const which = { teamId, dimension, unit, windowKind, ...(dimensionValue !== "" && { dimensionValue }) };
	const more = unit === "nano_usd" ? { amountUsd: amount } : { amount };
	return unwrap(await api.POST("/admin/v1/increases", { body: { ...which, ...more, reason, ...(until !== null && { until }) } }));
}
