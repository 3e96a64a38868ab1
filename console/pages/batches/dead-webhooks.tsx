import { Button, Text } from "@mantine/core";
import { useState } from "react";
import { type Answer, api, unwrap } from "../../api/client.ts";
import { mayGovern } from "../../api/rights.ts";
import { useSession } from "../../api/session.ts";
import { useAnswer, useChange } from "../../api/use-answer.ts";
import { ChangeDialog } from "../../frame/change-dialog.tsx";
import { type Column, DataTable } from "../../frame/data-table.tsx";
import { Count } from "../../frame/money.tsx";
import { Section } from "../../frame/page.tsx";
import { Answered, Empty } from "../../frame/states.tsx";
import { When } from "../../frame/when.tsx";

type Webhook = Answer<"/admin/v1/deferred/webhooks">["webhooks"][number];

const COLUMNS: readonly Column<Webhook>[] = [
	{ key: "item", head: "Item", cell: ({ deferredId }) => <span className="code">{deferredId}</span> },
	{ key: "channel", head: "Channel", cell: ({ channel }) => channel },
	{ key: "error", head: "What went wrong last", cell: ({ lastError }) => lastError ?? "–" },
	{ key: "attempts", head: "Tries", isNumber: true, cell: ({ attempts }) => <Count count={attempts} /> },
	{ key: "ended", head: "Given up", cell: ({ endedAt }) => (endedAt === null ? "–" : <When iso={endedAt} />) },
	{ key: "team", head: "Team", cell: ({ teamId }) => teamId },
];

/** Ends of items that a channel did not take: sent again here. */
export function DeadWebhooks({ team }: { readonly team: string | undefined }) {
	const session = useSession();
	const [retried, setRetried] = useState<Webhook | null>(null);
	const query = { state: "dead" as const, ...(team !== undefined && { teamId: team }) };
	const webhooks = useAnswer(
		"/admin/v1/deferred/webhooks",
		{ query },
		{ topics: ["batches", "alerts"], isAsked: team !== undefined || session.teamIds === null },
	);
	const retry: Column<Webhook> = { key: "retry", head: "Send again", cell: (webhook) => <Retry webhook={webhook} onRetry={setRetried} /> };
	if (team === undefined && session.teamIds !== null) return null;
	return (
		<Section title="Ends that no channel took">
			<Answered
				query={webhooks}
				what="Webhooks"
				isEmpty={(answer) => answer.webhooks.length === 0}
				empty={<Empty title="Every end was taken by the channel that asked for it." />}
			>
				{(answer) => (
					<DataTable
						caption="Webhooks that were given up, the newest end first"
						columns={mayGovern(session) ? [...COLUMNS, retry] : COLUMNS}
						rows={answer.webhooks}
						rowKey={({ deferredId }) => deferredId}
						minWidth={820}
					/>
				)}
			</Answered>
			{retried !== null && <RetryDialog webhook={retried} onClose={() => setRetried(null)} />}
		</Section>
	);
}

function Retry({ webhook, onRetry }: { readonly webhook: Webhook; readonly onRetry: (webhook: Webhook) => void }) {
	return (
		<Button size="compact-xs" variant="default" aria-label={`Send again: the end of ${webhook.deferredId}`} onClick={() => onRetry(webhook)}>
			Send again
		</Button>
	);
}

function RetryDialog({ webhook: { deferredId, channel }, onClose }: { readonly webhook: Webhook; readonly onClose: () => void }) {
	const change = useChange(["batches", "alerts"], async (_reason: string) =>
		unwrap(await api.POST("/admin/v1/deferred/webhooks/retry", { body: { deferredId } })),
	);
	return (
		<ChangeDialog title="Send the end again" verb="Send again" change={change} onClose={onClose}>
			<Text size="sm" className="name">
				Channel {channel} is told again, under the same id, that {deferredId} has ended. It costs nothing.
			</Text>
		</ChangeDialog>
	);
}
