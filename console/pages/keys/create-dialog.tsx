import { Checkbox, Select, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAnswer, useChange } from "../../api/use-answer.ts";
import { formatMoney } from "../../format/money.ts";
import { FormDialog } from "../../frame/form-dialog.tsx";
import { createKey, type KeyRequest, LIFETIMES, type NewSecret } from "./key.ts";

type CreateDialogProps = { readonly team: string | undefined; readonly onMade: (made: NewSecret) => void; readonly onClose: () => void };

type Draft = {
	readonly teamId: string;
	readonly feature: string;
	readonly userId: string;
	readonly environment: string;
	readonly models: string;
	readonly lifetime: string;
	readonly assertsUser: boolean;
	readonly assertsFeature: boolean;
	readonly requiresRun: boolean;
};

/** Makes a key of a team; the secret goes to whoever shows it, and nowhere else. */
export function CreateDialog({ team, onMade, onClose }: CreateDialogProps) {
	const [draft, setDraft] = useState<Draft>({ ...EMPTY, teamId: team ?? "" });
	const change = useChange(["keys"], async () => onMade(await createKey(toRequest(draft))));
	const put = (part: Partial<Draft>): void => setDraft({ ...draft, ...part });
	return (
		<FormDialog
			title="Create a key"
			action="Create"
			isDisabled={draft.teamId === ""}
			change={change}
			onSubmit={() => change.mutate(undefined)}
			onClose={onClose}
		>
			<TeamField draft={draft} onPut={put} />
			<Attribution draft={draft} onPut={put} />
			<TextInput
				label="Models"
				description="Separated by commas; empty: all"
				value={draft.models}
				onChange={(event) => put({ models: event.currentTarget.value })}
			/>
			<Select label="It works" required data={LIFETIMES} value={draft.lifetime} onChange={(lifetime) => put({ lifetime: lifetime ?? "" })} />
			<Checkbox
				label="Only in agent runs"
				description="Calls that name no run join one by how their conversation begins"
				checked={draft.requiresRun}
				onChange={(event) => put({ requiresRun: event.currentTarget.checked })}
			/>
		</FormDialog>
	);
}

const EMPTY: Draft = {
	...{ teamId: "", feature: "", userId: "", environment: "", models: "", lifetime: "" },
	...{ assertsUser: false, assertsFeature: false, requiresRun: false },
};

type PartProps = { readonly draft: Draft; readonly onPut: (part: Partial<Draft>) => void };

/** Whose money it is, and how much of it went today. */
function TeamField({ draft: { teamId }, onPut }: PartProps) {
	const teams = useAnswer("/admin/v1/teams", {}, { topics: ["policy"] });
	const today = useAnswer("/admin/v1/teams/{teamId}/today", { path: { teamId } }, { topics: ["spend"], isAsked: teamId !== "" });
	return (
		<>
			<Select
				label="Team"
				required
				searchable
				data={teams.data?.teams.map(({ id }) => id) ?? []}
				value={teamId}
				onChange={(value) => onPut({ teamId: value ?? "" })}
				error={teams.error?.message}
			/>
			{teamId !== "" && (
				<Text size="sm" className="name">
					Whoever holds the key spends money of team {teamId}, within its budgets
					{today.data === undefined ? "." : `; it has spent ${formatMoney(BigInt(today.data.spentNanoUsd))} today.`}
				</Text>
			)}
		</>
	);
}

function Attribution({ draft, onPut }: PartProps) {
	return (
		<>
			<SimpleGrid cols={{ base: 1, xs: 3 }} spacing="sm">
				<TextInput label="Feature" value={draft.feature} maxLength={128} onChange={(event) => onPut({ feature: event.currentTarget.value })} />
				<TextInput label="User" value={draft.userId} maxLength={128} onChange={(event) => onPut({ userId: event.currentTarget.value })} />
				<TextInput label="Environment" value={draft.environment} maxLength={128} onChange={(event) => onPut({ environment: event.currentTarget.value })} />
			</SimpleGrid>
			<Checkbox
				label="The caller may name the feature"
				checked={draft.assertsFeature}
				onChange={(event) => onPut({ assertsFeature: event.currentTarget.checked })}
			/>
			<Checkbox label="The caller may name the user" checked={draft.assertsUser} onChange={(event) => onPut({ assertsUser: event.currentTarget.checked })} />
		</>
	);
}

function toRequest({ teamId, feature, userId, environment, models, lifetime, assertsUser, assertsFeature, requiresRun }: Draft): KeyRequest {
	const named = models
		.split(",")
		.map((model) => model.trim())
		.filter((model) => model !== "");
	const mayAssert = [...(assertsUser ? (["user"] as const) : []), ...(assertsFeature ? (["feature"] as const) : [])];
	return {
		teamId,
		...(feature.trim() !== "" && { feature: feature.trim() }),
		...(userId.trim() !== "" && { userId: userId.trim() }),
		...(environment.trim() !== "" && { environment: environment.trim() }),
		...(named.length > 0 && { models: named }),
		...(mayAssert.length > 0 && { mayAssert }),
		...(requiresRun && { requiresRun }),
		...(lifetime !== "" && { expiresInMs: Number(lifetime) }),
	};
}
