import { Select, Text, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useChange } from "../../api/use-answer.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { formatBasisPoints, readBasisPoints } from "./basis-points.ts";
import { type Rules, setRules } from "./rules.ts";

type Draft = {
	readonly timeZone: string;
	readonly approval: Rules["approval"];
	readonly remindAfterHours: string;
	readonly margin: string;
	readonly margins: string;
};

const MARGIN_LINE = /^(\S+)\s+(.+)$/;

/** Sets the rules that hold from now on, as a whole; pools stay as they are. */
export function RulesDialog({ rules, onClose }: { readonly rules: Rules; readonly onClose: () => void }) {
	const [draft, setDraft] = useState<Draft>(() => draftOf(rules));
	const change = useChange(["statements"], (next: Rules) => setRules(next));
	const put = (part: Partial<Draft>): void => setDraft({ ...draft, ...part });
	const next = rulesOf(rules, draft);
	return (
		<FormDialog
			title="Change the chargeback rules"
			action="Set the rules"
			isDisabled={next === undefined}
			change={change}
			onSubmit={() => next !== undefined && change.mutate(next, { onSuccess: onClose })}
			onClose={onClose}
		>
			<Text size="sm">
				Months that are closed stay as they are; one that is drafted anew follows these. With a margin of 2.5 %, a cost of 100 USD is charged as 102.50 USD.
			</Text>
			<TextInput
				label="Calendar"
				description="IANA name of a time zone"
				required
				value={draft.timeZone}
				onChange={(event) => put({ timeZone: event.currentTarget.value })}
			/>
			<Select
				label="Approval"
				data={[
					{ value: "required", label: "A person approves each month" },
					{ value: "none", label: "None: closed at once" },
				]}
				value={draft.approval}
				onChange={(value) => put({ approval: value as Rules["approval"] })}
			/>
			<TextInput
				label="Hours between reminders"
				inputMode="numeric"
				required
				value={draft.remindAfterHours}
				onChange={(event) => put({ remindAfterHours: event.currentTarget.value })}
			/>
			<TextInput
				label="Margin in percent"
				description="Negative: a discount"
				required
				value={draft.margin}
				onChange={(event) => put({ margin: event.currentTarget.value })}
				error={readBasisPoints(draft.margin) === undefined && "a number with at most two decimals"}
			/>
			<Textarea
				label="Margins of single teams"
				description="A line each: team and percent, like: search 1.5"
				autosize
				minRows={2}
				maxRows={8}
				value={draft.margins}
				onChange={(event) => put({ margins: event.currentTarget.value })}
				error={readMargins(draft.margins) === undefined && "each line is a team and a number with at most two decimals"}
			/>
			<Text size="sm" c="dimmed">
				What is shared, and how, is set by <code>npx tollgate statement rules --file</code>; it stays as it is here.
			</Text>
		</FormDialog>
	);
}

function draftOf({ timeZone, approval, remindAfterHours, marginBasisPoints, margins }: Rules): Draft {
	const percent = (basisPoints: number): string => formatBasisPoints(basisPoints).replace(" %", "").replace("−", "-");
	return {
		timeZone,
		approval,
		remindAfterHours: String(remindAfterHours),
		margin: percent(marginBasisPoints),
		margins: Object.entries(margins)
			.map(([teamId, basisPoints]) => `${teamId} ${percent(basisPoints)}`)
			.join("\n"),
	};
}

function rulesOf(rules: Rules, { timeZone, approval, remindAfterHours, margin, margins }: Draft): Rules | undefined {
	const [marginBasisPoints, ofTeams] = [readBasisPoints(margin), readMargins(margins)];
	if (marginBasisPoints === undefined || ofTeams === undefined || !/^\d{1,5}$/.test(remindAfterHours)) return undefined;
	return { ...rules, timeZone: timeZone.trim(), approval, remindAfterHours: Number(remindAfterHours), marginBasisPoints, margins: ofTeams };
}

function readMargins(text: string): Record<string, number> | undefined {
	const margins: [string, number][] = [];
	for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
		const [, teamId = "", percent = ""] = MARGIN_LINE.exec(line.trim()) ?? [];
		const basisPoints = readBasisPoints(percent);
		if (basisPoints === undefined) return undefined;
		margins.push([teamId, basisPoints]);
	}
	return Object.fromEntries(margins);
}
