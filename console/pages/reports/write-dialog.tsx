import { Select, Text } from "@mantine/core";
import { DateInput } from "@mantine/dates";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { REPORT_KINDS, type ReportKind } from "#domain/reports/report-period.ts";
import { api, unwrap } from "../../api/client.ts";
import { useChange } from "../../api/use-answer.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { KIND_NAMES } from "./period.ts";

/** Writes the report of a day, week or month that is over, and shows it. */
export function WriteDialog({ onClose }: { readonly onClose: () => void }) {
	const team = useTeam();
	const navigate = useNavigate();
	const [kind, setKind] = useState<ReportKind>("daily");
	const [date, setDate] = useState<string | null>(null);
	const change = useChange(["reports"], writeReport);
	const submit = (): void =>
		change.mutate(
			{ kind, ...(date !== null && { date }), ...(team !== undefined && { teamId: team }) },
			{ onSuccess: ({ id }) => void navigate({ to: "/reports/$reportId", params: { reportId: id } }) },
		);
	return (
		<FormDialog title="Write a report" action="Write it" change={change} onSubmit={submit} onClose={onClose}>
			<Text size="sm" className="name">
				Of {team === undefined ? "the organisation" : `team ${team}`}, from the books as they are now. Nothing is spent or changed by it; a report that was
				written before is shown as it is.
			</Text>
			<Select
				label="Kind"
				required
				data={REPORT_KINDS.map((value) => ({ value, label: KIND_NAMES[value] }))}
				value={kind}
				onChange={(value) => value !== null && setKind(value as ReportKind)}
			/>
			<DateInput
				label="A day of its period"
				description="Empty: the newest that is over"
				clearable
				clearButtonProps={{ "aria-label": "Clear the day" }}
				value={date}
				onChange={setDate}
				valueFormat="D MMM YYYY"
			/>
		</FormDialog>
	);
}

type Written = { readonly kind: ReportKind; readonly date?: string; readonly teamId?: string; readonly again?: boolean };

export async function writeReport(body: Written) {
	return unwrap(await api.POST("/admin/v1/reports", { body }));
}
