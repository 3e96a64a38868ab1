import { expect, test } from "vitest";
import type { SettleReply } from "#activities/ledger/settle-chunk.ts";
import { watchLedger } from "#gateway/ledger-log.ts";
import { until } from "#test/support/until.ts";

test("says since when the ledger takes nothing, until it takes something; a row set aside is logged with its call", async () => {
	const lines: unknown[] = [];
	const write = (fields: unknown) => void lines.push(fields);
	const watch = watchLedger({ warn: write, error: write });
	const replies: SettleReply[] = [];
	const { onReply, onRetry, onQuarantine } = watch.events((reply) => replies.push(reply));
	expect(watch.failingMs()).toBe(0);
	onRetry(new Error("away"), 100);
	const first = await until("some time without the ledger", () => watch.failingMs() || undefined);
	onRetry(new Error("away"), 200);
	expect([first > 0, watch.failingMs() >= first]).toEqual([true, true]);
	const reply = { inserted: 1 } as SettleReply;
	onReply(reply);
	expect([watch.failingMs(), replies]).toEqual([0, [reply]]);
	onQuarantine({ key: "g1-1-7", problem: "bad data", requestId: "req_7", team: "demo", isBooked: true });
	expect(lines.at(-1)).toEqual({ requestId: "req_7", team: "demo", row: { key: "g1-1-7", problem: "bad data", isBooked: true } });
});
