import { Anchor, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { teamName } from "../../frame/budget-name.ts";
import { Status } from "../../frame/page.tsx";
import { HowLong } from "../../frame/when.tsx";
import { AlertActions } from "./alert-actions.tsx";
import { type Alert, DELIVERY_TONES, DELIVERY_WORDS, STATUS_WORDS, toneOf } from "./alert-words.ts";

export function AlertList({ alerts }: { readonly alerts: readonly Alert[] }) {
	return (
		<Stack component="ul" gap="sm" p={0} m={0} className="plain-list">
			{alerts.map((alert) => (
				<AlertRow key={alert.id} alert={alert} />
			))}
		</Stack>
	);
}

function AlertRow({ alert }: { readonly alert: Alert }) {
	const { id, title, severity, status, at, endedAt, teamId, kind } = alert;
	return (
		<li className="budget-card">
			<Group justify="space-between" gap="xs" align="baseline" wrap="nowrap">
				<Anchor
					fw={600}
					className="name"
					renderRoot={(props) => <Link {...props} to="/alerts/$alertId" params={{ alertId: id }} search={({ team }) => ({ team })} />}
				>
					{title}
				</Anchor>
				<Text size="sm" className="money">
					<Status tone={toneOf(alert)}>{status === "firing" ? severity : STATUS_WORDS[status]}</Status>
				</Text>
			</Group>
			<Text size="sm" c="dimmed" className="name">
				{teamName(teamId)} · {kind} · <HowLong iso={at} />
				{endedAt !== null && (
					<>
						, over <HowLong iso={endedAt} />
					</>
				)}
			</Text>
			<Group justify="space-between" gap="xs" mt={4}>
				<Text size="sm" component="div" className="name">
					<Deliveries alert={alert} />
				</Text>
				<AlertActions alert={alert} />
			</Group>
		</li>
	);
}

function Deliveries({ alert: { deliveries } }: { readonly alert: Alert }) {
	if (deliveries.length === 0) return <span className="dimmed">No route took it: nobody was told.</span>;
	return (
		<Group gap="md">
			{deliveries.map(({ channel, state, acknowledgedBy }) => (
				<Status key={channel} tone={acknowledgedBy === null ? DELIVERY_TONES[state] : "quiet"}>
					{channel}: {DELIVERY_WORDS[state]}
					{acknowledgedBy !== null && `, ${acknowledgedBy} knows`}
				</Status>
			))}
		</Group>
	);
}
