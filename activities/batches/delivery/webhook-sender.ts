import { invalidChannel } from "#activities/alerts/sender.ts";
import { postSigned, type SignedPostDependencies } from "#activities/alerts/webhook.ts";
import { channelOfRow } from "#domain/alerts/channel.ts";
import type { SendOutcome } from "#domain/alerts/retry.ts";
import { deferredStatus } from "#domain/batching/deferred.ts";
import type { ClaimedWebhook, EndedItem } from "./webhook-outbox.ts";

/** Tells a channel that an item has ended, signed as alerts are: `webhook-id` is the id of the item, which ends once. */
export function createEndedSender(
	dependencies: SignedPostDependencies,
): (webhook: Pick<ClaimedWebhook, "item" | "channelKind" | "channelConfig">) => Promise<SendOutcome> {
	return async ({ item, channelKind, channelConfig }) => {
		const checked = channelOfRow(channelKind, channelConfig);
		if (checked.kind === "invalid") return invalidChannel(checked.problems);
		if (checked.value.kind !== "webhook") return invalidChannel([{ field: "kind", problem: `is ${checked.value.kind}, and must be webhook` }]);
		return postSigned(dependencies, checked.value, { id: item.deferredId, body: () => JSON.stringify(endedBody(item)) });
	};
}

/** The same bytes for the same item, however often it is sent. Without its answer: whoever may read that asks for it by its id. */
export function endedBody({ deferredId, teamId, outcome, lane, httpStatus, deadlineMs, answeredAtMs, isLate }: EndedItem) {
	const answeredAt = new Date(answeredAtMs).toISOString();
	return {
		type: "deferred.ended",
		timestamp: answeredAt,
		data: {
			id: deferredId,
			status: deferredStatus({ batchState: "completed", outcome, isCarried: false, isAnswered: true }),
			team_id: teamId,
			lane,
			status_code: httpStatus,
			deadline: deadlineMs === null ? null : new Date(deadlineMs).toISOString(),
			answered_at: answeredAt,
			is_late: isLate,
		},
	};
}
