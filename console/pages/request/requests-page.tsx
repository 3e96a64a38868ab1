import { Button, Group, Pill, Text, TextInput } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { formatDuration } from "../../format/time.ts";
import { DataTable } from "../../frame/data-table.tsx";
import { Count, Money } from "../../frame/money.tsx";
import { Page, Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { useTeam } from "../../frame/use-team.ts";
import { When } from "../../frame/when.tsx";

type Listed = Answer<"/admin/v1/requests">["requests"][number];

const FILTERS = ["feature", "userId", "model", "provider", "keyId", "environment", "outcome"] as const;

/** Calls of a team, the newest first; or one, by its id. */
export function RequestsPage() {
	const team = useTeam();
	return (
		<Page title="Requests">
			<Section title="One request">
				<GoTo />
			</Section>
			<Section title="Newest calls">
				{team === undefined ? <Empty title="Choose a team.">Calls are listed team by team: the picker is at the top.</Empty> : <Calls team={team} />}
			</Section>
		</Page>
	);
}

function GoTo() {
	const [id, setId] = useState("");
	const navigate = useNavigate();
	const go = (event: FormEvent): void => {
		event.preventDefault();
		if (id.trim() !== "") void navigate({ to: "/requests/$requestId", params: { requestId: id.trim() } });
	};
	return (
		<form onSubmit={go}>
			<Group align="flex-end" gap="xs">
				<TextInput
					label="Request or attempt id"
					description="x-tollgate-request-id of the answer"
					w={{ base: "100%", xs: 360 }}
					value={id}
					onChange={(event) => setId(event.currentTarget.value)}
				/>
				<Button type="submit" variant="default">
					Show
				</Button>
			</Group>
		</form>
	);
}

function Calls({ team }: { readonly team: string }) {
	const { team: _, ...search } = useSearch({ from: "/requests" });
	const navigate = useNavigate({ from: "/requests" });
	const query = useAnswer(
		"/admin/v1/requests",
		{ query: { teamId: team, ...search } as { teamId: string } },
		{ topics: search.after === undefined ? ["spend"] : [], keepsPrevious: true },
	);
	return (
		<>
			<Group gap="xs" mb="sm">
				<Text size="sm" c="dimmed">
					{search.from === undefined ? "The last 24 hours" : <When iso={search.from} />}{" "}
					{search.to === undefined ? (
						"until now"
					) : (
						<>
							to <When iso={search.to} />
						</>
					)}
				</Text>
				{FILTERS.filter((name) => search[name] !== undefined).map((name) => (
					<Pill
						key={name}
						withRemoveButton
						onRemove={() => void navigate({ search: (before) => ({ ...before, [name]: undefined, after: undefined }) })}
						removeButtonProps={{ "aria-label": `Remove the filter ${name}`, tabIndex: 0, "aria-hidden": false }}
					>
						{name}: {search[name]}
					</Pill>
				))}
			</Group>
			<Answered
				query={query}
				what="Calls"
				isEmpty={({ requests, next }) => requests.length === 0 && next === null}
				empty={<Empty title="No call matches.">Choose a longer time on the page Explore, or take a filter away.</Empty>}
			>
				{({ requests, next }) => (
					<>
						<DataTable caption="Calls of the team" columns={COLUMNS} rows={requests} rowKey={({ attemptId }) => attemptId} minWidth={760} />
						<Group mt="sm" gap="sm">
							{search.after !== undefined && (
								<Link to="/requests" search={(before) => ({ ...before, after: undefined })}>
									Newest
								</Link>
							)}
							{next !== null && (
								<Link to="/requests" search={(before) => ({ ...before, after: next })}>
									Older
								</Link>
							)}
						</Group>
					</>
				)}
			</Answered>
		</>
	);
}

const COLUMNS = [
	{
		key: "at",
		head: "When",
		cell: ({ at, attemptId }: Listed) => (
			<Link to="/requests/$requestId" params={{ requestId: attemptId }}>
				<When iso={at} />
			</Link>
		),
	},
	{ key: "feature", head: "Feature", cell: ({ feature }: Listed) => feature ?? "–" },
	{ key: "user", head: "User", cell: ({ userId }: Listed) => userId ?? "–" },
	{ key: "model", head: "Model", cell: ({ model }: Listed) => model },
	{ key: "outcome", head: "Outcome", cell: ({ outcome }: Listed) => outcome },
	{
		key: "tokens",
		head: "Tokens in / out",
		isNumber: true,
		cell: ({ inputTokens, outputTokens }: Listed) => (
			<>
				<Count count={inputTokens ?? 0} /> / <Count count={outputTokens ?? 0} />
			</>
		),
	},
	{ key: "duration", head: "Took", isNumber: true, cell: ({ durationMs }: Listed) => (durationMs === null ? "–" : formatDuration(durationMs)) },
	{ key: "cost", head: "Cost", isNumber: true, cell: ({ costNanoUsd }: Listed) => <Money nanoUsd={costNanoUsd} /> },
];
