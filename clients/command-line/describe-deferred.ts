import type { DeferredItem, DeferredReport, DeferredWebhook } from "../administration-client.ts";
import { amount, cell, table } from "./output.ts";

/** Items handed in alone, for a person. */
export function deferredTable(items: readonly DeferredItem[]): string {
	return table(
		["ITEM", "STATUS", "LANE", "MODEL", "DEADLINE", "LATE", "HELD", "COST", "ACCEPTED"],
		items.map((item) => [
			item.deferredId,
			item.status,
			cell(item.lane),
			item.model,
			cell(item.deadline),
			item.isLate ? "late" : "-",
			amount(item.heldNanoUsd),
			costOf(item),
			item.acceptedAt,
		]),
	);
}

export function describeDeferred(item: DeferredItem): string {
	const isOpen = item.answeredAt === null;
	return [
		`${item.deferredId} of team ${item.teamId}: ${item.status}${item.isLate ? ", late" : ""}`,
		`  lane     ${cell(item.lane)}`,
		`  batch    ${item.batchId}`,
		`  model    ${item.model} (${item.endpoint}) with key ${item.keyId}`,
		`  money    held ${amount(item.heldNanoUsd)}, cost ${costOf(item)}`,
		`  time     accepted ${item.acceptedAt}, deadline ${cell(item.deadline)}, answered ${cell(item.answeredAt)}`,
		...(item.httpStatus === null ? [] : [`  answer   status ${item.httpStatus}`]),
		...(isOpen ? ["", `Its batch: npx tollgate batch show ${item.batchId}`, `End it: npx tollgate deferred cancel ${item.deferredId}`] : []),
	].join("\n");
}

export function describeReport({ since, until, lanes, total }: DeferredReport): string {
	const rows = [...lanes.map((lane) => [lane.teamId, lane.lane, ...cellsOf(lane)]), ...(lanes.length > 1 ? [["total", "", ...cellsOf(total)]] : [])];
	return `${since} to ${until}\n\n${table(["TEAM", "LANE", "ITEMS", "COST", "IN REAL TIME", "SAVED", "LATE", "LATEST BY"], rows)}`;
}

function cellsOf({ items, costNanoUsd, realTimeNanoUsd, savedNanoUsd, lateItems, lateMsMax }: DeferredReport["total"]): string[] {
	const late = items === 0 ? "-" : `${lateItems} (${((lateItems / items) * 100).toFixed(2)} %)`;
	return [String(items), amount(costNanoUsd), amount(realTimeNanoUsd), savedOf(savedNanoUsd, realTimeNanoUsd), late, lateItems === 0 ? "-" : spanOf(lateMsMax)];
}

function savedOf(savedNanoUsd: string, realTimeNanoUsd: string): string {
	const whole = BigInt(realTimeNanoUsd);
	const share = whole === 0n ? "" : ` (${(Number((BigInt(savedNanoUsd) * 1_000n) / whole) / 10).toFixed(1)} %)`;
	return `${amount(savedNanoUsd)}${share}`;
}

/** "1 h 2 min", "3 min 4 s", "0.5 s". */
function spanOf(ms: number): string {
	if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
	const minutes = Math.floor(ms / 60_000);
	return minutes < 60 ? `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function webhookTable(webhooks: readonly DeferredWebhook[]): string {
	return table(
		["ITEM", "TEAM", "CHANNEL", "STATE", "TRIES", "AT", "SAID"],
		webhooks.map((webhook) => [
			webhook.deferredId,
			webhook.teamId,
			webhook.channel,
			webhook.state,
			String(webhook.attempts),
			cell(webhook.endedAt ?? webhook.nextAttemptAt),
			cell(webhook.state === "delivered" ? webhook.answer : webhook.lastError),
		]),
	);
}

function costOf({ costNanoUsd }: DeferredItem): string {
	return costNanoUsd === null ? "-" : amount(costNanoUsd);
}
