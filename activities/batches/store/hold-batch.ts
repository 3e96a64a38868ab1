import type { BudgetRule, GrantedItem } from "#activities/authority/port.ts";
import { parseItem, type Wire } from "#activities/authority/postgres.ts";
import { refusalItem } from "#activities/ledger/ledger-row.ts";
import type { RefusalRecord } from "#activities/ledger/record.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { NOTHING } from "#activities/request/amounts.ts";
import { budgetRefusal, uncoveredRefusal } from "#activities/request/budget-refusal.ts";
import { GrantEvidence, type Shortage, shortageCode } from "#activities/request/grant-evidence.ts";
import { refusalRecord } from "#activities/request/ledger-records.ts";
import type { Refusal } from "#activities/request/port.ts";
import { BATCH_EPOCH, holderOf } from "#domain/batching/attempt-of-item.ts";
import { type Amounts, amountIn, LeaseBook } from "#domain/budget/lease-book.ts";
import { MAX_MATCHED_BUDGETS } from "#domain/budget/match.ts";
import { readTeamPolicy } from "#domain/budget/team-policy.ts";
import type { HeldWindow, HoldResult } from "../port.ts";
import { askBatches } from "./ask-batches.ts";

const HOLD = "SELECT tollgate.hold_batch($1, $2) AS reply";
const RECORD_REFUSALS = "SELECT tollgate.record_refusals($1, $2, $3::json) AS reply";
const ANNOUNCE = "SELECT pg_notify('tollgate_claim', $1)::text AS reply";

/** Without a gap this long between two asks PostgreSQL was up to hear the gateways, so that one it does not hear of is gone. */
const HEARING_GAP_MS = 1_000;

/** A batch owns nothing before it is held, so nothing is idle. */
const NO_LEASES = new LeaseBook();

/** Who asks, as of one ask; amounts as decimal strings. */
type Asker = {
	readonly number: string;
	readonly teamId: string;
	readonly keyId: string;
	/** Counts them: part of the refusal's id. */
	readonly asks: number;
	/** Since the first ask, on PostgreSQL's clock. */
	readonly waitedMs: number;
	/** null for the first. */
	readonly sinceLastAskMs: number | null;
	readonly askedAtMs: number;
	readonly policy: Readonly<Record<string, unknown>>;
	readonly needNanoUsd: string;
	readonly needTokens: string;
	/** Budgets that match, ascending. */
	readonly budgets: readonly BudgetRule[];
};
type Granted = Asker & { readonly items: readonly Wire<GrantedItem>[] };
type Held = { readonly kind: "held"; readonly windows: readonly Wire<HeldWindow>[] };
type Short = Granted & { readonly kind: "short" };
/** Asked again, a batch that is held says no more than that. */
type HoldReply = Held | (Held & Granted) | Short | (Asker & { readonly kind: "uncovered" });

/**
 * Asks for the money of a batch once, and judges the grant as a call's is judged (money-path §3): refused at once where a window is frozen or
 * overrun, or where too little would be left if all that is held came back; else when the wait is over and every gateway that can be reached has
 * given its idle money back. The refusal is in the books before it is told.
 */
export async function holdBatch(sql: SqlConnection, batchId: string, { waitIsOver }: { readonly waitIsOver: boolean }): Promise<HoldResult> {
	const reply = await askBatches<HoldReply>(sql, "hold_batch", HOLD, [batchId, waitIsOver]);
	if (reply.kind === "held") {
		if ("items" in reply) await record(sql, reply.number, observedRefusals(batchId, reply));
		return { kind: "held", windows: reply.windows.map((window) => ({ ...window, amount: BigInt(window.amount) })) };
	}
	if (reply.kind === "uncovered") return refuseUncovered(sql, batchId, reply);
	const items = reply.items.map(parseItem);
	const shortage = shortageOf(reply, items, waitIsOver);
	if (shortage === undefined) {
		if (items.some(isUnanswered)) await askBatches(sql, "announce_claim", ANNOUNCE, [holderOf(reply.number)]);
		return { kind: "short", items };
	}
	const rule = reply.budgets.find(({ budgetId }) => budgetId === shortage.item.budgetId);
	return refuse(sql, { batchId, asker: reply, reason: shortage, refusal: budgetRefusal(shortage, reply.teamId, rule, "batch") });
}

function needOf({ needNanoUsd, needTokens }: Asker): Amounts {
	return { ...NOTHING, nanoUsd: BigInt(needNanoUsd), tokens: BigInt(needTokens) };
}

/** Why the batch is refused; undefined: not yet. */
function shortageOf(asker: Short, items: readonly GrantedItem[], waitIsOver: boolean): Shortage | undefined {
	const need = needOf(asker);
	const evidence = new GrantEvidence({
		budgets: asker.budgets,
		items: new Map(items.map((item) => [item.budgetId, item])),
		book: NO_LEASES,
		askedAtMs: asker.askedAtMs,
		claims: new Map(items.filter(({ claimId }) => claimId > 0n).map(({ windowId, claimId }) => [windowId, claimId])),
	});
	const certain = evidence.blocked(need) ?? evidence.hopeless(need);
	if (certain !== undefined) return certain;
	// The asker's clock began before PostgreSQL's: a refusal is held to the latter.
	const isWaitOver = waitIsOver && asker.waitedMs >= readTeamPolicy(asker.policy).policy.admissionWaitMs;
	const isHearing = (): boolean => asker.sinceLastAskMs !== null && asker.sinceLastAskMs < HEARING_GAP_MS;
	return isWaitOver && !evidence.mayOthersHaveIdle(isHearing) ? evidence.short(need) : undefined;
}

function isUnanswered({ claimId, leastAnswered }: GrantedItem): boolean {
	return claimId > 0n && leastAnswered !== null && leastAnswered < claimId;
}

function refuseUncovered(sql: SqlConnection, batchId: string, asker: Asker): Promise<HoldResult> {
	const code = asker.budgets.length > MAX_MATCHED_BUDGETS ? "budget.too_many_windows" : "budget.none";
	return refuse(sql, { batchId, asker, reason: { code }, refusal: uncoveredRefusal(asker.teamId, { code, met: asker.budgets.length, asker: "batch" }) });
}

type Refused = {
	readonly batchId: string;
	readonly asker: Asker;
	readonly reason: Shortage | Pick<Shortage, "code">;
	readonly refusal: Refusal;
};

async function refuse(sql: SqlConnection, { batchId, asker, reason, refusal }: Refused): Promise<HoldResult> {
	const made = recordOf(batchId, asker, { reason, name: `f-${asker.asks}` });
	await record(sql, asker.number, [made]);
	return { kind: "refused", refusal, record: made };
}

/** What budgets that are only observed would have refused of a batch that is held now: one record each, as of a call (observed-refusals.ts). */
function observedRefusals(batchId: string, asker: Granted): readonly RefusalRecord[] {
	const need = needOf(asker);
	return asker.items.map(parseItem).flatMap((item, place) => {
		const unit = asker.budgets.find(({ budgetId }) => budgetId === item.budgetId)?.unit;
		const bound = item.stop < item.limit ? item.stop : item.limit;
		if (!item.isObserved || unit === undefined || item.granted <= bound) return [];
		// It stands in `granted` already.
		const amount = amountIn(unit, need);
		const reason = { code: shortageCode(item, amount, amount), item, unit, idle: amount, need: amount, endsAtMs: 0, isRemembered: false };
		const name = `o-${asker.asks}-${place}`;
		return [{ ...recordOf(batchId, asker, { reason, name }), openReservations: null, waitedMs: 0, isObserved: true }];
	});
}

function recordOf(
	batchId: string,
	{ number, teamId, keyId, askedAtMs, waitedMs }: Asker,
	{ reason, name }: { readonly reason: Shortage | Pick<Shortage, "code">; readonly name: string },
): RefusalRecord {
	const identity = { refusalId: `${holderOf(number)}-${BATCH_EPOCH}-${name}`, refusedAtMs: askedAtMs, waitedMs };
	return refusalRecord({ requestId: batchId, key: { teamId, keyId } }, reason, identity);
}

async function record(sql: SqlConnection, number: string, records: readonly RefusalRecord[]): Promise<void> {
	if (records.length === 0) return;
	const rows = records.map((each) => refusalItem(each).json);
	await askBatches(sql, "record_refusals", RECORD_REFUSALS, [holderOf(number), BATCH_EPOCH.toString(), `[${rows.join()}]`]);
}
