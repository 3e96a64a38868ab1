import { Stack } from "@mantine/core";
import type { Answer } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { ChannelTable } from "./channel-table.tsx";

type Route = Answer<"/admin/v1/alert-channels">["routes"][number];

const COLUMNS: readonly Column<Route>[] = [
	{ key: "team", head: "Alerts of", cell: ({ teamId }) => (teamId === "@organization" ? "every team and the organization" : teamId) },
	{ key: "channel", head: "Go to", cell: ({ channel }) => channel },
	{ key: "kinds", head: "Kinds", cell: ({ kinds }) => (kinds.length === 0 ? "all" : kinds.join(", ")) },
];

/** Where alerts go. Set by the command line, the API or the policy file; a channel holds no secret, it names where one stands. */
export function Channels() {
	const list = useAnswer("/admin/v1/alert-channels", {}, { topics: ["alerts", "policy"] });
	return (
		<Section title="Channels and routes">
			<Answered query={list} what="Channels" isEmpty={({ channels }) => channels.length === 0} empty={<NoChannels />}>
				{(answer) => (
					<Stack gap="md">
						<ChannelTable channels={answer.channels} />
						<RouteTable routes={answer.routes} />
					</Stack>
				)}
			</Answered>
		</Section>
	);
}

function NoChannels() {
	return (
		<Empty title="There is no channel: nobody is told of alerts.">
			Make one, and a route to it: <code>npx tollgate alerts channel set team-chat --kind slack --url-env SLACK_WEBHOOK_URL</code>, then{" "}
			<code>npx tollgate alerts route --organization --to team-chat</code>
		</Empty>
	);
}

function RouteTable({ routes }: { readonly routes: readonly Route[] }) {
	if (routes.length === 0)
		return (
			<Empty title="No route leads to a channel: nobody is told of alerts.">
				Make one: <code>npx tollgate alerts route --organization --to CHANNEL</code>
			</Empty>
		);
	return <DataTable caption="Routes" columns={COLUMNS} rows={routes} rowKey={({ teamId, channel }) => `${teamId} ${channel}`} />;
}
