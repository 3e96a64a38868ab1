import type { GrantedItem } from "#activities/authority/port.ts";
import { parseItem, type Wire } from "#activities/authority/postgres.ts";
import { isTooSlow, type SqlConnection, sqlState } from "#activities/ledger/settle-chunk.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { AcceptResult, DeferredStore, NewDeferredItem } from "../deferred-port.ts";
import type { BatchRecord } from "../port.ts";
import { askBatches } from "./ask-batches.ts";
import { AskGroups, type Fault } from "./ask-groups.ts";
import { parseRecord, type WireRecord } from "./deferred-record.ts";
import { type Asker, type Granted, judgeShort, recordObserved, refuseUncovered } from "./money-ask.ts";

const ACCEPT = "SELECT tollgate.accept_deferred_items($1, $2) AS reply";

/** So many share one transaction at most: it holds the rows of its budgets until it ends, and calls of the team wait for them. */
const GROUP_MAX = 32;

type Accepted = { readonly kind: "accepted"; readonly record: WireRecord; readonly batch: BatchRecord };
type Short = Granted & { readonly kind: "short"; readonly claims: Readonly<Record<string, string>> };
/** An item that is accepted says more than that where it meets a budget that is only observed, and only the first time. */
type AcceptReply = Accepted | (Accepted & Granted) | Short | (Asker & { readonly kind: "uncovered" });

type Asking = { readonly item: NewDeferredItem; readonly waitIsOver: boolean };

/**
 * Accepts items over migrations/0031. Those that come to a collector while it accepts others are accepted together, in one transaction; each has its own
 * budgets, its own answer, and fails for itself.
 */
export function createAccepting(sql: SqlConnection): DeferredStore["accept"] {
	const groups = new AskGroups<Asking, AcceptReply>({
		lineOf: ({ item, waitIsOver }) => JSON.stringify([...collectorOf(item), waitIsOver]),
		idOf: ({ item }) => item.deferredId,
		ask: (askings) => ask(sql, askings),
		faultOf,
		sizeMax: GROUP_MAX,
	});
	return async (item, { waitIsOver }) => judge(sql, { item, waitIsOver }, await groups.ask({ item, waitIsOver }));
}

/** What all items of a collecting batch share (`lock_collecting_batch` of migrations/0026). */
function collectorOf({ teamId, protocol, endpoint, deployment, model, pricedModel, priceVersion }: NewDeferredItem): readonly unknown[] {
	return [teamId, protocol, endpoint, deployment, model, pricedModel, priceVersion];
}

async function ask(sql: SqlConnection, askings: readonly Asking[]): Promise<readonly AcceptReply[]> {
	const items = askings.map(({ item }) => ({ ...item, item: { ...item.item, boundNanoUsd: item.item.boundNanoUsd.toString() } }));
	const values = [JSON.stringify(items), askings[0]?.waitIsOver];
	try {
		return await askBatches<readonly AcceptReply[]>(sql, "accept_deferred_items", ACCEPT, values);
	} catch (error) {
		// The same id was accepted meanwhile, by a batch that collects at another price version: it is known now.
		if (sqlState(error) !== "23505") throw error;
		return askBatches<readonly AcceptReply[]>(sql, "accept_deferred_items", ACCEPT, values);
	}
}

function faultOf(error: unknown): Fault {
	if (!(error instanceof CostControlError) || error.code !== "authority.unreachable") return "item";
	return isTooSlow(error) || sqlState(error) === "55P03" ? "time" : "outage";
}

/** Judges what was granted as a call's is judged (money-ask.ts). */
async function judge(sql: SqlConnection, { item, waitIsOver }: Asking, reply: AcceptReply): Promise<AcceptResult> {
	const about = { of: "call", requestId: item.deferredId, waitIsOver } as const;
	if (reply.kind === "accepted") {
		if ("items" in reply) await recordObserved(sql, { ...about, asker: reply, name: nameOf(item, reply) });
		return { kind: "accepted", record: parseRecord(reply.record), batch: reply.batch };
	}
	const asking = { ...about, asker: reply, name: nameOf(item, reply) };
	if (reply.kind === "uncovered") return refuseUncovered(sql, asking);
	const claims = new Map(Object.entries(reply.claims).map(([windowId, claimId]) => [windowId, BigInt(claimId)]));
	return judgeShort(sql, { ...asking, claims, items: reply.items.map((each: Wire<GrantedItem>) => parseItem(each)) });
}

/** Counted over the batch's life by when: a count of asks begins anew when nobody asked for a while. */
function nameOf({ deferredId }: NewDeferredItem, { askedAtMs, asks }: Asker): string {
	return `${deferredId}-${askedAtMs}-${asks}`;
}
