import { parseItem, type Wire } from "#activities/authority/postgres.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import type { HeldWindow, HoldResult } from "../port.ts";
import { askBatches } from "./ask-batches.ts";
import { type Asker, type Granted, judgeShort, recordObserved, refuseUncovered } from "./money-ask.ts";

const HOLD = "SELECT tollgate.hold_batch($1, $2) AS reply";

type Held = { readonly kind: "held"; readonly windows: readonly Wire<HeldWindow>[] };
type Short = Granted & { readonly kind: "short" };
/** Asked again, a batch that is held says no more than that. */
type HoldReply = Held | (Held & Granted) | Short | (Asker & { readonly kind: "uncovered" });

/** Asks for the money of a batch once, and judges the grant (money-ask.ts). */
export async function holdBatch(sql: SqlConnection, batchId: string, { waitIsOver }: { readonly waitIsOver: boolean }): Promise<HoldResult> {
	const reply = await askBatches<HoldReply>(sql, "hold_batch", HOLD, [batchId, waitIsOver]);
	const ask = { of: "batch", requestId: batchId, waitIsOver } as const;
	if (reply.kind === "held") {
		if ("items" in reply) await recordObserved(sql, { ...ask, asker: reply, name: reply.asks.toString() });
		return { kind: "held", windows: reply.windows.map((window) => ({ ...window, amount: BigInt(window.amount) })) };
	}
	const asking = { ...ask, asker: reply, name: reply.asks.toString() };
	return reply.kind === "uncovered" ? refuseUncovered(sql, asking) : judgeShort(sql, { ...asking, items: reply.items.map(parseItem) });
}
