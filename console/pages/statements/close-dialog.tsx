import { Select, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "../../api/client.ts";
import { useAnswer, useChange } from "../../api/use-answer.ts";
import { formatMonth, knownTimeZone } from "../../format/time.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { useNow } from "../../frame/use-now.ts";
import { type Month, monthsToClose } from "./month.ts";

/** Begins the close of a month: its statements are drafted, and wait for approval where the rules say so. */
export function CloseDialog({ months, onClose }: { readonly months: readonly Month[]; readonly onClose: () => void }) {
	const rules = useAnswer("/admin/v1/chargeback-rules", {}, { topics: ["statements"] }).data?.rules;
	const choices = monthsToClose(months, useNow(), knownTimeZone(rules?.timeZone ?? "UTC"));
	const [chosen, setChosen] = useState<string | null>(null);
	const navigate = useNavigate();
	const change = useChange(["statements"], closeMonth);
	const month = chosen ?? choices[0] ?? null;
	const submit = (): void => {
		if (month !== null) change.mutate(month, { onSuccess: () => void navigate({ to: "/statements/$month", params: { month } }) });
	};
	return (
		<FormDialog title="Close a month" action="Draft its statements" isDisabled={month === null} change={change} onSubmit={submit} onClose={onClose}>
			<Text size="sm">
				Drafts what each team owes, from the ledger and the rules in force.{" "}
				{rules?.approval === "none"
					? "The rules ask for no approval: it is closed at once, and never changes again."
					: "It is closed once somebody approves it."}
			</Text>
			<Select
				label="Month"
				required
				data={choices.map((value) => ({ value, label: formatMonth(value) }))}
				value={month}
				onChange={setChosen}
				placeholder="No month is over and open"
			/>
		</FormDialog>
	);
}

export async function closeMonth(month: string) {
	return unwrap(await api.POST("/admin/v1/statements/{month}/close", { params: { path: { month } } }));
}
